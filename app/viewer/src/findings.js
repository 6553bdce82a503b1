// The list of findings in the panel, whose buttons are of the viewer: show a finding at its marks, link, unlink, delete.
import { boundingBox } from './marks.js';

const LARGEST = 2; // pixels of the screen per pixel of the picture
const SHARE = 0.35; // of the viewport's width or height that a finding fills when it is shown

/**
 * The buttons of the list are made anew with each change of it; the focus stays on one that was pressed by a key.
 * choose: called with the number of a finding. edit: called with the edit of a finding.
 */
export function listenToList(room, choose, edit) {
  let pressed;
  let watched;
  const keepFocus = () => {
    if (pressed && document.activeElement === document.body) document.querySelector(`#findings ${pressed}`)?.focus({ preventScroll: true });
    pressed = undefined;
  };
  document.addEventListener('click', (event) => {
    const button = event.target.closest?.('#findings [data-do]');
    if (!button || !room.ports.length) return;
    const { do: what, finding, into, view } = button.dataset;
    pressed = event.detail === 0 ? `[data-do="${what}"][data-finding="${finding}"]` : undefined;
    const list = button.closest('#findings');
    if (list !== watched) {
      watched = list;
      new MutationObserver(keepFocus).observe(list, { childList: true, subtree: true });
    }
    if (what === 'jump') choose(Number(finding));
    else edit({ do: what, finding: Number(finding), ...(into ? { into: Number(into) } : {}), ...(view ? { view } : {}) });
  });
}

/** Show a finding in the middle of every view in which it is marked, at one scale, with its marks highlighted. */
export function showFinding(room, number) {
  room.marks.choose(number);
  room.labels.updateAll();
  const entries = room.marks.ofFinding(number);
  if (!entries.length) return;
  if (entries.some(({ port }) => port.element.hidden)) room.arrange(entries[0].port.view.startsWith('R') ? 'right' : 'left');
  const ports = [...new Set(entries.map(({ port }) => port))];
  const boxes = ports.map((port) => boundingBox(entries.filter((entry) => entry.port === port).flatMap((entry) => room.marks.onCanvas(entry))));
  const middles = ports.map((port, index) => {
    const [[left, top], [right, bottom]] = boxes[index];
    const [x, y] = port.viewport.canvasToWorld([(left + right) / 2, (top + bottom) / 2]);
    return [x + port.unit[1] / 2, y + port.unit[0] / 2]; // world 0 is the centre of the first pixel
  });
  const scale = Math.max(...ports.map((port, index) => scaleFor(port, boxes[index])));
  ports.forEach((port, index) => port.centreOn(...middles[index], scale));
  keepTogether(ports);
}

/** World units per CSS pixel at which a box on the canvas fills SHARE of a viewport; never beyond LARGEST, nor smaller than it hangs. */
function scaleFor(port, [[left, top], [right, bottom]]) {
  const wanted = port.scale() * Math.max((right - left) / port.canvas.clientWidth, (bottom - top) / port.canvas.clientHeight) / SHARE;
  return Math.min(port.home.scale, Math.max(wanted, port.unit[0] / LARGEST / (window.devicePixelRatio || 1)));
}

/** From here on linked movements start at these positions: the views of a finding move and zoom together. */
function keepTogether([first, ...others]) {
  const start = first.movement();
  for (const port of others) {
    const { home } = port;
    const own = port.movement();
    port.home = { y: home.y + own.down - start.down, scale: home.scale * own.zoom / start.zoom, hidden: home.hidden + own.hidden - start.hidden };
  }
}
