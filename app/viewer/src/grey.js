// From stored values to grey: the windows and VOI LUTs of a view, as mvmlm/imaging/voi.py applies them (PS3.3 C.11.2).
import { addressOf } from './pixels.js';

const PIXELS_A_WIDTH = 600; // dragged over so many, a window moves or grows by its own width, whatever its values are
const NARROWEST = 0.01; // of the window that was chosen

/** Functions of (value - centre, width) -> 0..1 and beyond, which is cut off. */
const FUNCTIONS = {
  LINEAR: (from, width) => (width <= 1 ? (from > -0.5 ? 1 : 0) : (from + 0.5) / (width - 1) + 0.5),
  LINEAR_EXACT: (from, width) => from / width + 0.5,
  SIGMOID: (from, width) => 1 / (1 + Math.exp(-4 * from / width)),
};

/** The chosen window of a port, and how far it was dragged. */
export class Grey {
  constructor(port) {
    this.port = port;
    [this.low, this.high] = port.values;
    this.levels = Math.round((this.high - this.low) * port.sent_scale); // the highest value that is sent
    this.steps = Math.max(1, Math.floor(65535 / Math.max(1, this.levels))); // between two of them
    this.negative = false;
    this.choose(0);
  }

  get chosen() { return this.port.windows[this.index]; }
  get center() { return this.chosen.center + this.shift * this.chosen.width; }
  get width() { return this.chosen.width * this.stretch; }
  get changed() { return this.shift !== 0 || this.stretch !== 1; }

  /** Take a window of the file; a table is fetched first. */
  choose(index) { Object.assign(this, { index, shift: 0, stretch: 1, drawn: undefined }); }

  /** Take this part of the chosen window's width: to the right is wider, downwards is a higher centre. */
  drag(across, down) {
    this.stretch = Math.max(NARROWEST, this.stretch + across / PIXELS_A_WIDTH);
    this.shift += down / PIXELS_A_WIDTH;
    this.drawn = undefined;
  }

  /** Take over how far another view's window was dragged. */
  follow(other) { Object.assign(this, { shift: other.shift, stretch: other.stretch, drawn: undefined }); }

  invert() {
    this.negative = !this.negative;
    this.drawn = undefined;
  }

  async fetchTable() {
    const { chosen } = this;
    if (!chosen.table || chosen.entries) return;
    const response = await fetch(addressOf(chosen.table), { credentials: 'same-origin' });
    if (!response.ok) throw new Error((await response.text()).slice(0, 200));
    chosen.entries = new Uint16Array(await response.arrayBuffer());
  }

  /** The stored value of a sent one. */
  stored(sent) { return this.port.inverted ? this.high - sent / this.port.sent_scale : this.low + sent / this.port.sent_scale; }

  /** Uint32Array (levels * steps + 1): the opaque grey of each sent value, in steps. */
  table() {
    if (this.drawn) return this.drawn;
    const greyAt = this.greyAt();
    const count = this.levels * this.steps + 1;
    const opposite = Boolean(this.port.inverted) !== this.negative;
    this.drawn = new Uint32Array(count);
    for (let index = 0; index < count; index++) {
      const light = Math.min(1, Math.max(0, greyAt(this.stored(index / this.steps))));
      const grey = Math.round(255 * (opposite ? 1 - light : light));
      this.drawn[index] = 0xff000000 | (grey << 16) | (grey << 8) | grey;
    }
    if (this.port.padded) this.drawn[0] = 0xff000000; // padding is black under every window, and inverted too
    return this.drawn;
  }

  /** The function stored value -> 0..1 and beyond. */
  greyAt() {
    const { chosen, center, width } = this;
    if (chosen.function === 'LOG') return (value) => FUNCTIONS.LINEAR_EXACT(Math.log1p(Math.max(0, value - chosen.first)) - center, width);
    if (chosen.function === 'TABLE') {
      const { entries, first } = chosen;
      const last = entries.length - 1;
      return (value) => entries[Math.min(last, Math.max(0, Math.round(chosen.center + (value - center) / this.stretch - first)))] / 65535;
    }
    const shape = FUNCTIONS[chosen.function];
    return (value) => shape(value - center, width);
  }

  /** What the pane says: the name of the window, and centre and width as they are now. */
  figures() {
    const { chosen, center, width } = this;
    const digits = width >= 20 ? 0 : 2;
    const numbers = `C ${center.toFixed(digits)}  W ${width.toFixed(digits)}`;
    if (chosen.function === 'TABLE' && !this.changed) return `VOI LUT “${chosen.name}”`;
    return `${chosen.name}${this.changed ? ', changed' : ''}: ${numbers}`;
  }
}
