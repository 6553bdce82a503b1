// The reading room: Cornerstone3D viewports in the hanging of mammograms. Texts are set with textContent only.
import { make } from './dom.js';
import { LAYOUTS, PROTOCOL } from './hanging.js';
import { KEYS } from './keys.js';
import { Marks } from './marks.js';
import { Port } from './port.js';
import { prepareStage } from './stage.js';
import { mountToolbar } from './toolbar.js';

/** Start the viewer in `root`. props, watch: of the Gradio component. report: is called with {exam, before, marks} where marks changed. */
export async function mount(root, props, watch, report) {
  const stage = await prepareStage();
  const room = new Room(root, stage, props);
  root.room = room; // for the browser tests
  room.marks = new Marks(room, props.mark_labels, (change) => report({ exam: room.exam, ...change }));
  watch('value', () => room.open(props.value));
  watch('marks', () => room.showMarks());
  watch('maps', () => room.showMaps(props.maps || {}));
  watch('badges', () => room.showBadges(props.badges || {}));
  await room.open(props.value);
  return room;
}

class Room {
  constructor(root, stage, props) {
    Object.assign(this, { root, stage, props, ports: [], layout: 'four', tool: 'window', linked: true, align: '', compare: false, step: 0, opening: 0 });
    this.resized = new ResizeObserver(() => this.hang());
    root.addEventListener('keydown', (event) => this.onKey(event));
  }

  /** Show the exam of a component's value; an empty value closes the open one.
   *
   * The element says which exam is open (data-exam) and, once each of its views on screen is drawn in full quality with
   * its marks, which one is drawn (data-rendered).
   */
  async open(value) {
    const opening = ++this.opening; // while this exam loads, a later one may be opened: then this call stops
    this.marks.flush(); // what was drawn last belongs to the exam that is closed now
    delete this.root.dataset.rendered;
    this.resized.disconnect();
    this.ports.forEach((port) => port.close());
    this.ports = [];
    this.root.replaceChildren();
    this.root.classList.remove('plain');
    const descriptions = (value && value.ports) || [];
    this.exam = this.root.dataset.exam = (value && value.exam) || '';
    this.marks.drawing = true;
    this.marks.clear();
    if (!descriptions.length) {
      this.root.append(make('p', 'hint', 'No exam is open. Drop files on the right, or open a demo exam.'));
      this.root.dataset.rendered = '';
      return;
    }
    this.comparable = descriptions.some((port) => port.role === 'prior' && port.address);
    this.compare = this.compare && this.comparable;
    this.bar = mountToolbar(this);
    this.grid = make('div', 'four-up');
    const extras = make('div', 'extra-views');
    this.root.append(this.bar.element, this.grid, extras);
    this.ports = descriptions.map((port, index) => new Port(port, index, port.role === 'extra' ? extras : this.grid, this));
    this.arrange(this.layout in LAYOUTS ? this.layout : 'four', this.ports.find((port) => port.address));
    this.resized.observe(this.grid);
    const toLoad = this.ports.filter((port) => port.address && (port.role !== 'prior' || this.compare));
    await Promise.all(toLoad.map((port) => port.load('preview')));
    if (opening !== this.opening) return;
    this.hang();
    await Promise.all(toLoad.map((port) => port.load('full')));
    if (opening !== this.opening) return;
    this.marks.draw(this.changedMarks() || value.marks);
    this.showMaps(this.props.maps || {});
    this.showBadges(this.props.badges || {});
    await this.drawn();
    if (opening === this.opening && toLoad.every((port) => port.state.dataset.state === 'full')) this.root.dataset.rendered = this.exam;
  }

  /** The marks of this exam as they were changed on the server after it was opened: in another tab, or taken back. */
  changedMarks() { return this.props.marks && this.exam && this.props.marks.exam === this.exam ? this.props.marks.marks : undefined; }

  /** Draw these marks, unless the reader is drawing: then what is reported is answered with the marks to draw. */
  showMarks() {
    if (this.marks.timer) this.marks.flush();
    else if (this.changedMarks() && this.root.dataset.rendered === this.exam) this.marks.draw(this.changedMarks());
  }

  /** Wait until every loaded view on screen has drawn its present state. */
  drawn() {
    const { IMAGE_RENDERED } = this.stage.cs.Enums.Events;
    return Promise.all(this.ports.filter((port) => port.loaded && !port.element.hidden).map((port) => new Promise((done) => {
      port.canvas.addEventListener(IMAGE_RENDERED, done, { once: true });
      port.viewport.render();
    })));
  }

  /** Show the viewports of a layout. `single`: the port that the layout of one view shows. */
  arrange(layout, single) {
    this.layout = layout;
    const main = this.ports.filter((port) => port.role === 'current');
    const priors = this.ports.filter((port) => port.role === 'prior');
    const chosen = single || this.active || main[0];
    const current = layout === 'single' ? [main.find((port) => port.view === chosen.view) || chosen] : main.filter((port) => LAYOUTS[layout].includes(port));
    const visible = [...current, ...priors.filter((port) => this.compare && current.some((other) => other.view === port.view))];
    for (const port of [...main, ...priors]) {
      port.element.hidden = !visible.includes(port);
      const outward = port.role === 'prior' ? (port.chestWall === 'right' ? -1 : 1) : 0; // the prior hangs on the far side
      port.element.style.order = 10 * main.findIndex((other) => other.view === port.view) + outward;
    }
    const columns = Math.min(2, current.length) * (visible.length > current.length ? 2 : 1);
    this.grid.style.gridTemplateColumns = `repeat(${columns}, minmax(0, 1fr))`;
    this.grid.className = 'four-up ' + (current.length <= 2 ? 'rows-1' : '');
    this.bar.update();
    this.hang();
  }

  /** Show or hide the earlier exam beside this one, view by view; its pixels are fetched the first time. */
  async togglePrior() {
    if (!this.comparable) return;
    this.compare = !this.compare;
    this.arrange(this.layout, this.active);
    const { opening } = this;
    const waiting = this.ports.filter((port) => this.compare && port.role === 'prior' && port.address && !port.loaded);
    for (const quality of ['preview', 'full']) {
      await Promise.all(waiting.map((port) => port.load(quality)));
      if (opening !== this.opening) return;
      if (quality === 'preview') this.hang();
    }
  }

  /** Go `by` steps through the reading protocol. */
  next(by) {
    this.step = (this.step + by + PROTOCOL.length) % PROTOCOL.length;
    const step = PROTOCOL[this.step];
    this.arrange(step.layout, this.ports.find((port) => port.view === step.view));
  }

  /** Hang all visible views at the same scale, chest walls flush with the middle. */
  hang() {
    const visible = this.visiblePorts();
    if (!visible.length) return;
    this.stage.engine.resize(true, true);
    this.deepest = Math.max(0, ...visible.map((port) => port.nippleDepth() || 0));
    const scale = Math.max(...visible.map((port) => port.millimetresPerPixel()));
    visible.forEach((port) => port.hang(scale));
    this.ports.filter((port) => port.role === 'extra' && port.address).forEach((port) => port.hang(port.millimetresPerPixel()));
  }

  /** The loaded views of this exam and its prior that are on screen. */
  visiblePorts() { return this.ports.filter((port) => port.role !== 'extra' && port.address && !port.element.hidden && port.loaded); }

  /** maps: {view: address of a picture}. */
  showMaps(maps) { this.ports.forEach((port) => port.showMap(port.role === 'current' ? maps[port.view] : undefined)); }

  /** badges: {view: text}. */
  showBadges(badges) { this.ports.forEach((port) => port.setBadge(port.role === 'current' ? badges[port.view] : '')); }

  /** tool: a key of LEFT_TOOLS. */
  setLeftTool(tool) {
    this.tool = tool;
    this.stage.setLeftTool(tool);
    this.bar.update();
  }

  /** Do something with every visible view, or with the active one only where views are not linked. */
  forEachLinked(action) { (this.linked ? this.visiblePorts() : [this.active || this.visiblePorts()[0]]).filter(Boolean).forEach(action); }

  onKey(event) {
    if ((event.ctrlKey || event.metaKey) && /^[zy]$/i.test(event.key)) {
      const history = this.stage.cs.utilities.HistoryMemo.DefaultHistoryMemo;
      if (event.key.toLowerCase() === 'z' && !event.shiftKey) history.undo(); else history.redo();
      this.stage.engine.render();
      this.marks.changed();
      event.preventDefault();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName)) return;
    const action = KEYS[event.key] || KEYS[event.key.toLowerCase()];
    if (!action) return;
    event.preventDefault();
    action.run(this);
  }

  /** Give the movement of `port` to the other views; a prior always moves with its view, others only when linked. */
  syncCameras(port) {
    if (this.copying || port.role === 'extra') return;
    this.copying = true;
    const { pan, zoom } = port.movement();
    const followers = this.visiblePorts().filter((other) => other !== port && (this.linked || other.view === port.view));
    followers.forEach((other) => other.follow(pan, zoom, other.chestWall !== port.chestWall));
    this.copying = false;
  }
}
