// Marks of other programs over the pictures, once the reader has asked for them: shapes in a style of their own, with the
// letter of their source, and what each source says in words of each view. They are no findings of the reader.
import { make, makeButton, openDialog, say } from './dom.js';

const SVG = 'http://www.w3.org/2000/svg';
const POINT_RADIUS = 7; // CSS pixels
const EDGE = 8; // CSS pixels to the pane's edges
const MOST_LETTERS = 40; // of a text at a mark
const MOST_OF_NAME = 28; // letters of a source's name in a view; the list has all of it
const NONE_HERE = 'No marks of other programs lay beside these files. A stored exam keeps none: open its files.';

export class OthersMarks {
  /** ask: called where the reader asks for marks that the server has not sent yet. */
  constructor(room, ask) { Object.assign(this, { room, ask, visible: false }); }

  /** What the server says of the open exam: {objects, shown}; undefined where it is of another one. */
  get told() {
    const { others } = this.room.props;
    return others && this.room.exam && others.exam === this.room.exam ? others : undefined;
  }

  /** How many objects of other programs lay beside the files. */
  get objects() { return this.told ? this.told.objects : 0; }

  /** What they show, once it was asked for. */
  get shown() { return this.told ? this.told.shown : undefined; }

  /** Show the marks, or hide them again. */
  toggle() {
    if (!this.objects) { say(NONE_HERE); return; }
    if (!this.shown) { this.asked = this.room.exam; this.ask(); return; }
    this.visible = !this.visible;
    this.draw();
    if (this.visible) this.showList();
  }

  /** The server has told something else of the marks: what it does not show any more goes away. */
  refresh() {
    if (!this.shown) this.visible = false;
    else if (this.asked === this.room.exam) {
      [this.visible, this.asked] = [true, undefined];
      this.showList();
    }
    this.draw();
  }

  /** Draw everything anew, on every view. */
  draw() {
    this.room.bar?.update();
    this.room.ports.forEach((port) => this.drawOn(port));
  }

  /** Draw what lies on a view, where it is now; after each movement. */
  drawOn(port) {
    if (!port.viewport) return;
    const shown = this.visible && this.shown;
    if (!shown || !port.loaded) {
      port.others?.layer.remove();
      port.others?.words.remove();
      port.others = undefined;
      return;
    }
    port.others ||= attach(port);
    const marks = shown.marks.filter((mark) => mark.address === port.address);
    port.others.layer.replaceChildren(...marks.flatMap((mark, number) => shapesOf(port, mark, number)));
    if (port.others.told !== shown) port.others.words.replaceChildren(...shown.sources.flatMap((source) => wordsOf(source, port, shown, marks)));
    port.others.told = shown;
    placeWords(port);
  }

  /** The sources of the marks, and what of each is not shown. */
  showList() {
    this.room.root.querySelector('.sheet')?.remove();
    const sheet = openDialog(this.room.root, 'Marks of other programs');
    sheet.append(make('h2', '', 'Marks of other programs'));
    for (const { letter, file, kind, name, marks, told } of this.shown.sources) {
      const entry = make('div', 'source');
      entry.append(make('b', '', letter), make('span', '', `${name || 'a program that the file does not name'}: ${kind}, ${marks} mark${marks === 1 ? '' : 's'} (${file})`));
      for (const line of told) entry.append(make('span', 'untold', `Not shown: ${line}`));
      sheet.append(entry);
    }
    sheet.append(make('p', '', 'They are no findings of yours, and nothing of them is stored. That you have seen them is kept with your read.'));
    const [hide, close] = [makeButton('Hide the marks', () => { this.toggle(); sheet.remove(); }), makeButton('Close', () => sheet.remove())];
    sheet.append(hide, close);
    close.focus();
  }
}

function attach(port) {
  const layer = document.createElementNS(SVG, 'svg');
  layer.setAttribute('class', 'others');
  const words = make('div', 'others-words');
  port.element.append(layer, words);
  return { layer, words };
}

/** The elements of a mark, each line twice: dark below, so that it is seen on bright tissue too. data-number: of the mark itself. */
function shapesOf(port, mark, number) {
  const places = mark.points.map((point) => port.viewport.worldToCanvas(port.fileToWorld(point)));
  const across = places.map(([x]) => x);
  const down = places.map(([, y]) => y);
  const label = mark.text && mark.shape === 'text' ? `${mark.source}: ${shortened(mark.text)}` : mark.source;
  const text = svg('text', mark.shape === 'text' ? { x: across[0], y: down[0] } : { x: Math.max(...across) + 4, y: Math.max(...down) + 4 }, label);
  if (mark.shape === 'text') {
    text.dataset.number = number;
    return [text];
  }
  const [tag, attributes] = mark.shape === 'point'
    ? ['circle', { cx: across[0], cy: down[0], r: POINT_RADIUS }]
    : [mark.shape === 'line' ? 'polyline' : 'polygon', { points: places.map((place) => place.join(',')).join(' ') }];
  return [svg(tag, { ...attributes, class: 'ground' }), svg(tag, { ...attributes, 'data-number': number }), text];
}

function svg(tag, attributes, text) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text) node.textContent = text;
  return node;
}

function shortened(text, most = MOST_LETTERS) { return text.length > most ? `${text.slice(0, most - 1)}…` : text; }

/** What a source says of a view: in words, and of its marks there. */
function wordsOf({ letter, name }, port, shown, marks) {
  const said = shown.statements.filter((one) => one.source === letter && one.address === port.address).map((one) => one.text);
  const own = marks.filter((mark) => mark.source === letter);
  if (!said.length && !own.length) return [];
  const texts = new Set(own.filter((mark) => mark.shape !== 'text' && mark.text).map((mark) => mark.text));
  const lines = [texts.size ? `marked: ${[...texts].join(' / ')}` : '', ...said].filter(Boolean); // first, so that none reads as "not attempted"
  if (!lines.length) lines.push(`${own.length} mark${own.length === 1 ? '' : 's'}`);
  const entry = make('div', '');
  entry.append(make('b', '', `${letter} ${shortened(name || 'unnamed program', MOST_OF_NAME)}: `), lines.join('. '));
  return [entry];
}

/** The words stand at the chest wall, over the model's scores, and over the lower text where there is no room beside it. */
function placeWords({ corners, badge, canvas, others: { words } }) {
  const above = badge.textContent ? parseFloat(badge.style.bottom) + badge.offsetHeight : 0;
  const beside = words.offsetWidth + corners.low.offsetWidth + 3 * EDGE <= canvas.clientWidth;
  words.style.bottom = Math.max(above, beside ? 0 : corners.low.offsetHeight + EDGE) + EDGE + 'px';
}
