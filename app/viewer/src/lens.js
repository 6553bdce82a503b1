// The lens: a framed, enlarged part of the picture under the pointer, over all panes and never cut at the edge of one.
import { make } from './dom.js';
import { look } from './picture.js';
import { cover, valuesIn } from './sampling.js';

const SIZE = 340; // CSS pixels
const ENLARGED = 3; // times, and at least to 1:1

/** Show the lens until the button is released. event: of the press. */
export function openLens(port, event) {
  const { root } = port.room;
  const frame = make('div', 'lens');
  const canvas = make('canvas', '');
  const density = window.devicePixelRatio || 1;
  canvas.width = canvas.height = Math.round(SIZE * density);
  frame.append(canvas);
  root.append(frame);
  const show = (moved) => {
    if (!moved.buttons) { close(); return; } // released before the lens was there
    draw(port, canvas, density, moved);
    const bounds = root.getBoundingClientRect();
    const inside = (at, length) => Math.max(0, Math.min(length - frame.offsetWidth, at - frame.offsetWidth / 2));
    frame.style.left = inside(moved.clientX - bounds.left, bounds.width) + 'px';
    frame.style.top = inside(moved.clientY - bounds.top, bounds.height) + 'px';
  };
  const close = () => {
    frame.remove();
    document.removeEventListener('pointermove', show, true);
    for (const end of ['pointerup', 'pointercancel', 'blur']) window.removeEventListener(end, close, true);
  };
  document.addEventListener('pointermove', show, true);
  for (const end of ['pointerup', 'pointercancel', 'blur']) window.addEventListener(end, close, true);
  show(event);
}

function draw(port, canvas, density, { clientX, clientY }) {
  const { source } = port.picture;
  const box = port.canvas.getBoundingClientRect();
  const centre = port.viewport.canvasToWorld([clientX - box.left, clientY - box.top]);
  const pixel = Math.min(port.scale() / ENLARGED, port.unit[0]) / density; // world units
  const side = (length, along, spacing) => {
    const size = pixel / spacing;
    const edge = (centre[along] + port.unit[1 - along] / 2) / spacing - canvas.width / 2 * size;
    const [start, count] = cover(length, edge, size, canvas.width);
    return { start, count, size, at: Math.round((start - edge) / size) };
  };
  const across = side(source.columns, 0, source.spacing[1]);
  const down = side(source.rows, 1, source.spacing[0]);
  const context = canvas.getContext('2d', { alpha: false });
  context.clearRect(0, 0, canvas.width, canvas.height);
  if (!across.count || !down.count) return;
  const grid = { left: across.start, top: down.start, width: across.size, height: down.size, columns: across.count, rows: down.count };
  const drawing = context.createImageData(grid.columns, grid.rows);
  look(valuesIn(source, grid, port.grey.steps), port.grey.table(), drawing);
  context.putImageData(drawing, across.at, down.at);
}
