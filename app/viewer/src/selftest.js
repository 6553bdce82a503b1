// The check of this display on the open exam: what its files show of the rules (by the server), and what is drawn (here).
// docs/display.md lists the rules. The exam is shown as before afterwards.
import { make, makeButton, openDialog } from './dom.js';
import { cellsOf, drawnGreys, drawnPixels, drawnScale, drawnWall, paddedCells, placeOf, sentUnder } from './drawn.js';
import { addressOf } from './pixels.js';
import { EXTRA } from './hanging.js';
import { factorsOf, tableOf } from './technique.js';
import { CARD_MM, cardPixels, toTrueSize } from './truesize.js';

const FLUSH = 1.5; // CSS pixels from the chest wall to its edge, and between two panes
const SAME = 0.005; // relative difference of two scales
const EXACT = 1e-3; // of a pixel
const IN_PLACE = 1; // CSS pixels that a mark may lie beside its place
const ONE_GREY = 1; // of 255
const CONTRASTS = [[0.2, 0], [5, 0], [1, 1], [1, -1], [0.2, -1]]; // width times, centre plus so many widths

const FACTORS = ['patient', 'patient ID', 'date', 'view', 'tube voltage', 'exposure', 'compressed thickness', 'compression force', 'dose', 'operator', 'institution'];

const [PASS, FAIL, NOT_SHOWN] = ['pass', 'fail', 'not shown by this file'];

/** Walk every rule on the open exam and show the results. */
export async function checkDisplay(room) {
  room.root.querySelector('.sheet')?.remove();
  const sheet = openDialog(room.root, 'Display check');
  sheet.classList.add('wide');
  const waiting = make('p', '', 'Checking the display: the pictures move for a moment.');
  sheet.append(make('h2', '', 'Display check'), waiting);
  const { exam } = room;
  try {
    const results = await walkRules(room);
    if (room.exam !== exam) return;
    waiting.replaceWith(resultsTable(results));
    sheet.dataset.state = 'done'; // for the browser tests
    sheet.append(make('p', '', 'Research use only. A browser cannot promise a calibrated (GSDF) display: measure the screen itself with its own tool.'));
    sheet.append(makeButton('Copy', () => navigator.clipboard?.writeText(asText(results))));
  } catch (error) {
    sheet.dataset.state = 'failed';
    waiting.textContent = `The check did not end: ${String(error && error.message || error).slice(0, 160)}`;
  }
  const close = makeButton('Close', () => sheet.remove());
  sheet.append(close);
  close.focus();
}

/** -> [{rule, title, verdict, files: [{file, verdict, text}], drawn: undefined or {verdict, text}}] */
async function walkRules(room) {
  const first = room.ports.find((port) => port.address);
  const response = await fetch(addressOf(first.address + 'display-check'), { credentials: 'same-origin', cache: 'no-store' });
  if (!response.ok) throw new Error((await response.text()).slice(0, 200));
  const { rules } = await response.json();
  const drawn = await walkDrawn(room);
  return rules.map((rule) => {
    const own = drawn[rule.rule];
    const verdicts = [own && own.verdict, rule.verdict];
    return { ...rule, drawn: own, verdict: [FAIL, PASS].find((verdict) => verdicts.includes(verdict)) || NOT_SHOWN };
  });
}

/** Check what is drawn, and bring the views back to where they were. -> {rule: {verdict, text}} */
async function walkDrawn(room) {
  const before = { layout: room.layout, active: room.active, compare: room.compare, step: room.step, quadrant: room.quadrant, painted: new Set(room.painted) };
  const { shown } = room.root.dataset; // what the check shows for a moment was not looked at
  const windows = room.ports.filter((port) => port.loaded).map((port) => [port, { index: port.grey.index, shift: port.grey.shift, stretch: port.grey.stretch, negative: port.grey.negative }]);
  const cameras = room.visiblePorts().map((port) => [port, port.viewport.getCamera()]);
  try {
    room.compare = false;
    room.arrange('four');
    await settled(room);
    const hung = [[checkWalls(room), checkSameSize(room)]];
    const rest = { 12: checkOthers(room), 7: await checkAir(room), 8: await checkFactors(room), 6: await checkTrueSize(room), 9: await checkOneToOne(room) };
    if (room.extras().length) {
      await room.arrange(EXTRA);
      await settled(room);
      hung.push([checkWalls(room), checkSameSize(room)]);
    }
    return { 4: together(hung.map(([walls]) => walls)), 5: together(hung.map(([, sizes]) => sizes)), ...rest };
  } finally {
    for (const [port, state] of windows) Object.assign(port.grey, state, { drawn: undefined });
    Object.assign(room, before);
    room.arrange(before.layout, before.active);
    Object.assign(room, before);
    if (shown === undefined) delete room.root.dataset.shown; else room.root.dataset.shown = shown;
    for (const [port, camera] of cameras) port.viewport.setCamera(camera);
    room.ports.filter((port) => port.loaded).forEach((port) => port.windowChanged());
    await settled(room);
  }
}

async function settled(room) {
  await room.drawn();
  room.visiblePorts().forEach((port) => port.picture.settle());
}

/** The verdict on all views: the first sentence that tells a fault, else `passed`. */
function verdictOn(faults, passed) { return faults.length ? { verdict: FAIL, text: faults.join(' ') } : { verdict: PASS, text: passed }; }

/** The verdict on the four views and that on those beyond them. */
function together([four, beyond]) {
  if (!beyond) return four;
  const verdict = [FAIL, PASS].find((one) => [four.verdict, beyond.verdict].includes(one)) || NOT_SHOWN;
  return { verdict, text: `${four.text} Views beyond the four: ${beyond.text}` };
}

/** (4) Each chest wall at the edge that faces the other breast, and the two panes beside each other. */
function checkWalls(room) {
  const ports = room.visiblePorts().filter((port) => port.view).sort((a, b) => a.element.style.order - b.element.style.order);
  const faults = [];
  let pairs = 0;
  for (const [index, port] of ports.entries()) {
    const { wall, left, right, top } = drawnWall(port);
    const edge = port.chestWall === 'right' ? right : left;
    if (Math.abs(wall - edge) > FLUSH) faults.push(`${port.name}: the chest wall is ${Math.abs(wall - edge).toFixed(0)} pixels from its edge.`);
    const other = ports[index + 1];
    if (!port.view.startsWith('R_') || !other || other.view !== 'L_' + port.view.slice(2)) continue;
    pairs += 1;
    const beside = drawnWall(other);
    if (Math.abs(beside.left - right) > 2 * FLUSH || Math.abs(beside.top - top) > FLUSH) faults.push(`${port.name} and ${other.name} do not hang beside each other.`);
  }
  if (!ports.length) return { verdict: NOT_SHOWN, text: 'No view is known.' };
  const possible = pairsAmong(ports);
  if (pairs < possible) faults.push(`${possible - pairs} of ${possible} pairs do not hang beside each other.`);
  return verdictOn(faults, pairs ? `${pairs} pair${pairs > 1 ? 's' : ''} with the chest walls back to back.` : 'Chest walls at their edges; no pair to hang back to back.');
}

/** How many pairs of a right and a left view of the same projection there are. */
function pairsAmong(ports) {
  const count = (view) => ports.filter((port) => port.view === view).length;
  const rights = new Set(ports.map((port) => port.view).filter((view) => view.startsWith('R_')));
  return [...rights].reduce((sum, view) => sum + Math.min(count(view), count('L_' + view.slice(2))), 0);
}

/** (5) One scale for all views with a pixel size; not for those of a part of a breast. */
function checkSameSize(room) {
  const ports = room.visiblePorts().filter((port) => port.spacing && !room.hasOwnScale(port));
  const sizes = new Set(ports.map((port) => port.spacing[0].toFixed(5)));
  const scales = ports.map(drawnScale);
  const [least, most] = [Math.min(...scales), Math.max(...scales)];
  if (ports.length && most > least * (1 + SAME)) return { verdict: FAIL, text: `Drawn from ${least.toFixed(4)} to ${most.toFixed(4)} mm per screen pixel.` };
  const text = ports.length ? `${ports.length} views at ${most.toFixed(4)} mm per screen pixel.` : 'No view has a pixel size.';
  return { verdict: sizes.size > 1 ? PASS : NOT_SHOWN, text: sizes.size > 1 ? text : `${text} It takes views of two pixel sizes.` };
}

/** (6) A millimetre of the file on a millimetre of this screen. */
async function checkTrueSize(room) {
  const ports = room.visiblePorts().filter((port) => port.spacing);
  const card = cardPixels();
  if (!ports.length) return { verdict: NOT_SHOWN, text: 'No view has a pixel size.' };
  if (!card) return { verdict: NOT_SHOWN, text: 'This screen was not measured yet: press u, fit the card, and check again.' };
  ports.forEach((port) => toTrueSize(port, card));
  await settled(room);
  const lengths = ports.map((port) => drawnScale(port) * card); // of the card, in mm, as the pictures show it
  const wrong = lengths.filter((length) => Math.abs(length / CARD_MM - 1) > SAME);
  const most = Math.max(...lengths).toFixed(2);
  return verdictOn(wrong.length ? [`A card of ${CARD_MM} mm covers ${wrong[0].toFixed(2)} mm of a picture.`] : [], `A card of ${CARD_MM} mm covers ${most} mm of every picture.`);
}

/** (7) Padding is black under every window, in dragged contrasts, and inverted. */
async function checkAir(room) {
  const faults = [];
  let looked = 0;
  for (const port of room.visiblePorts().filter((one) => one.padded)) {
    const cells = paddedCells(port);
    if (!cells.length) continue;
    looked += cells.length;
    const brightest = (state) => {
      Object.assign(port.grey, state, { drawn: undefined });
      port.picture.repaint();
      port.picture.settle();
      const greyAt = drawnGreys(port);
      return Math.max(...cells.map(([column, row]) => greyAt(column, row)));
    };
    for (const index of port.windows.keys()) {
      port.grey.choose(index);
      await port.grey.fetchTable();
      for (const negative of [false, true]) for (const [stretch, shift] of [[1, 0], ...CONTRASTS]) {
        const grey = brightest({ stretch, shift, negative });
        if (grey > ONE_GREY) faults.push(`${port.name}: air is ${grey} of 255 in “${port.windows[index].name}”${negative ? ', inverted' : ''}.`);
      }
    }
    port.grey.negative = false;
    port.grey.choose(0);
  }
  if (!looked) return { verdict: NOT_SHOWN, text: 'No view has padding on screen.' };
  return verdictOn(faults.slice(0, 3), `${looked} places of air are black in every window, ${CONTRASTS.length} contrasts of each, and inverted.`);
}

/** (8) The sheet, opened as by its key, has a line for every factor, with the value of each view. */
async function checkFactors(room) {
  const ports = room.visiblePorts();
  if (!ports.length) return { verdict: NOT_SHOWN, text: 'No view is on screen.' };
  const lists = await Promise.all(ports.map(factorsOf));
  const sheet = make('div', '');
  sheet.append(tableOf(ports, lists));
  const shown = new Map([...sheet.querySelectorAll('tr')].map((row) => [row.firstChild.textContent, [...row.querySelectorAll('td')].map((cell) => cell.textContent)]));
  const missing = FACTORS.filter((name) => !shown.has(name) || !shown.get(name).length || shown.get(name).some((value) => !value.trim()));
  if (missing.length) return { verdict: FAIL, text: `Shift+I does not show: ${missing.join(', ')}.` };
  const empty = new Set(lists.flat().filter(({ value }) => value.startsWith('not ')).map(({ name }) => name));
  const text = `Shift+I shows ${lists[0].length} factors of each view${empty.size ? `; said to be missing: ${[...empty].join(', ')}` : ''}.`;
  return { verdict: PASS, text };
}

/** (9) One pixel of the file is one pixel of the screen, in its own grey. */
async function checkOneToOne(room) {
  const ports = room.visiblePorts();
  ports.forEach((port) => port.oneToOne());
  await settled(room);
  const faults = [];
  let looked = 0;
  for (const port of ports) {
    const { across, down, beside } = drawnPixels(port);
    if (Math.max(Math.abs(across - 1), Math.abs(down - 1)) > EXACT) faults.push(`${port.name}: ${across.toFixed(3)} × ${down.toFixed(3)} pixels of the file on one of the screen.`);
    else if (beside > EXACT) faults.push(`${port.name}: the pixels lie ${beside.toFixed(2)} beside those of the screen.`);
    else {
      const [greyAt, sentAt, table] = [drawnGreys(port), sentUnder(port), port.grey.table()];
      const cells = cellsOf(port);
      looked += cells.length;
      const wrong = cells.filter(([column, row]) => Math.abs(greyAt(column, row) - (table[sentAt(column, row) * port.grey.steps] & 255)) > ONE_GREY).length;
      if (wrong || !cells.length) faults.push(`${port.name}: ${wrong} of ${cells.length} pixels have another grey than their own.`);
    }
  }
  return verdictOn(faults, `${looked} pixels on one pixel of the screen each, in their own grey.`);
}

/** (12) Each mark of another program that is on screen lies over the pixels that it names, as the drawn picture shows them. */
function checkOthers(room) {
  const { objects, shown, visible } = room.others;
  if (!objects) return { verdict: NOT_SHOWN, text: 'No object of another program lay beside the files.' };
  if (!shown || !visible) return { verdict: NOT_SHOWN, text: 'Show the marks first (Shift+O), and check again.' };
  const faults = shown.sources.flatMap(({ letter, told }) => told.map((line) => `${letter}, not shown: ${line}.`));
  let looked = 0;
  for (const port of room.visiblePorts()) {
    const layer = port.others.layer.getBoundingClientRect();
    const drawn = [...port.others.layer.querySelectorAll('[data-number]')];
    const wanted = shown.marks.filter((mark) => mark.address === port.address);
    if (drawn.length !== wanted.length) faults.push(`${port.name}: ${drawn.length} of ${wanted.length} marks are drawn.`);
    for (const [index, mark] of wanted.entries()) {
      looked += 1;
      const places = placesIn(drawn[index]).map(([x, y]) => [layer.left + x, layer.top + y]);
      const beside = Math.max(...mark.points.map((point, number) => Math.hypot(...placeOf(port, point).map((value, axis) => value - (places[number] || [NaN, NaN])[axis]))));
      if (!(beside <= IN_PLACE)) faults.push(`${port.name}: a mark of ${mark.source} is ${beside.toFixed(1)} pixels beside its place.`);
    }
  }
  return verdictOn(faults.slice(0, 5), `${looked} marks of other programs lie over the pixels that they name.`);
}

/** The points of a drawn mark in its layer, [[x, y], ...]; of none where it is not drawn. */
function placesIn(node) {
  if (!node) return [];
  if (node.hasAttribute('points')) return node.getAttribute('points').split(' ').map((pair) => pair.split(',').map(Number));
  const [x, y] = node.tagName === 'circle' ? ['cx', 'cy'] : ['x', 'y'];
  return [[Number(node.getAttribute(x)), Number(node.getAttribute(y))]];
}

function resultsTable(results) {
  const table = make('table', 'rules');
  for (const { rule, title, verdict, files, drawn } of results) {
    const row = make('tr', '');
    row.dataset.rule = rule;
    row.dataset.verdict = verdict;
    const cell = make('td', '');
    cell.append(make('b', '', title));
    for (const line of linesOf(files)) cell.append(make('span', '', line));
    if (drawn) cell.append(make('span', '', `drawn: ${drawn.verdict}. ${drawn.text}`));
    row.append(make('th', '', `(${rule})`), make('td', 'verdict ' + verdict.split(' ')[0], verdict), cell);
    table.append(row);
  }
  return table;
}

/** What files show of a rule; those that show the same stand on one line. */
function linesOf(files) {
  const alike = new Map();
  for (const { file, verdict, text } of files) if (verdict !== 'browser only') alike.set(`${verdict}. ${text}`, [...alike.get(`${verdict}. ${text}`) || [], file || 'all files']);
  return [...alike].map(([text, names]) => `${names.join(', ')}: ${text}`);
}

function asText(results) {
  return results.map(({ rule, title, verdict, files, drawn }) => [`(${rule}) ${title}: ${verdict}`, ...linesOf(files), ...(drawn ? [`drawn: ${drawn.verdict}. ${drawn.text}`] : [])].join('\n  ')).join('\n');
}
