// One viewport: its pixels, window, position, texts and map. World units: millimetres, or pixels without a calibration.
import { Corners } from './corners.js';
import { showCross } from './cross.js';
import { make } from './dom.js';
import { Grey } from './grey.js';
import { makeNippleHandle } from './nipple.js';
import { Picture } from './picture.js';
import { FULL, PREVIEW } from './pixels.js';
import { makeShutter } from './shutter.js';
import { forgetPlan, registerPlan } from './stage.js';
import { listenToWheel, showAt } from './zoom.js';

const DISTANCE = 1000; // world units from the camera to the picture; any will do
const STRETCHED = 0.01; // difference of the scales in x and y, beyond the rounding to whole pixels

export class Port {
  /** description: a port of the component's value, as app/viewer/viewports.py describes it. */
  constructor(description, index, parent, room) {
    Object.assign(this, description);
    this.chestWall = description.chest_wall;
    for (const rows of ['breast_rows', 'opening_rows']) this[rows] = description[rows] ? JSON.parse(description[rows]) : undefined;
    this.room = room;
    this.id = 'port-' + index;
    this.element = make('figure', 'viewport chest-' + this.chestWall);
    this.element.dataset.view = this.view;
    this.element.tabIndex = 0;
    this.element.setAttribute('aria-label', this.name);
    this.element.addEventListener('focus', () => this.activate());
    this.element.addEventListener('pointerdown', () => this.activate());
    this.element.addEventListener('dblclick', () => room.arrange(room.layout === 'single' ? 'four' : 'single', this));
    this.corners = new Corners(this);
    parent.append(this.element);
    if (!this.address) { this.element.classList.add('empty'); return; }
    this.unit = this.spacing || [1, 1];
    this.canvas = make('div', 'canvas');
    this.map = make('img', 'map');
    this.map.alt = '';
    this.badge = make('div', 'badge', '');
    this.element.append(this.badge);
    if (this.role === 'current') this.nippleHandle = makeNippleHandle(this);
    this.map.hidden = true;
    this.element.prepend(this.canvas, this.map);
    const { engine, cs, group } = room.stage;
    engine.enableElement({ viewportId: this.id, element: this.canvas, type: cs.Enums.ViewportType.STACK, defaultOptions: { background: [0, 0, 0] } });
    group.addViewport(this.id, engine.id);
    this.viewport = engine.getViewport(this.id);
    this.canvas.port = this;
    this.grey = new Grey(this);
    this.picture = new Picture(this);
    this.shutter = makeShutter(this);
    this.canvas.addEventListener('contextmenu', (event) => event.preventDefault());
    this.canvas.addEventListener(cs.Enums.Events.IMAGE_RENDERED, () => {
      this.hideIfStretched();
      this.positionMap();
      this.shutter.position();
      this.corners.place();
      this.nippleHandle?.position();
      room.others.drawOn(this); // after the texts, which it stands over
    });
    this.canvas.addEventListener(cs.Enums.Events.CAMERA_MODIFIED, () => {
      if (this.loaded) this.picture.update();
      if (this.hung && !this.hanging) room.syncCameras(this);
    });
    this.canvas.addEventListener('painted', () => room.notePainted(this));
    this.canvas.addEventListener('pointermove', (event) => this.updateReadout(event));
    listenToWheel(this);
  }

  activate() {
    if (this.room.active) this.room.active.element.classList.remove('active');
    this.room.active = this;
    this.element.classList.add('active');
  }

  /**
   * quality: "preview" or "full"; where the full picture is here, there is no need for a preview. Position and window stay
   * as they are when it replaces the preview. Of a view that is hidden only the pixels are fetched: Cornerstone cannot take
   * away again what it never drew.
   */
  async load(quality) {
    const { pixels } = this.room;
    const full = quality === 'full' || pixels.has(this.address + FULL);
    if (full && this.state.dataset.state === 'full') return;
    this.waits = this.element.hidden;
    if (this.waits && !full) return;
    const [rows, columns] = full ? [this.rows, this.columns] : this.preview;
    try {
      const values = await pixels.fetch(this.address + (full ? FULL : PREVIEW), rows * columns);
      if (this.closed || this.waits) return;
      await (this.staged ||= this.enterStage());
      if (this.closed) return;
      this.show({ pixels: values, rows, columns, spacing: [this.unit[0] * this.rows / rows, this.unit[1] * this.columns / columns] });
    } catch (error) {
      this.staged = undefined; // the next try begins anew
      this.setState('failed', 'not loaded: ' + String(error && error.message || error).slice(0, 120));
      return;
    }
    if (full) pixels.forget(this.address + PREVIEW);
    this.setState(full ? 'full' : 'preview', full ? 'full quality' : 'preview');
  }

  /** Let Cornerstone know the picture's size, and fetch the entries of its window where that is a table. */
  async enterStage() {
    this.imageId = registerPlan({ address: this.address, rows: this.rows, columns: this.columns, spacing: this.unit, calibrated: this.spacing ? this.spacing_kind : '' });
    this.hanging = true; // Cornerstone resets the camera; that is not a movement by the reader
    try {
      await this.viewport.setStack([this.imageId]);
    } finally {
      this.hanging = false;
    }
    await this.grey.fetchTable();
  }

  /** Show a picture of this view: {pixels, rows, columns, spacing}. */
  show(source) {
    this.loaded = true;
    this.picture.set(source);
    this.corners.update();
    this.viewport.render();
  }

  get state() { return this.corners.state; }
  get readout() { return this.corners.readout; }

  setState(state, text) {
    this.state.dataset.state = state;
    this.state.textContent = text;
    this.state.classList.toggle('usual', text === 'full quality'); // which a dot says where there is little room
  }

  /** Show the picture and its figures with the window as it is now. */
  windowChanged() {
    this.picture.repaint();
    this.corners.update();
  }

  /** Choose a window or VOI LUT of `windows` by its number. */
  async chooseWindow(index) {
    this.grey.choose(index);
    try {
      await this.grey.fetchTable();
    } catch (error) {
      this.grey.choose(0);
      this.setState('failed', 'the VOI LUT did not arrive: ' + String(error && error.message || error).slice(0, 120));
    }
    if (!this.closed) this.windowChanged();
  }

  invert() {
    this.grey.invert();
    this.windowChanged();
  }

  reset() {
    this.grey.negative = false;
    return this.chooseWindow(0);
  }

  /** Width and height of the view in world units. */
  size() { return [this.columns * this.unit[1], this.rows * this.unit[0]]; }

  /** Where the breast lies as it hangs: {left, top, right, bottom} in world units from the picture's corner; the whole picture where it was not found. */
  extent() {
    const [width, height] = this.size();
    if (!this.breast) return { left: 0, top: 0, right: width, bottom: height };
    const [left, top, right, bottom] = this.breast;
    const x = (this.flip_columns ? [this.columns - right, this.columns - left] : [left, right]).map((edge) => edge * this.unit[1]);
    const y = (this.flip_rows ? [this.rows - bottom, this.rows - top] : [top, bottom]).map((edge) => edge * this.unit[0]);
    return { left: x[0], top: y[0], right: x[1], bottom: y[1] };
  }

  /** World units (mm) per screen pixel at which the breast fits its viewport. */
  millimetresPerPixel() {
    const { left, top, right, bottom } = this.extent();
    const reach = 2 * Math.max(this.centreHeight() - top, bottom - this.centreHeight());
    return Math.max((right - left + this.inset()) / Math.max(1, this.canvas.clientWidth), reach / Math.max(1, this.canvas.clientHeight));
  }

  /** Distance of the nipple from the chest wall, in world units; undefined if not found. */
  nippleDepth() {
    if (!this.nipple) return undefined;
    const x = this.fileToWorld(this.nipple)[0] + this.unit[1] / 2;
    return this.chestWall === 'right' ? this.extent().right - x : x - this.extent().left;
  }

  /** Distance of the picture from the middle: 0, or what brings its nipple to the depth of the deepest one on screen. */
  inset() { return this.room.align === 'nipple' && this.nipple ? Math.max(0, this.room.deepest - this.nippleDepth()) : 0; }

  /** The height (world units from the top) at the middle of the viewport: the nipple's when views are aligned. */
  centreHeight() {
    const { top, bottom } = this.extent();
    return this.room.align && this.nipple ? this.fileToWorld(this.nipple)[1] + this.unit[0] / 2 : (top + bottom) / 2;
  }

  /** Put the chest wall flush with the edge that faces the other breast (or at `inset`), at `scale` mm per pixel. */
  hang(scale) {
    const x = this.middleAt(0, scale);
    const y = this.centreHeight();
    this.centreOn(x, y, scale);
    this.home = { y, scale, hidden: 0 };
    this.hung = true;
  }

  /** Show the point (x, y) in the middle of the viewport, at `scale` world units per CSS pixel. */
  centreOn(x, y, scale) {
    const [dx, dy] = [this.unit[1] / 2, this.unit[0] / 2]; // world 0 is the centre of the first pixel
    this.hanging = true;
    this.setCamera({
      parallelScale: scale * this.canvas.clientHeight / 2, focalPoint: [x - dx, y - dy, 0], position: [x - dx, y - dy, -DISTANCE],
      viewUp: [0, -1, 0], viewPlaneNormal: [0, 0, -1], flipHorizontal: false, flipVertical: false, // never seen from behind
    });
    this.hanging = false;
    if (this.loaded) this.picture.update();
    this.viewport.render();
  }

  /** Set the camera. A resized pane can leave it a range of depths that is infinite. */
  setCamera(camera) {
    this.viewport.setCamera(camera);
    this.viewport.getRenderer().resetCameraClippingRange();
  }

  /** One pixel of the picture on one of the screen. The other views stay: those of another detector have another scale then. */
  oneToOne() {
    const { copying } = this.room;
    this.room.copying = true;
    this.zoomTo(this.unit[0] / (window.devicePixelRatio || 1));
    this.room.copying = copying;
    this.alignToScreen();
  }

  /** At 1:1, move by part of a pixel so that each pixel of the picture lies on one of the screen and is not blended with the next. */
  alignToScreen() {
    const { left, top } = this.picture.position();
    const { focalPoint } = this.viewport.getCamera();
    const [x, y] = [focalPoint[0] + this.unit[1] / 2, focalPoint[1] + this.unit[0] / 2];
    this.centreOn(x + (Math.round(left) - left) * this.unit[1], y + (Math.round(top) - top) * this.unit[0], this.scale());
  }

  /** World units per CSS pixel. */
  scale() { return 2 * this.viewport.getCamera().parallelScale / this.canvas.clientHeight; }

  /** Zoom to `scale` world units per CSS pixel around the middle. */
  zoomTo(scale) { showAt(this, [this.canvas.clientWidth / 2, this.canvas.clientHeight / 2], scale); }

  /** Show the model's scores for this view; no text hides them. */
  setBadge(text) {
    if (!this.badge) return;
    this.badge.textContent = text || '';
    if (this.loaded) this.corners.place();
  }

  /** Show the next tile of the view at 1:1, from the upper left to the lower right; the tiles cover the whole view. */
  nextTile() {
    const scale = this.unit[0] / (window.devicePixelRatio || 1);
    const [width, height] = this.size();
    const tile = [Math.min(width, scale * this.canvas.clientWidth), Math.min(height, scale * this.canvas.clientHeight)];
    const [across, down] = [Math.ceil(width / tile[0] - 0.01), Math.ceil(height / tile[1] - 0.01)];
    this.tile = ((this.tile ?? -1) + 1) % (across * down);
    const centre = (number, count, whole, part) => part / 2 + (count > 1 ? number * (whole - part) / (count - 1) : 0);
    this.centreOn(centre(this.tile % across, across, width, tile[0]), centre(Math.floor(this.tile / across), down, height, tile[1]), scale);
    this.alignToScreen();
    this.setState('full', `part ${this.tile + 1} of ${across * down}, 1:1`);
  }

  /**
   * The movement since the view was hung. hidden: how far the chest wall is beyond the pane's edge, where it hung; down: how
   * far the middle went down the picture, both in world units; zoom: scale over the one at which it hung.
   */
  movement() {
    const { focalPoint } = this.viewport.getCamera();
    const x = focalPoint[0] + this.unit[1] / 2;
    const half = this.scale() * this.canvas.clientWidth / 2;
    const { left, right } = this.extent();
    const hidden = this.chestWall === 'right' ? right + this.inset() - x - half : x - half - left + this.inset();
    return { hidden: hidden - this.home.hidden, down: focalPoint[1] + this.unit[0] / 2 - this.home.y, zoom: this.scale() / this.home.scale };
  }

  /** Apply the movement of another view: seen from the chest wall, so mirrored for the other breast. */
  follow({ hidden, down, zoom }) {
    const scale = this.home.scale * zoom;
    this.centreOn(this.middleAt(hidden + this.home.hidden, scale), this.home.y + down, scale);
  }

  /** The middle of the pane (world units from the picture's left edge) where so much lies beyond its edge at the chest wall. */
  middleAt(hidden, scale) {
    const half = scale * this.canvas.clientWidth / 2;
    const { left, right } = this.extent();
    return this.chestWall === 'right' ? right + this.inset() - hidden - half : left - this.inset() + hidden + half;
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

  /** Hide a picture whose scale in x and y differ, as where its pane was resized and it was not drawn anew, or that is mirrored; draw it anew. */
  hideIfStretched() {
    const { width, height } = this.viewport.getCanvas();
    const [across, down] = [this.canvas.clientWidth, this.canvas.clientHeight];
    const stretched = across > 0 && down > 0 && Math.abs((width / across) / (height / down) - 1) > STRETCHED;
    const [start, end] = [[0, 0, 0], [10, 10, 0]].map((point) => this.viewport.worldToCanvas(point));
    const turned = !(end[0] > start[0] && end[1] > start[1]); // a wrong side is worse than no picture
    this.element.classList.toggle('stretched', stretched || turned);
    if (stretched || turned) requestAnimationFrame(() => { if (!this.closed) this.room.hang(); });
  }

  /** Show column, row and stored value of the file under the pointer. */
  updateReadout(event) {
    if (!this.loaded || this.state.dataset.state !== 'full') return;
    const box = this.canvas.getBoundingClientRect();
    const [x, y] = this.viewport.canvasToWorld([event.clientX - box.left, event.clientY - box.top]);
    const [column, row] = [Math.round(x / this.unit[1]), Math.round(y / this.unit[0])];
    if (column < 0 || row < 0 || column >= this.columns || row >= this.rows) { this.readout.textContent = ''; return; }
    const value = this.picture.source.pixels[row * this.columns + column];
    const spot = this.flip([column, row]);
    const stored = this.grey.stored(value);
    const shown = this.padded && value === 0 ? 'padding' : this.sent_scale === 1 ? `= ${stored}` : `≈ ${Number(stored.toPrecision(5))}`;
    this.readout.textContent = `(${spot[0]}, ${spot[1]}) ${shown}`;
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
    this.picture.close();
    this.room.stage.group.removeViewports(this.room.stage.engine.id, this.id);
    this.room.stage.engine.disableElement(this.id);
    for (const what of [PREVIEW, FULL]) this.room.pixels.forget(this.address + what);
    if (this.imageId) forgetPlan(this.imageId);
  }
}
