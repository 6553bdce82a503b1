// The texts of a pane: above, name and facts of the file; below, value under the pointer, window and state. They stand in the
// air beside the breast. Where there is no room for all, the details give way, and what stays gets a dark ground.
import { make } from './dom.js';

const EDGE = 8; // CSS pixels to the pane's edges, and to the breast

export class Corners {
  constructor(port) {
    this.port = port;
    this.top = make('figcaption', 'corner');
    this.top.append(make('strong', 'name', port.name));
    for (const line of port.lines || []) this.top.append(make('span', 'line', line));
    port.element.append(this.top);
    if (!port.address) return;
    this.low = make('div', 'corner low');
    this.state = make('span', 'state', 'loading');
    this.readout = make('span', 'reads', '');
    this.window = make('span', 'line window', '');
    this.low.append(this.readout, this.window, this.state);
    port.element.append(this.low);
  }

  /** Say the window as it is now. */
  update() {
    const { grey } = this.port;
    this.window.textContent = grey.figures() + (grey.negative ? ', inverted' : '');
    this.place();
  }

  /** Find out anew how much may be said without covering the breast; after each movement. */
  place() {
    if (!this.low || !this.port.loaded) return;
    for (const block of [this.top, this.low]) {
      block.classList.remove('brief', 'ground');
      block.style.maxWidth = this.port.canvas.clientWidth - 2 * EDGE + 'px';
      if (this.fits(block)) continue;
      block.classList.add('brief');
      if (!this.fits(block)) block.classList.add('ground');
    }
    this.placeBadge();
  }

  /** The model's scores stand at the chest wall, above the lower text where there is no room for both side by side. */
  placeBadge() {
    const { badge, canvas } = this.port;
    const beside = badge.offsetWidth + this.low.offsetWidth + 3 * EDGE <= canvas.clientWidth;
    badge.style.bottom = (beside ? EDGE : this.low.offsetHeight + 2 * EDGE) + 'px';
  }

  /** Whether a block lies beside the breast. */
  fits(block) {
    const { offsetTop, offsetHeight, offsetWidth, offsetLeft } = block;
    const free = this.freeWidth(offsetTop - EDGE, offsetTop + offsetHeight + EDGE);
    const reach = this.port.chestWall === 'right' ? offsetLeft + offsetWidth : this.port.canvas.clientWidth - offsetLeft;
    return reach + EDGE <= free;
  }

  /** How far from the side opposite the chest wall the pane is free of breast, between two heights of the pane. */
  freeWidth(from, to) {
    const { port } = this;
    const { clientWidth } = port.canvas;
    if (!port.breast_rows) return clientWidth;
    const row = (height) => Math.floor((port.viewport.canvasToWorld([0, height])[1] / port.unit[0] + 0.5) / port.row_step);
    let free = clientWidth;
    for (let index = Math.max(0, row(from)); index <= Math.min(port.breast_rows.length - 1, row(to)); index++) {
      const span = port.breast_rows[index];
      if (!span) continue;
      const edge = port.chestWall === 'right' ? span[0] : span[1];
      const x = port.viewport.worldToCanvas([(edge - 0.5) * port.unit[1], 0, 0])[0];
      free = Math.min(free, port.chestWall === 'right' ? x : clientWidth - x);
    }
    return free;
  }
}
