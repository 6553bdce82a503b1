// The reading room: Cornerstone3D viewports in the hanging of mammograms. Texts are set with textContent only.
import { Ahead } from './ahead.js';
import { make } from './dom.js';
import { listenToList, showFinding } from './findings.js';
import { EXTRA, firstPair, LAYOUTS, showQuadrant, stepsOf, viewOrder } from './hanging.js';
import { listenToKeys } from './keys.js';
import { Labels } from './labels.js';
import { Marks } from './marks.js';
import { OthersMarks } from './others.js';
import { PixelStore } from './pixels.js';
import { Port } from './port.js';
import { MarkQuestion } from './question.js';
import { prepareStage } from './stage.js';
import { mountToolbar } from './toolbar.js';

/**
 * Start the viewer in `root`. props, watch: of the Gradio component. report: its events; `marked` is called with
 * {exam, before, marks, change} where marks changed, `placed` with {exam, view, point} where a nipple was placed, `edited`
 * with {exam, do, finding, ...} where a finding was named, described, linked, unlinked or deleted, `chosen` with
 * {exam, finding} where one was chosen at its mark or in the list, `others` where the marks of other programs are asked for.
 */
export async function mount(root, props, watch, report) {
  const stage = await prepareStage();
  const room = new Room(root, stage, props);
  root.room = room; // for the browser tests
  const edit = (what) => {
    room.marks.flush();
    report.edited({ exam: room.exam, ...what });
  };
  const choose = (finding, key) => {
    if (key) { room.marks.choose(finding); room.labels.updateAll(); room.question.ask(key); } else showFinding(room, finding);
    report.chosen({ exam: room.exam, finding });
  };
  room.marks = new Marks(room, {
    onChange: (change) => report.marked({ exam: room.exam, ...change }),
    onDrawn: (key) => room.question.ask(key),
    onShown: () => { room.labels.updateAll(); room.question.refresh(); },
  });
  room.labels = new Labels(room, choose);
  room.others = new OthersMarks(room, () => report.others({ exam: room.exam }));
  room.question = new MarkQuestion(room, props.mark_labels, props.descriptors, edit);
  listenToList(room, choose, edit);
  room.placed = (port) => report.placed({ exam: room.exam, view: port.view, point: port.nipple });
  watch('value', () => room.open(props.value));
  watch('ahead', () => room.ahead.fetch(props.ahead || [], room.ports));
  watch('marks', () => room.showMarks());
  watch('maps', () => room.showMaps(props.maps || {}));
  watch('others', () => room.others.refresh());
  watch('badges', () => room.showBadges(props.badges || {}));
  await room.open(props.value);
  return room;
}

const WIDE = 1.15; // width of the grid over its height, from which all views hang in one row
const TWO_SCREENS = [1.45, 1.65]; // width over height of a window over a pair of portrait monitors (4:5 or 3:4)
const LEAST_OF_TWO_SCREENS = 2800; // CSS pixels
const ENLARGED = ['spot compression', 'magnification', 'specimen', 'part of a picture']; // modifiers of views of a part
const MOST_IN_A_ROW = 6; // views; more hang in two rows, pairs kept together

const acrossWide = (count) => (count <= MOST_IN_A_ROW ? count : 2 * Math.ceil(count / 4));

/** What belongs to the open exam alone: nothing of it stays when another one is opened. painted: the views that were on screen. */
const ofOneExam = () => ({
  ports: [], painted: new Set(), steps: [], step: 0, layout: 'four', single: undefined, active: undefined, quadrant: undefined,
  compare: false, align: '', tool: 'window', windowsLinked: true, crossing: false, hideMaps: false, drawnAt: 0, askedAt: 0, askedToLeave: 0,
});

class Room {
  constructor(root, stage, props) {
    Object.assign(this, { root, stage, props, linked: true, first: firstPair(), opening: 0, ...ofOneExam() });
    this.pixels = new PixelStore();
    this.ahead = new Ahead(root, this.pixels);
    this.resized = new ResizeObserver(() => {
      // the observer calls once for no change, and when another page of the app is turned to: then there is nothing to draw on
      if (this.isShown() && this.gridSize() !== this.arrangedIn) this.arrange(this.layout, this.single);
    });
    listenToKeys(this);
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
    delete this.root.dataset.shown;
    Object.assign(this, ofOneExam());
    document.body.classList.remove('without-model');
    this.question.close();
    this.stage.setLeftTool(this.tool);
    this.root.replaceChildren();
    this.root.classList.remove('plain');
    const descriptions = (value && value.ports) || [];
    document.body.classList.toggle('exam-open', descriptions.some((port) => port.address));
    document.body.classList.remove('opening');
    this.exam = this.root.dataset.exam = (value && value.exam) || '';
    this.marks.drawing = true;
    this.marks.clear();
    if (!descriptions.length) {
      this.root.dataset.rendered = '';
      return;
    }
    this.comparable = descriptions.some((port) => port.role === 'prior' && port.address);
    this.grid = make('div', 'four-up');
    // pictures of which nobody knows the view take the places of the views, so that the reader can say which they are
    this.lone = !descriptions.some((port) => (port.role === 'current' || port.role === 'asked') && port.address);
    this.ports = descriptions.map((port, index) => new Port(port, index, this.grid, this));
    this.ports.forEach((port) => this.labels.attach(port));
    this.ahead.opened(this.ports);
    this.steps = stepsOf(this);
    this.bar = mountToolbar(this);
    this.root.append(this.bar.element, this.grid);
    this.arrange(this.layout, this.ports.find((port) => port.address));
    this.resized.observe(this.grid);
    const toLoad = this.ports.filter((port) => port.address && port.role !== 'prior');
    if (!await this.load(toLoad)) return;
    this.marks.draw(this.changedMarks() || value);
    this.showMaps(this.props.maps || {});
    this.showBadges(this.props.badges || {});
    this.others.refresh();
    await this.drawn();
    if (opening !== this.opening) return;
    if (toLoad.every((port) => port.waits || port.state.dataset.state === 'full')) this.root.dataset.rendered = this.exam;
    await this.load(this.ports.filter((port) => port.address && port.role === 'prior')); // until its step comes
  }

  /** Load views, first as previews. -> whether their exam is still open. */
  async load(ports) {
    const { opening } = this;
    for (const quality of ['preview', 'full']) {
      await Promise.all(ports.map((port) => port.load(quality)));
      if (opening !== this.opening) return false;
      if (quality === 'preview' && ports.some((port) => !port.element.hidden)) this.hang(); // not under the reader's hands
    }
    return true;
  }

  /** The views beyond the four: repeats, implant-displaced ones and others; none where no picture has a known view. */
  extras() { return this.lone ? [] : this.ports.filter((port) => port.role === 'extra' && port.address); }

  /**
   * What of the open exam was on screen in full quality since it was opened: {exam, standard, extra, prior}, each of the last
   * three true once every picture of that kind was, and also where there is none. The element has the same as
   * data-shown="standard extra prior", and the event "shown" follows each change.
   */
  shown() {
    const all = (ports) => ports.every((port) => !port.address || this.painted.has(port));
    const of = (...roles) => this.ports.filter((port) => roles.includes(port.role));
    return { exam: this.exam, standard: all(this.lone ? of('extra') : of('current', 'asked')), extra: all(of('extra')), prior: all(of('prior')) };
  }

  /** A view painted its picture. */
  notePainted(port) {
    if (this.painted.has(port) || port.element.hidden || port.picture.canvas.hidden || port.state.dataset.state !== 'full' || !this.isShown()) return;
    this.painted.add(port);
    const shown = this.shown();
    if (shown.standard) this.drawnAt ||= performance.now();
    const told = ['standard', 'extra', 'prior'].filter((kind) => shown[kind]).join(' ');
    if (told === this.root.dataset.shown) return;
    this.root.dataset.shown = told;
    this.root.dispatchEvent(new CustomEvent('shown', { detail: shown }));
  }

  /** The marks of this exam as they were changed on the server after it was opened: in another tab, or taken back. */
  changedMarks() { return this.props.marks && this.exam && this.props.marks.exam === this.exam ? this.props.marks : undefined; }

  /** Draw these marks. */
  showMarks() {
    if (this.changedMarks() && this.root.dataset.rendered === this.exam) this.marks.draw(this.changedMarks());
  }

  /** Wait until every loaded view on screen has drawn its present state. */
  drawn() {
    const { IMAGE_RENDERED } = this.stage.cs.Enums.Events;
    return Promise.all(this.ports.filter((port) => port.loaded && !port.element.hidden).map((port) => new Promise((done) => {
      port.canvas.addEventListener(IMAGE_RENDERED, done, { once: true });
      port.picture.settle();
      port.viewport.render();
    })));
  }

  gridSize() { return `${this.grid.clientWidth} x ${this.grid.clientHeight}`; }

  /** Show the viewports of a layout. `single`: the port that the layout of one view shows. -> when all are loaded */
  arrange(layout, single) {
    this.layout = layout;
    this.quadrant = undefined;
    this.arrangedIn = this.gridSize();
    const main = this.ports.filter((port) => (this.lone ? port.role === 'extra' : port.role === 'current' || port.role === 'asked'));
    const order = viewOrder(this.first);
    if (!this.lone) main.sort((a, b) => order.indexOf(a.view) - order.indexOf(b.view));
    const priors = this.ports.filter((port) => port.role === 'prior');
    const chosen = single || this.active || main[0];
    const pair = layout === EXTRA ? this.extras() : this.lone ? main : main.filter((port) => LAYOUTS[layout].includes(port));
    const current = layout === 'single' ? [chosen.role === 'extra' ? chosen : main.find((port) => port === chosen || (port.view && port.view === chosen.view)) || chosen] : pair;
    this.single = layout === 'single' ? current[0] : undefined;
    const visible = [...current, ...priors.filter((port) => this.compare && current.some((other) => other.view === port.view))];
    for (const port of this.ports) {
      port.element.hidden = !visible.includes(port);
      const place = current.includes(port) ? current.indexOf(port) : current.findIndex((other) => other.view === port.view);
      port.element.style.order = this.placeOf(port, place, current.length);
    }
    this.grid.style.gridTemplateColumns = this.columnsFor(current, visible).map((width) => `minmax(0, ${width.toFixed(4)}fr)`).join(' ');
    if (this.active && this.active.element.hidden) current[0]?.activate();
    this.bar.update();
    this.hang();
    return this.showWaiting(visible.filter((port) => port.waits));
  }

  /** The order of a view in the grid. A prior hangs on the far side of its view; where views hang two a row, below the pair. */
  placeOf(port, place, count) {
    const prior = port.role === 'prior';
    if (this.priorsBeside(count)) return 10 * place + (prior ? (port.chestWall === 'right' ? -1 : 1) : 0);
    return 10 * (2 * Math.floor(place / 2) + (prior ? 1 : 0)) + place % 2;
  }

  isWide() { return this.grid.clientWidth > WIDE * this.grid.clientHeight; }

  /** Whether priors hang beside their views, and not below. count: of the views. */
  priorsBeside(count) { return this.isWide() || count === 1; }

  /** Load views that were hidden until now. */
  async showWaiting(ports) {
    if (ports.length && await this.load(ports)) this.marks.draw(this.changedMarks() || this.props.value);
  }

  /** How wide the columns of the grid are: one row where the grid is wide, else two views a row; as wide as their breasts. */
  columnsFor(current, visible) {
    const beside = visible.length > current.length && this.priorsBeside(current.length) ? 2 : 1; // the prior of each view
    const across = this.isWide() ? acrossWide(current.length) : Math.min(2, current.length);
    const width = (port) => { const { left, right } = port.address ? port.extent() : {}; return port.address ? (right - left) / (port.spacing ? 1 : port.columns / 200) : 0; };
    const found = [];
    for (let column = 0; column < across; column++) {
      const widest = Math.max(...current.filter((_, index) => index % across === column).map(width));
      for (let copy = 0; copy < beside; copy++) found.push(widest);
    }
    const usual = Math.max(...found) || 1;
    return this.keptToScreens(found.map((value) => (value > 0 ? value : usual / 2)));
  }

  /** The columns, so widened that none lies across the frames of a pair of portrait monitors. */
  keptToScreens(widths) {
    const [narrowest, widest] = TWO_SCREENS;
    const shape = window.innerWidth / window.innerHeight;
    if (widths.length % 2 || window.innerWidth < LEAST_OF_TWO_SCREENS || shape < narrowest || shape > widest) return widths;
    const { left, width } = this.grid.getBoundingClientRect();
    const middle = window.innerWidth / 2 - left;
    const half = widths.length / 2;
    const sum = (part) => part.reduce((total, value) => total + value, 0);
    const [first, second] = [sum(widths.slice(0, half)), sum(widths.slice(half))];
    return widths.map((value, index) => (index < half ? value / first * middle : value / second * (width - middle)));
  }

  /** Show or hide the earlier exam beside this one, view by view. */
  togglePrior() {
    if (!this.comparable) return;
    this.compare = !this.compare;
    this.arrange(this.layout, this.single);
  }

  /** Go `by` steps through the hanging. */
  next(by) { this.goTo((this.step + by + this.steps.length) % this.steps.length); }

  /** Show a step of the hanging, by its number. */
  goTo(number) {
    this.step = number;
    const step = this.steps[number];
    this.compare = Boolean(step.prior);
    this.arrange(step.layout, this.ports.find((port) => port.view === step.view));
    if (step.quadrant !== undefined) showQuadrant(this, step.quadrant);
  }

  /** first: "cc" or "mlo", the pair that hangs first. */
  hangFirst(first) {
    this.first = first;
    this.steps = stepsOf(this);
    this.goTo(0);
  }

  /** Hang all visible views at the same scale, chest walls flush with the middle. */
  hang() {
    const visible = this.visiblePorts();
    if (!visible.length) return;
    this.stage.engine.resize(true, true);
    this.deepest = Math.max(0, ...visible.map((port) => port.nippleDepth() || 0));
    const common = visible.filter((port) => !this.hasOwnScale(port));
    const scaleOf = (calibrated) => Math.max(...common.filter((port) => Boolean(port.spacing) === calibrated).map((port) => port.millimetresPerPixel()));
    const [calibrated, uncalibrated] = [scaleOf(true), scaleOf(false)]; // in mm and in pixels of the file a screen pixel: not comparable
    visible.forEach((port) => port.hang(this.hasOwnScale(port) ? port.millimetresPerPixel() : port.spacing ? calibrated : uncalibrated));
  }

  /** Whether a view on screen is a part of a breast, larger than the others, and so has a scale of its own. */
  hasOwnScale(port) { return this.layout === EXTRA && port.modifiers.some((modifier) => ENLARGED.includes(modifier)); }

  /** The loaded views that are on screen. */
  visiblePorts() { return this.ports.filter((port) => port.address && !port.element.hidden && port.loaded); }

  /** Whether the viewer is on screen: not while another page of the app is. */
  isShown() { return this.root.getClientRects().length > 0; }

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

  /** Give the movement of `port` to the other views; a prior always moves with its view, others only when linked. */
  syncCameras(port) {
    if (this.copying) return;
    this.copying = true;
    const movement = port.movement();
    const followers = this.visiblePorts().filter((other) => other !== port && other.hung && (this.linked || other.view === port.view));
    followers.forEach((other) => other.follow(movement));
    this.copying = false;
  }
}
