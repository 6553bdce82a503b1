// The nipple as a handle. Arcs, distances and alignment rest on it; it is estimated until the reader has dragged it.
import { make } from './dom.js';

/** Add the handle of a port; it is shown while something rests on the nipple. -> {position} */
export function makeNippleHandle(port) {
  const handle = make('button', 'nipple');
  handle.type = 'button';
  handle.setAttribute('aria-label', `Nipple, ${port.name}`);
  port.element.append(handle);

  const position = () => {
    handle.hidden = !port.loaded || !port.nipple || !(port.room.crossing || port.room.align);
    if (handle.hidden) return;
    const [x, y] = port.viewport.worldToCanvas(port.fileToWorld(port.nipple));
    Object.assign(handle.style, { left: x + 'px', top: y + 'px' });
    handle.classList.toggle('estimated', !port.nipple_placed);
    handle.title = port.nipple_placed ? 'nipple, placed by hand; drag to move' : 'nipple, estimated; drag it where it is';
  };
  handle.addEventListener('pointerdown', (event) => {
    event.stopPropagation();
    handle.setPointerCapture(event.pointerId);
  });
  handle.addEventListener('pointermove', (event) => {
    if (!handle.hasPointerCapture(event.pointerId)) return;
    const box = port.canvas.getBoundingClientRect();
    const [column, row] = port.worldToFile(port.viewport.canvasToWorld([event.clientX - box.left, event.clientY - box.top]));
    port.nipple = [Math.min(port.columns - 1, Math.max(0, column)), Math.min(port.rows - 1, Math.max(0, row))];
    port.nipple_placed = true;
    position();
  });
  handle.addEventListener('pointerup', (event) => {
    if (!handle.hasPointerCapture(event.pointerId)) return;
    handle.releasePointerCapture(event.pointerId);
    if (port.nipple_placed) port.room.placed(port);
    if (port.room.align) port.room.hang();
  });
  return { position };
}
