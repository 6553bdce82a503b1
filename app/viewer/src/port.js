// One viewport: its pixels, window, place, texts and map. World units are millimetres (pixels where none are known).
import { showCross } from './cross.js';
import { make } from './viewer.js';
import { forget, pixelValueAt, register } from './stage.js';

export class Port {
  constructor(given, index, parent, room) {
    Object.assign(this, given);
    this.chestWall = given.chest_wall;
    this.room = room;
    this.id = 'port-' + index;
    this.element = make('figure', 'viewport chest-' + this.chestWall);
    this.element.dataset.view = this.view;
    this.element.tabIndex = 0;
    this.element.setAttribute('aria-label', this.name);
    this.element.addEventListener('focus', () => this.activate());
    this.element.addEventListener('pointerdown', () => this.activate());
    this.element.addEventListener('dblclick', () => room.arrange(room.layout === 'single' ? 'four' : 'single', this));
    this.texts();
    parent.append(this.element);
    if (!this.address) { this.element.classList.add('empty'); return; }
    this.unit = this.spacing || [1, 1];
    this.canvas = make('div', 'canvas');
    this.map = make('img', 'map');
    this.map.alt = '';
    this.badge = make('div', 'badge', '');
    this.element.append(this.badge);
    this.map.hidden = true;
    this.element.prepend(this.canvas, this.map);
    const { engine, cs, group } = room.stage;
    engine.enableElement({ viewportId: this.id, element: this.canvas, type: cs.Enums.ViewportType.STACK, defaultOptions: { background: [0, 0, 0] } });
    group.addViewport(this.id, engine.id);
    this.viewport = engine.getViewport(this.id);
    this.canvas.addEventListener('contextmenu', (event) => event.preventDefault());
    this.canvas.addEventListener(cs.Enums.Events.IMAGE_RENDERED, () => this.place());
    this.canvas.addEventListener(cs.Enums.Events.CAMERA_MODIFIED, () => { if (this.hung && !this.hanging) room.moved(this); });
    this.canvas.addEventListener('pointermove', (event) => this.read(event));
    this.window = 0;
  }

  texts() {
    const top = make('figcaption', 'corner');
    top.append(make('strong', 'name', this.name));
    for (const line of this.lines || []) top.append(make('span', 'line', line));
    this.element.append(top);
    if (!this.address) return;
    const low = make('div', 'corner low');
    this.state = make('span', 'state', 'loading');
    this.reads = make('span', 'reads', '');
    this.shownWindow = make('span', 'line', '');
    this.element.append(low);
    low.append(this.reads, this.shownWindow, this.state);
  }

  activate() {
    if (this.room.active) this.room.active.element.classList.remove('active');
    this.room.active = this;
    this.element.classList.add('active');
  }

  /** quality "preview" or "full". The picture keeps its place and window when the full one takes over. */
  async load(quality) {
    const full = quality === 'full';
    const [rows, columns] = full ? [this.rows, this.columns] : this.preview;
    const spacing = [this.unit[0] * this.rows / rows, this.unit[1] * this.columns / columns];
    const what = full ? (this.windows[this.window].limits ? 'raw' : `window-${this.window}`) : 'preview';
    const id = register(`${this.address}${what}`, { address: this.address + what, rows, columns, spacing, calibrated: this.spacing ? this.spacing_kind : '' });
    const camera = this.hung ? this.viewport.getCamera() : undefined;
    this.hanging = true; // a new stack resets the camera, which is no movement of the reader's
    try {
      await this.viewport.setStack([id]);
    } catch (error) {
      this.hanging = false;
      this.say('failed', 'not loaded: ' + String(error && error.message || error).slice(0, 120));
      return;
    }
    if (this.closed) return;
    if (this.imageId && this.imageId !== id) forget(this.imageId);
    this.imageId = id;
    this.exact = what.startsWith('window-');
    this.loaded = true;
    this.windowNow();
    if (camera) this.viewport.setCamera(camera);
    this.viewport.render();
    this.hanging = false;
    this.say(full ? 'full' : 'preview', full ? 'full quality' : 'preview');
  }

  say(state, text) { this.state.dataset.state = state; this.state.textContent = text; }

  /** The file's chosen window; a table or SIGMOID is already in the pixels. */
  windowNow() {
    const chosen = this.windows[this.window];
    const [lower, upper] = this.exact ? [0, 65535] : chosen.limits || [0, this.values[1] - this.values[0]];
    this.viewport.setProperties({ voiRange: { lower, upper }, invert: false });
    this.shownWindow.textContent = 'shown: ' + chosen.name;
  }

  async nextWindow() {
    this.window = (this.window + 1) % this.windows.length;
    await this.load('full');
  }

  invert() {
    this.viewport.setProperties({ invert: !this.viewport.getProperties().invert });
    this.viewport.render();
  }

  reset() { this.window = 0; this.load('full'); }

  size() { return [this.columns * this.unit[1], this.rows * this.unit[0]]; }

  /** World units (mm) a screen pixel at which the whole view fits its viewport. */
  millimetresAPixel() {
    const [width, height] = [this.size()[0] + this.inset(), this.size()[1]];
    const reach = 2 * Math.max(this.level(), height - this.level());
    return Math.max(width / Math.max(1, this.canvas.clientWidth), reach / Math.max(1, this.canvas.clientHeight));
  }

  /** How far the nipple lies from the picture's chest wall edge, in world units; undefined where it was not found. */
  nippleDepth() {
    if (!this.nipple) return undefined;
    const x = this.world(this.nipple)[0] + this.unit[1] / 2;
    return this.chestWall === 'right' ? this.size()[0] - x : x;
  }

  /** How far the picture hangs from the middle: 0, or as far as its nipple then lies as deep as the deepest one shown. */
  inset() { return this.room.align === 'nipple' && this.nipple ? Math.max(0, this.room.deepest - this.nippleDepth()) : 0; }

  /** The height (world units from the top) that lies in the middle of the viewport: the nipple's on request. */
  level() { return this.room.align && this.nipple ? this.world(this.nipple)[1] + this.unit[0] / 2 : this.size()[1] / 2; }

  /** Chest wall flush with the edge that faces the other breast (or set in, see `inset`), at `scale` mm a pixel. */
  hang(scale) {
    const [width] = this.size();
    const across = scale * this.canvas.clientWidth;
    const x = this.chestWall === 'right' ? width - across / 2 + this.inset() : across / 2 - this.inset();
    const y = this.level();
    this.look(x, y, scale);
    this.home = { x, y, scale };
    this.hung = true;
  }

  look(x, y, scale) {
    const [dx, dy] = [this.unit[1] / 2, this.unit[0] / 2]; // world 0 is the centre of the first pixel
    this.hanging = true;
    const distance = this.viewport.getCamera().position[2] - this.viewport.getCamera().focalPoint[2];
    this.viewport.setCamera({ parallelScale: scale * this.canvas.clientHeight / 2, focalPoint: [x - dx, y - dy, 0], position: [x - dx, y - dy, distance] });
    this.hanging = false;
    this.viewport.render();
  }

  oneToOne() { this.zoomTo(this.unit[0] / (window.devicePixelRatio || 1)); }

  /** The same place at `scale` world units a CSS pixel. */
  zoomTo(scale) {
    const { focalPoint } = this.viewport.getCamera();
    this.look(focalPoint[0] + this.unit[1] / 2, focalPoint[1] + this.unit[0] / 2, scale);
    this.room.moved(this);
  }

  /** What the model says of this view; empty for nothing. */
  score(text) { if (this.badge) this.badge.textContent = text || ''; }

  /** The next part of the view at 1:1, from the upper left to the lower right, so that no part is left out. */
  nextPart() {
    const scale = this.unit[0] / (window.devicePixelRatio || 1);
    const [width, height] = this.size();
    const tile = [Math.min(width, scale * this.canvas.clientWidth), Math.min(height, scale * this.canvas.clientHeight)];
    const [across, down] = [Math.ceil(width / tile[0] - 0.01), Math.ceil(height / tile[1] - 0.01)];
    this.part = ((this.part ?? -1) + 1) % (across * down);
    const at = (number, count, whole, own) => own / 2 + (count > 1 ? number * (whole - own) / (count - 1) : 0);
    this.look(at(this.part % across, across, width, tile[0]), at(Math.floor(this.part / across), down, height, tile[1]), scale);
    this.say('full', `part ${this.part + 1} of ${across * down}, 1:1`);
  }

  /** How far this view has been moved and enlarged since it was hung. */
  relative() {
    const camera = this.viewport.getCamera();
    const scale = 2 * camera.parallelScale / this.canvas.clientHeight;
    return {
      pan: [camera.focalPoint[0] + this.unit[1] / 2 - this.home.x, camera.focalPoint[1] + this.unit[0] / 2 - this.home.y],
      zoom: scale / this.home.scale,
    };
  }

  /** The same movement, mirrored for the other breast. */
  follow(pan, zoom, mirror) {
    this.look(this.home.x + (mirror ? -pan[0] : pan[0]), this.home.y + pan[1], this.home.scale * zoom);
  }

  /** A transparent picture that covers the whole view, or undefined for none. */
  lay(source) {
    if (!this.map) return;
    this.map.hidden = !source || this.room.hideMaps;
    if (source) this.map.src = source; else this.map.removeAttribute('src');
    this.place();
  }

  place() {
    if (!this.map || this.map.hidden || !this.loaded) return;
    const [width, height] = this.size();
    const [dx, dy] = [this.unit[1] / 2, this.unit[0] / 2];
    const [left, top] = this.viewport.worldToCanvas([-dx, -dy, 0]);
    const [right, bottom] = this.viewport.worldToCanvas([width - dx, height - dy, 0]);
    Object.assign(this.map.style, { left: left + 'px', top: top + 'px', width: right - left + 'px', height: bottom - top + 'px' });
  }

  /** Column, row of the file and its stored value under the pointer. */
  read(event) {
    if (!this.loaded || this.state.dataset.state !== 'full') return;
    const box = this.canvas.getBoundingClientRect();
    const [x, y] = this.viewport.canvasToWorld([event.clientX - box.left, event.clientY - box.top]);
    const [column, row] = [Math.round(x / this.unit[1]), Math.round(y / this.unit[0])];
    const value = pixelValueAt(this.imageId, column, row);
    if (value === undefined) { this.reads.textContent = ''; return; }
    const own = [this.flip_columns ? this.columns - 1 - column : column, this.flip_rows ? this.rows - 1 - row : row];
    const stored = this.exact ? '' : ` = ${this.inverted ? this.values[1] - value : value + this.values[0]}`;
    this.reads.textContent = `(${own[0]}, ${own[1]})${stored}`;
    if (this.room.crossing && this.role !== 'extra') showCross(this.room, this, own);
  }

  /** World -> column, row of the file (0, 0 is the centre of its first pixel), and back. */
  own([x, y]) {
    const [column, row] = [x / this.unit[1], y / this.unit[0]];
    return [this.flip_columns ? this.columns - 1 - column : column, this.flip_rows ? this.rows - 1 - row : row];
  }

  world([column, row]) {
    const hung = [this.flip_columns ? this.columns - 1 - column : column, this.flip_rows ? this.rows - 1 - row : row];
    return [hung[0] * this.unit[1], hung[1] * this.unit[0], 0];
  }

  close() {
    this.closed = true;
    if (!this.viewport) return;
    this.room.stage.group.removeViewports(this.room.stage.engine.id, this.id);
    this.room.stage.engine.disableElement(this.id);
    if (this.imageId) forget(this.imageId);
  }
}
