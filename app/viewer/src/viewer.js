// The reading room: Cornerstone3D viewports that hang as mammograms hang. Texts are set with textContent only.
import { mountToolbar } from './toolbar.js';
import { prepare, LEFT_TOOLS } from './stage.js';
import { Port } from './port.js';
import { hideCross } from './cross.js';
import { LAYOUTS, PROTOCOL } from './hanging.js';
import { Marks } from './marks.js';
import { trueSize } from './truesize.js';

export async function mount(root, props, watch, report) {
  const stage = await prepare();
  const room = new Room(root, stage, props);
  root.room = room; // for the browser tests
  room.marks = new Marks(room, (marks) => report({ exam: room.exam, marks }));
  watch('value', () => room.open(props.value));
  watch('maps', () => room.lay(props.maps || {}));
  watch('badges', () => room.score(props.badges || {}));
  await room.open(props.value);
  return room;
}

class Room {
  constructor(root, stage, props) {
    Object.assign(this, { root, stage, props, ports: [], layout: 'four', tool: 'window', linked: true, align: '', compare: false, step: 0, turn: 0 });
    this.resized = new ResizeObserver(() => this.hang());
    root.addEventListener('keydown', (event) => this.key(event));
  }

  async open(value) {
    const turn = ++this.turn; // a later exam wins, whatever arrives first
    this.resized.disconnect();
    this.ports.forEach((port) => port.close());
    this.ports = [];
    this.root.replaceChildren();
    this.root.classList.remove('plain');
    const given = (value && value.ports) || [];
    this.exam = (value && value.exam) || '';
    this.marks.drawing = true;
    this.marks.clear();
    if (!given.length) {
      this.root.append(make('p', 'hint', 'No exam is open. Drop files on the right, or open a demo exam.'));
      return;
    }
    this.comparable = given.some((port) => port.role === 'prior' && port.address);
    this.compare = this.compare && this.comparable;
    this.bar = mountToolbar(this);
    this.grid = make('div', 'four-up');
    const extras = make('div', 'extra-views');
    this.root.append(this.bar.element, this.grid, extras);
    this.ports = given.map((port, index) => new Port(port, index, port.role === 'extra' ? extras : this.grid, this));
    this.arrange(this.layout in LAYOUTS ? this.layout : 'four', this.ports.find((port) => port.address));
    this.resized.observe(this.grid);
    const shown = this.ports.filter((port) => port.address && (port.role !== 'prior' || this.compare));
    await Promise.all(shown.map((port) => port.load('preview')));
    if (turn !== this.turn) return;
    this.hang();
    await Promise.all(shown.map((port) => port.load('full')));
    if (turn !== this.turn) return;
    this.marks.draw(value.marks);
    this.lay(this.props.maps || {});
    this.score(this.props.badges || {});
  }

  /** Which viewports are on screen, and how. `one`: the port of the layouts that show a single breast or view. */
  arrange(layout, one) {
    this.layout = layout;
    const wanted = LAYOUTS[layout];
    const main = this.ports.filter((port) => port.role === 'current');
    const priors = this.ports.filter((port) => port.role === 'prior');
    const chosen = one || this.active || main[0];
    const current = layout === 'single' ? [main.find((port) => port.view === chosen.view) || chosen] : main.filter((port) => wanted.shows(port));
    const seen = [...current, ...priors.filter((port) => this.compare && current.some((other) => other.view === port.view))];
    for (const port of [...main, ...priors]) {
      port.element.hidden = !seen.includes(port);
      const outward = port.role === 'prior' ? (port.chestWall === 'right' ? -1 : 1) : 0; // the prior hangs on the far side
      port.element.style.order = 10 * main.findIndex((other) => other.view === port.view) + outward;
    }
    const columns = Math.min(2, current.length) * (seen.length > current.length ? 2 : 1);
    this.grid.style.gridTemplateColumns = `repeat(${columns}, minmax(0, 1fr))`;
    this.grid.className = 'four-up ' + (current.length <= 2 ? 'rows-1' : '');
    this.bar.update();
    this.hang();
  }

  /** The earlier exam beside this one, view by view; its pixels are fetched when it is first asked for. */
  async hangPrior() {
    if (!this.comparable) return;
    this.compare = !this.compare;
    this.arrange(this.layout, this.active);
    const { turn } = this;
    const waiting = this.ports.filter((port) => this.compare && port.role === 'prior' && port.address && !port.loaded);
    for (const quality of ['preview', 'full']) {
      await Promise.all(waiting.map((port) => port.load(quality)));
      if (turn !== this.turn) return;
      if (quality === 'preview') this.hang();
    }
  }

  next(by) {
    this.step = (this.step + by + PROTOCOL.length) % PROTOCOL.length;
    const step = PROTOCOL[this.step];
    this.arrange(step.layout, this.ports.find((port) => port.view === step.view));
  }

  /** All shown views at the same millimetres a screen pixel, chest walls flush with the middle. */
  hang() {
    const seen = this.seen();
    if (!seen.length) return;
    this.stage.engine.resize(true, true);
    this.deepest = Math.max(0, ...seen.map((port) => port.nippleDepth() || 0));
    const scale = Math.max(...seen.map((port) => port.millimetresAPixel()));
    seen.forEach((port) => port.hang(scale));
    this.ports.filter((port) => port.role === 'extra' && port.address).forEach((port) => port.hang(port.millimetresAPixel()));
  }

  /** The views of this exam and its prior that are on screen. */
  seen() { return this.ports.filter((port) => port.role !== 'extra' && port.address && !port.element.hidden && port.loaded); }

  lay(maps) { this.ports.forEach((port) => port.lay(port.role === 'current' ? maps[port.view] : undefined)); }

  score(badges) { this.ports.forEach((port) => port.score(port.role === 'current' ? badges[port.view] : '')); }

  use(tool) { this.tool = tool; this.stage.use(tool); this.bar.update(); }

  each(action) { (this.linked ? this.seen() : [this.active || this.seen()[0]]).filter(Boolean).forEach(action); }

  key(event) {
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
    action.does(this);
  }

  moved(port) {
    if (this.copying || port.role === 'extra') return;
    this.copying = true;
    const { pan, zoom } = port.relative(); // a prior always goes with its view, the other views only when linked
    this.seen().filter((other) => other !== port && (this.linked || other.view === port.view)).forEach((other) => other.follow(pan, zoom, other.chestWall !== port.chestWall));
    this.copying = false;
  }
}

const ALIGNMENTS = ['', 'line', 'nipple'];

export const KEYS = {
  1: { says: 'all four views', does: (room) => room.arrange('four') },
  2: { says: 'both CC', does: (room) => room.arrange('cc') },
  3: { says: 'both MLO', does: (room) => room.arrange('mlo') },
  4: { says: 'right breast', does: (room) => room.arrange('right') },
  5: { says: 'left breast', does: (room) => room.arrange('left') },
  6: { says: 'this view alone', does: (room) => room.arrange('single', room.active) },
  n: { says: 'next step of the reading protocol', does: (room) => room.next(1) },
  p: { says: 'previous step', does: (room) => room.next(-1) },
  f: { says: 'fit, chest walls flush', does: (room) => room.hang() },
  y: { says: 'the earlier exam beside this one, where the files hold one', does: (room) => room.hangPrior() },
  j: { says: 'align the views: at the posterior line (nipples level), at the nipple itself (estimated), or fit them again', does: (room) => { room.align = ALIGNMENTS[(ALIGNMENTS.indexOf(room.align) + 1) % 3]; room.bar.update(); room.hang(); } },
  u: { says: 'true size (once for each screen: hold a card against it)', does: (room) => trueSize(room) },
  o: { says: '1:1 pixels', does: (room) => room.each((port) => port.oneToOne()) },
  q: { says: 'next part of this view at 1:1', does: (room) => (room.active || room.seen()[0]).nextPart() },
  i: { says: 'invert', does: (room) => room.each((port) => port.invert()) },
  v: { says: 'next window or VOI LUT of the file', does: (room) => room.each((port) => port.nextWindow()) },
  r: { says: 'reset window and position', does: (room) => { room.seen().forEach((port) => port.reset()); room.hang(); } },
  k: { says: 'link or unlink zoom and pan', does: (room) => { room.linked = !room.linked; room.bar.update(); } },
  t: { says: 'corner texts on or off', does: (room) => { room.root.classList.toggle('quiet'); room.bar.update(); } },
  h: { says: 'hide or show all that the model says: map, scores, answers', does: (room) => { room.hideMaps = document.body.classList.toggle('without-model'); room.lay(room.props.maps || {}); room.bar.update(); } },
  e: { says: 'show the pointed spot in the other views', does: (room) => { room.crossing = !room.crossing; if (!room.crossing) hideCross(room); room.bar.update(); } },
  Delete: { says: 'delete the mark or measurement under the pointer (Ctrl+Z and Ctrl+Y: undo and redo)', does: (room) => room.stage.removeSelected() },
  '?': { says: 'this list', does: (room) => room.bar.sheet() },
};
Object.entries(LEFT_TOOLS).forEach(([name, tool]) => { KEYS[tool.key] = { says: tool.says, does: (room) => room.use(name) }; });

export function make(tag, name, content) {
  const node = document.createElement(tag);
  node.className = name;
  if (content !== undefined) node.textContent = content;
  return node;
}
