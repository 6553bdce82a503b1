// The picture of a port: drawn by the processor on a canvas of its own, over the empty one of Cornerstone, whose camera and
// tools it follows. A change of the window looks up each screen pixel once, so that it is quick without a graphics card too.
import { make } from './dom.js';
import { cover, valuesIn } from './sampling.js';

const REST_MS = 80; // without a movement, until the values are computed for the new position
const NEAR = 1.4; // while the zoom stays within this factor, the last values are shown until the view rests
const WHOLE = 2; // picture pixels per screen pixel, from which the whole picture is computed, so that panning shows all of it

/** Screen pixels per CSS pixel. */
const density = () => window.devicePixelRatio || 1;

export class Picture {
  constructor(port) {
    this.port = port;
    this.canvas = make('canvas', 'picture');
    port.canvas.querySelector('canvas').after(this.canvas);
    this.context = this.canvas.getContext('2d', { alpha: false, willReadFrequently: true });
  }

  /** Show another picture: {pixels, columns, rows, spacing: [row, column] in world units}. */
  set(source) {
    this.source = source;
    this.grid = undefined;
    this.update();
  }

  /** To be called after each movement, and after another picture was set. */
  update() {
    if (!this.source) return;
    clearTimeout(this.timer);
    this.timer = 0;
    const { ratio } = this.position();
    const factor = this.grid ? Math.max(ratio / this.grid.ratio, this.grid.ratio / ratio) : Infinity;
    if (ratio < WHOLE || factor > NEAR || !this.grid.whole) this.request('compute');
    else {
      this.place();
      this.timer = setTimeout(() => this.settle(), REST_MS);
      if (this.wanted) this.request(this.wanted); // what could not be done while the view was hidden
    }
  }

  /** To be called after a change of the window. */
  repaint() { if (this.grid) this.request('paint'); }

  /** Do at the next frame what was asked for, once. */
  request(what) {
    this.wanted = what === 'compute' ? what : this.wanted || what;
    this.frame ||= requestAnimationFrame(() => this.settle());
  }

  /** Do at once what waits for the next frame or for the view to rest. */
  settle() {
    const wanted = this.timer ? 'compute' : this.wanted;
    clearTimeout(this.timer);
    cancelAnimationFrame(this.frame);
    [this.timer, this.frame, this.wanted] = [0, 0, ''];
    if (!wanted || this.port.closed) return;
    if (this.port.element.hidden) { this.wanted = wanted; return; } // until it is on screen again
    if (wanted === 'compute') this.compute();
    this.paint();
  }

  close() { clearTimeout(this.timer); cancelAnimationFrame(this.frame); }

  /** The screen's corner in pixels of the picture, and picture pixels per screen pixel along a row, a column, and the larger. */
  position() {
    const { canvas, unit, viewport } = this.port; // world 0 is the centre of the first pixel of the whole file
    const [rowSpacing, columnSpacing] = this.source.spacing;
    const { focalPoint } = viewport.getCamera();
    const scale = this.port.scale();
    const corner = [focalPoint[0] - canvas.clientWidth / 2 * scale, focalPoint[1] - canvas.clientHeight / 2 * scale];
    const screenPixel = scale / density(); // in world units
    const [across, down] = [screenPixel / columnSpacing, screenPixel / rowSpacing];
    return { left: (corner[0] + unit[1] / 2) / columnSpacing, top: (corner[1] + unit[0] / 2) / rowSpacing, across, down, ratio: Math.max(across, down) };
  }

  compute() {
    const { left, top, across, down, ratio } = this.position();
    const { clientWidth, clientHeight } = this.port.canvas;
    const whole = ratio >= WHOLE;
    const { columns, rows } = this.source;
    const [gridLeft, gridColumns] = cover(columns, left, across, whole ? undefined : Math.ceil(clientWidth * density()));
    const [gridTop, gridRows] = cover(rows, top, down, whole ? undefined : Math.ceil(clientHeight * density()));
    this.grid = { left: gridLeft, top: gridTop, width: across, height: down, columns: gridColumns, rows: gridRows, ratio, whole };
    this.canvas.hidden = !(gridColumns && gridRows);
    if (this.canvas.hidden) return;
    this.values = valuesIn(this.source, this.grid, this.port.grey.steps);
    if (this.canvas.width !== gridColumns || this.canvas.height !== gridRows || !this.drawing) {
      Object.assign(this.canvas, { width: gridColumns, height: gridRows });
      this.drawing = this.context.createImageData(gridColumns, gridRows);
    }
    this.place();
  }

  /** Move the canvas to where its part of the picture is now. */
  place() {
    const { left, top, across, down } = this.position();
    const { grid } = this;
    const screenPixel = 1 / density();
    Object.assign(this.canvas.style, {
      left: (grid.left - left) / across * screenPixel + 'px', top: (grid.top - top) / down * screenPixel + 'px',
      width: grid.columns * grid.width / across * screenPixel + 'px', height: grid.rows * grid.height / down * screenPixel + 'px',
    });
  }

  paint() {
    if (!this.canvas.hidden) {
      look(this.values, this.port.grey.table(), this.drawing);
      this.context.putImageData(this.drawing, 0, 0);
    }
    this.port.canvas.dispatchEvent(new CustomEvent('painted'));
  }
}

/** Write the colours of values into a drawing. */
export function look(values, table, drawing) {
  const colours = new Uint32Array(drawing.data.buffer);
  for (let index = 0; index < values.length; index++) colours[index] = table[values[index]];
}
