// One viewport: its pixels, window, position, texts and map. World units: millimetres, or pixels without a calibration.
import { showCross } from './cross.js';
import { make } from './dom.js';
import { fetchPixels, forgetImage, pixelValueAt, registerImage } from './stage.js';

export class Port {
  /** description: a port of the component's value, as app/viewer/viewports.py describes it. */
  constructor(description, index, parent, room) {
    Object.assign(this, description);
    this.chestWall = description.chest_wall;
    this.room = room;
    this.id = 'port-' + index;
    this.element = make('figure', 'viewport chest-' + this.chestWall);
    this.element.dataset.view = this.view;
    this.element.tabIndex = 0;
    this.element.setAttribute('aria-label', this.name);
    this.element.addEventListener('focus', () => this.activate());
    this.element.addEventListener('pointerdown', () => this.activate());
    this.element.addEventListener('dblclick', () => room.arrange(room.layout === 'single' ? 'four' : 'single', this));
    this.addTexts();
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
    this.canvas.addEventListener(cs.Enums.Events.IMAGE_RENDERED, () => this.positionMap());
    this.canvas.addEventListener(cs.Enums.Events.CAMERA_MODIFIED, () => { if (this.hung && !this.hanging) room.syncCameras(this); });
    this.canvas.addEventListener('pointermove', (event) => this.updateReadout(event));
    this.window = 0;
  }

  addTexts() {
    const top = make('figcaption', 'corner');
    top.append(make('strong', 'name', this.name));
    for (const line of this.lines || []) top.append(make('span', 'line', line));
    this.element.append(top);
    if (!this.address) return;
    const low = make('div', 'corner low');
    this.state = make('span', 'state', 'loading');
    this.readout = make('span', 'reads', '');
    this.windowName = make('span', 'line', '');
    this.element.append(low);
    low.append(this.readout, this.windowName, this.state);
  }

  activate() {
    if (this.room.active) this.room.active.element.classList.remove('active');
    this.room.active = this;
    this.element.classList.add('active');
  }

  /** quality: "preview" or "full". Position and window stay as they are when the full picture replaces the preview. */
  async load(quality) {
    const full = quality === 'full';
    const [rows, columns] = full ? [this.rows, this.columns] : this.preview;
    const spacing = [this.unit[0] * this.rows / rows, this.unit[1] * this.columns / columns];
    const what = full ? (this.windows[this.window].limits ? 'raw' : `window-${this.window}`) : 'preview';
    const id = registerImage(`${this.address}${what}`, { address: this.address + what, rows, columns, spacing, calibrated: this.spacing ? this.spacing_kind : '' });
    let camera;
    try {
      await fetchPixels(id);
      if (this.closed) return;
      camera = this.hung ? this.viewport.getCamera() : undefined;
      this.hanging = true; // setStack resets the camera; that is not a movement by the reader
      await this.viewport.setStack([id]);
    } catch (error) {
      this.hanging = false;
      this.setState('failed', 'not loaded: ' + String(error && error.message || error).slice(0, 120));
      return;
    }
    if (this.closed) return;
    if (this.imageId && this.imageId !== id) forgetImage(this.imageId);
    this.imageId = id;
    this.exact = what.startsWith('window-');
    this.loaded = true;
    this.applyWindow();
    if (camera) this.viewport.setCamera(camera);
    this.viewport.render();
    this.hanging = false;
    this.setState(full ? 'full' : 'preview', full ? 'full quality' : 'preview');
  }

  setState(state, text) { this.state.dataset.state = state; this.state.textContent = text; }

  /** Apply the chosen window of the file; for a table or SIGMOID the pixels are rendered already. */
  applyWindow() {
    const chosen = this.windows[this.window];
    const [lower, upper] = this.exact ? [0, 65535] : chosen.limits || [0, this.values[1] - this.values[0]];
    this.viewport.setProperties({ voiRange: { lower, upper }, invert: false });
    this.windowName.textContent = 'shown: ' + chosen.name;
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

  /** Width and height of the view in world units. */
  size() { return [this.columns * this.unit[1], this.rows * this.unit[0]]; }

  /** World units (mm) per screen pixel at which the whole view fits its viewport. */
  millimetresPerPixel() {
    const [width, height] = [this.size()[0] + this.inset(), this.size()[1]];
    const reach = 2 * Math.max(this.centreHeight(), height - this.centreHeight());
    return Math.max(width / Math.max(1, this.canvas.clientWidth), reach / Math.max(1, this.canvas.clientHeight));
  }

  /** Distance of the nipple from the chest wall edge of the picture, in world units; undefined if not found. */
  nippleDepth() {
    if (!this.nipple) return undefined;
    const x = this.fileToWorld(this.nipple)[0] + this.unit[1] / 2;
    return this.chestWall === 'right' ? this.size()[0] - x : x;
  }

  /** Distance of the picture from the middle: 0, or what brings its nipple to the depth of the deepest one on screen. */
  inset() { return this.room.align === 'nipple' && this.nipple ? Math.max(0, this.room.deepest - this.nippleDepth()) : 0; }

  /** The height (world units from the top) at the middle of the viewport: the nipple's when views are aligned. */
  centreHeight() { return this.room.align && this.nipple ? this.fileToWorld(this.nipple)[1] + this.unit[0] / 2 : this.size()[1] / 2; }

  /** Put the chest wall flush with the edge that faces the other breast (or at `inset`), at `scale` mm per pixel. */
  hang(scale) {
    const [width] = this.size();
    const across = scale * this.canvas.clientWidth;
    const x = this.chestWall === 'right' ? width - across / 2 + this.inset() : across / 2 - this.inset();
    const y = this.centreHeight();
    this.centreOn(x, y, scale);
    this.home = { x, y, scale };
    this.hung = true;
  }

  /** Show the point (x, y) in the middle of the viewport, at `scale` world units per CSS pixel. */
  centreOn(x, y, scale) {
    const [dx, dy] = [this.unit[1] / 2, this.unit[0] / 2]; // world 0 is the centre of the first pixel
    this.hanging = true;
    const distance = this.viewport.getCamera().position[2] - this.viewport.getCamera().focalPoint[2];
    this.viewport.setCamera({ parallelScale: scale * this.canvas.clientHeight / 2, focalPoint: [x - dx, y - dy, 0], position: [x - dx, y - dy, distance] });
    this.hanging = false;
    this.viewport.render();
  }

  oneToOne() { this.zoomTo(this.unit[0] / (window.devicePixelRatio || 1)); }

  /** Zoom to `scale` world units per CSS pixel around the middle. */
  zoomTo(scale) {
    const { focalPoint } = this.viewport.getCamera();
    this.centreOn(focalPoint[0] + this.unit[1] / 2, focalPoint[1] + this.unit[0] / 2, scale);
    this.room.syncCameras(this);
  }

  /** Show the model's scores for this view; no text hides them. */
  setBadge(text) { if (this.badge) this.badge.textContent = text || ''; }

  /** Show the next tile of the view at 1:1, from the upper left to the lower right; the tiles cover the whole view. */
  nextTile() {
    const scale = this.unit[0] / (window.devicePixelRatio || 1);
    const [width, height] = this.size();
    const tile = [Math.min(width, scale * this.canvas.clientWidth), Math.min(height, scale * this.canvas.clientHeight)];
    const [across, down] = [Math.ceil(width / tile[0] - 0.01), Math.ceil(height / tile[1] - 0.01)];
    this.tile = ((this.tile ?? -1) + 1) % (across * down);
    const centre = (number, count, whole, part) => part / 2 + (count > 1 ? number * (whole - part) / (count - 1) : 0);
    this.centreOn(centre(this.tile % across, across, width, tile[0]), centre(Math.floor(this.tile / across), down, height, tile[1]), scale);
    this.setState('full', `part ${this.tile + 1} of ${across * down}, 1:1`);
  }

  /** Pan (world units) and zoom factor since the view was hung. */
  movement() {
    const camera = this.viewport.getCamera();
    const scale = 2 * camera.parallelScale / this.canvas.clientHeight;
    return {
      pan: [camera.focalPoint[0] + this.unit[1] / 2 - this.home.x, camera.focalPoint[1] + this.unit[0] / 2 - this.home.y],
      zoom: scale / this.home.scale,
    };
  }

  /** Apply the movement of another view, mirrored for the other breast. */
  follow(pan, zoom, mirror) {
    this.centreOn(this.home.x + (mirror ? -pan[0] : pan[0]), this.home.y + pan[1], this.home.scale * zoom);
  }

  /** Show a map: the address of a transparent picture that covers the whole view, or undefined for none. */
  showMap(source) {
    if (!this.map) return;
    this.map.hidden = !source || this.room.hideMaps;
    if (source) this.map.src = source; else this.map.removeAttribute('src');
    this.positionMap();
  }

  positionMap() {
    if (!this.map || this.map.hidden || !this.loaded) return;
    const [width, height] = this.size();
    const [dx, dy] = [this.unit[1] / 2, this.unit[0] / 2];
    const [left, top] = this.viewport.worldToCanvas([-dx, -dy, 0]);
    const [right, bottom] = this.viewport.worldToCanvas([width - dx, height - dy, 0]);
    Object.assign(this.map.style, { left: left + 'px', top: top + 'px', width: right - left + 'px', height: bottom - top + 'px' });
  }

  /** Show column, row and stored value of the file under the pointer. */
  updateReadout(event) {
    if (!this.loaded || this.state.dataset.state !== 'full') return;
    const box = this.canvas.getBoundingClientRect();
    const [x, y] = this.viewport.canvasToWorld([event.clientX - box.left, event.clientY - box.top]);
    const [column, row] = [Math.round(x / this.unit[1]), Math.round(y / this.unit[0])];
    const value = pixelValueAt(this.imageId, column, row);
    if (value === undefined) { this.readout.textContent = ''; return; }
    const spot = this.flip([column, row]);
    const stored = this.exact ? '' : ` = ${this.inverted ? this.values[1] - value : value + this.values[0]}`;
    this.readout.textContent = `(${spot[0]}, ${spot[1]})${stored}`;
    if (this.room.crossing && this.role !== 'extra') showCross(this.room, this, spot);
  }

  /** Column, row of the picture as hung -> of the file, and the other way round. */
  flip([column, row]) {
    return [this.flip_columns ? this.columns - 1 - column : column, this.flip_rows ? this.rows - 1 - row : row];
  }

  /** World point -> column, row of the file; (0, 0) is the centre of its first pixel. */
  worldToFile([x, y]) { return this.flip([x / this.unit[1], y / this.unit[0]]); }

  /** Column, row of the file -> world point. */
  fileToWorld(spot) {
    const [column, row] = this.flip(spot);
    return [column * this.unit[1], row * this.unit[0], 0];
  }

  close() {
    this.closed = true;
    if (!this.viewport) return;
    this.room.stage.group.removeViewports(this.room.stage.engine.id, this.id);
    this.room.stage.engine.disableElement(this.id);
    if (this.imageId) forgetImage(this.imageId);
  }
}
