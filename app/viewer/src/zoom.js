// Zoom about the pointer. The chest wall never leaves its edge towards the inside, and a view that is zoomed out hangs again.

const ZOOM_A_NOTCH = 1.2; // of the wheel: eight notches enlarge 4.3 times
const PIXELS_A_NOTCH = 100; // of a wheel event
const MOST_NOTCHES = 3; // of one event
const ZOOM_A_PIXEL = 1.006; // of a drag
const LARGEST_PIXEL = 16; // a pixel of the file on the screen, in CSS pixels
const FARTHEST = 2; // times the scale at which the view hangs

/** Zoom `factor` times about a point of the canvas, [x, y] in CSS pixels; the linked views follow. */
export function zoomAbout(port, point, factor) {
  if (!port.hung) return;
  const now = port.scale();
  const farthest = Math.max(now, FARTHEST * port.home.scale);
  showAt(port, point, Math.min(farthest, Math.max(Math.min(now, port.unit[0] / LARGEST_PIXEL), now / factor)));
}

/** Show the picture at `scale` world units per CSS pixel, the tissue at a point of the canvas where it was. */
export function showAt(port, [x, y], scale) {
  const { canvas, home, unit, viewport } = port;
  const [worldX, worldY] = viewport.canvasToWorld([x, y]);
  const centreX = worldX + unit[1] / 2 - (x - canvas.clientWidth / 2) * scale;
  const centreY = worldY + unit[0] / 2 - (y - canvas.clientHeight / 2) * scale;
  const hangs = scale >= home.scale;
  port.centreOn(besideWall(port, centreX, scale, hangs), hangs ? home.y : centreY, scale);
  port.room.syncCameras(port);
}

/** The middle of the pane, moved so that nothing is seen beyond the chest wall; hangs: so that the wall is at the edge. */
function besideWall(port, centreX, scale, hangs) {
  const flush = port.middleAt(0, scale);
  if (hangs) return flush;
  return port.chestWall === 'right' ? Math.min(centreX, flush) : Math.max(centreX, flush);
}

export function listenToWheel(port) {
  port.canvas.addEventListener('wheel', (event) => {
    event.preventDefault();
    const pixels = event.deltaMode === 0 ? event.deltaY : event.deltaY * PIXELS_A_NOTCH / 3; // or in lines, three a notch
    const notches = Math.max(-MOST_NOTCHES, Math.min(MOST_NOTCHES, -pixels / PIXELS_A_NOTCH));
    const box = port.canvas.getBoundingClientRect();
    zoomAbout(port, [event.clientX - box.left, event.clientY - box.top], ZOOM_A_NOTCH ** notches);
  }, { passive: false });
}

/** How a drag by so many CSS pixels enlarges: downwards. */
export function zoomOfDrag(down) { return ZOOM_A_PIXEL ** down; }
