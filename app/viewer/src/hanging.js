// Layouts and the steps of the hanging. A port's view is "R_CC", "L_CC", "R_MLO" or "L_MLO".
import { make, makeButton, openDialog } from './dom.js';

export const LAYOUTS = {
  four: { label: 'Four', includes: () => true },
  cc: { label: 'CC', includes: (port) => port.view.endsWith('_CC') },
  mlo: { label: 'MLO', includes: (port) => port.view.endsWith('_MLO') },
  right: { label: 'Right', includes: (port) => port.view.startsWith('R_') },
  left: { label: 'Left', includes: (port) => port.view.startsWith('L_') },
  single: { label: 'Single', includes: () => false }, // `arrange` chooses the view
};
export const EXTRA = 'extra'; // the layout of repeats, implant-displaced and other views beyond the four

/** Of a pair: beside the nipples above, at the chest wall above, then the same below. */
const QUADRANTS = ['upper front', 'upper back', 'lower front', 'lower back'];
const OVERLAP = 1.1; // a quadrant shows so much of half the breast in each direction

const STORAGE_KEY = 'mvmlm hanging begins with';

/** "cc" or "mlo": which pair comes first. A setting of this browser. */
export function firstPair() { return localStorage.getItem(STORAGE_KEY) === 'mlo' ? 'mlo' : 'cc'; }

/** The views in the order in which they hang. */
export function viewOrder(first) {
  const pairs = first === 'mlo' ? ['MLO', 'CC'] : ['CC', 'MLO'];
  return pairs.flatMap((projection) => [`R_${projection}`, `L_${projection}`]);
}

/**
 * The steps of the hanging of the open exam: [{layout, label, view, prior, quadrant}]. After each pair comes the same pair
 * with its prior, where there is one; views beyond the four are a step of their own, where there are any.
 */
export function stepsOf(room) {
  const pairs = room.first === 'mlo' ? ['mlo', 'cc'] : ['cc', 'mlo'];
  const steps = [{ layout: 'four', label: 'all four' }];
  for (const layout of pairs) {
    const label = 'both ' + layout.toUpperCase();
    steps.push({ layout, label });
    if (room.comparable) steps.push({ layout, label: `${label} with priors`, prior: true });
  }
  if (room.extras().length) steps.push({ layout: EXTRA, label: extraLabel(room.extras()) });
  steps.push({ layout: 'right', label: 'right breast' }, { layout: 'left', label: 'left breast' });
  for (const view of viewOrder(room.first)) steps.push({ layout: 'single', view, label: view.replace('_', ' ') + ' alone' });
  for (const layout of pairs) {
    QUADRANTS.forEach((name, quadrant) => steps.push({ layout, quadrant, label: `both ${layout.toUpperCase()}, ${name}` }));
  }
  return steps;
}

function extraLabel(ports) {
  const kinds = new Set(ports.map((port) => (port.modifiers.length ? port.modifiers.join(', ') : 'repeat or other view')));
  return `${ports.length} more: ${[...kinds].join('; ')}`;
}

/** Show the same quadrant of each view on screen: at one scale, at the same place, mirrored for the other breast. */
export function showQuadrant(room, quadrant) {
  const ports = room.visiblePorts();
  if (!ports.length) return;
  const [down, back] = [quadrant >= 2, quadrant % 2 === 1];
  const width = Math.max(...ports.map((port) => { const { left, right } = port.extent(); return right - left + port.inset(); }));
  const reach = Math.max(...ports.map((port) => { const { top, bottom } = port.extent(); return Math.max(port.centreHeight() - top, bottom - port.centreHeight()); }));
  const scale = OVERLAP * Math.max(...ports.map((port) => Math.max(width / 2 / port.canvas.clientWidth, reach / port.canvas.clientHeight)));
  const narrowest = Math.min(...ports.map((port) => port.canvas.clientWidth));
  const hidden = back ? 0 : Math.max(0, width - scale * narrowest);
  for (const port of ports) port.centreOn(port.middleAt(hidden, scale), port.centreHeight() + (down ? 1 : -1) * reach / 2, scale);
  room.quadrant = quadrant;
}

export function nextQuadrant(room) { showQuadrant(room, ((room.quadrant ?? -1) + 1) % QUADRANTS.length); }

/** Show the steps, which a click takes, and the setting of what comes first. */
export function showHangingList(room) {
  room.root.querySelector('.sheet')?.remove();
  const sheet = openDialog(room.root, 'Hanging');
  sheet.append(make('h2', '', 'Hanging'));
  const choice = make('div', 'choice');
  for (const pair of ['cc', 'mlo']) {
    const button = makeButton(`${pair.toUpperCase()} first`, () => {
      localStorage.setItem(STORAGE_KEY, pair);
      room.hangFirst(pair);
      showHangingList(room);
    });
    button.setAttribute('aria-pressed', String(room.first === pair));
    choice.append(button);
  }
  const list = make('div', 'steps');
  room.steps.forEach((step, index) => {
    const button = makeButton(`${index + 1}  ${step.label}`, () => { room.goTo(index); showHangingList(room); });
    button.setAttribute('aria-pressed', String(index === room.step));
    list.append(button);
  });
  sheet.append(choice, list, make('p', '', 'Space: next step. Shift+Space: the one before.'));
}
