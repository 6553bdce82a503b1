// The question at a mark that was drawn: what it is, and the words that describe it. Beside the mark, never over it.
import { make } from './dom.js';

const GAP = 12; // CSS pixels between a mark and the question
const DIGITS = '123456789';
const UNNAMED = 'other';

export class MarkQuestion {
  /** labels: the kinds of findings. descriptors: [{name, title, kind, choices}]. onEdit: called with the edit of a finding. */
  constructor(room, labels, descriptors, onEdit) {
    Object.assign(this, { room, labels, descriptors, onEdit });
    this.waiting = []; // edits of marks that have no number yet: [{key, edit}]
  }

  /** Ask about a mark, by its key; the focus goes to the first row that has no answer. */
  ask(key) {
    this.close();
    if (this.room.marks.locked) return;
    Object.assign(this, { key, given: {} });
    this.element = make('div', 'mark-question');
    this.element.setAttribute('role', 'dialog');
    this.element.addEventListener('keydown', (event) => this.pressKey(event));
    for (const event of ['pointerdown', 'dblclick', 'wheel']) this.element.addEventListener(event, (sent) => sent.stopPropagation());
    this.room.root.append(this.element);
    this.row = this.firstOpenRow();
    this.render();
    this.focusRow();
  }

  /** Close the question; the focus goes back to the picture where it was in the question. */
  close() {
    if (!this.element) return;
    const entry = this.entry();
    const focused = this.element.contains(document.activeElement);
    this.element.remove();
    this.element = this.key = undefined;
    if (focused && entry) entry.port.element.focus({ preventScroll: true });
  }

  entry() { return this.room.marks.entries().find(({ annotation }) => annotation.annotationUID === this.key); }

  /** After marks or numbers changed: what was answered meanwhile is sent once the mark has its number. */
  refresh() {
    const numbered = ({ key }) => this.room.marks.findingOf(key);
    const ready = this.waiting.filter(numbered);
    this.waiting = this.waiting.filter((one) => !numbered(one) && this.room.marks.whole.has(one.key));
    ready.forEach((one) => this.onEdit({ ...one.edit, finding: numbered(one).number }));
    if (!this.element) return;
    if (!this.entry() || this.room.marks.locked) { this.close(); return; }
    const focused = this.element.contains(document.activeElement);
    const name = document.activeElement?.dataset.option;
    this.render();
    if (focused) (this.element.querySelector(`[data-option="${CSS.escape(name || '')}"]`) || this.element).focus();
  }

  value(name) {
    const finding = this.room.marks.findingOf(this.key);
    return this.given[name] ?? (name === 'kind' ? finding?.kind : finding?.values[name]) ?? '';
  }

  rows() {
    const kind = this.value('kind');
    return [{ name: 'kind', title: 'Kind', choices: this.labels }, ...this.descriptors.filter((row) => row.kind === kind)];
  }

  isOpen({ name }) { return name === 'kind' ? this.value('kind') === UNNAMED || !this.value('kind') : !this.value(name) || this.value(name) === name; }

  firstOpenRow() { return Math.max(0, this.rows().findIndex((row) => this.isOpen(row))); }

  /** Answer a row; a descriptor that is pressed again is taken back. After the last row the question closes. */
  answer(row, choice) {
    const value = !this.isOpen(row) && row.name !== 'kind' && this.value(row.name) === choice ? '' : choice;
    this.given[row.name] = value;
    this.send(row.name === 'kind' ? { do: 'name', value } : { do: 'describe', field: row.name, value });
    const rows = this.rows();
    this.row = rows.findIndex((other) => other.name === row.name) + 1;
    if (this.row >= rows.length) { this.close(); return; }
    this.render();
    this.focusRow();
  }

  send(edit) {
    const finding = this.room.marks.findingOf(this.key);
    if (finding) this.onEdit({ ...edit, finding: finding.number });
    else this.waiting.push({ key: this.key, edit });
  }

  link(into) {
    this.send({ do: 'link', into });
    this.close();
  }

  /** The findings of this breast that the mark may show too; those that are not marked on its view first. */
  others() {
    const { port } = this.entry() || {};
    const number = this.room.marks.numbers.get(this.key);
    const breast = port?.view.startsWith('R') ? 'right' : 'left';
    const elsewhere = (finding) => !finding.views.includes(port.view);
    return this.room.marks.findings.filter((finding) => finding.breast === breast && finding.number !== number)
      .sort((a, b) => elsewhere(b) - elsewhere(a) || b.number - a.number);
  }

  render() {
    const { port } = this.entry();
    const number = this.room.marks.numbers.get(this.key);
    const head = make('div', 'head', `${number === undefined ? 'New finding' : `Finding ${number}`}, ${port.name}`);
    const close = this.button('×', 'close', () => this.close());
    close.title = 'close (Esc)';
    close.setAttribute('aria-label', 'Close');
    head.append(close);
    this.element.setAttribute('aria-label', head.firstChild.textContent);
    this.element.tabIndex = -1;
    this.element.replaceChildren(head, ...this.sameAs(), ...this.rows().map((row, index) => this.renderRow(row, index === this.row)));
    this.place();
  }

  sameAs() {
    const others = this.others();
    if (!others.length) return [];
    const group = this.group('Same finding as');
    others.forEach((finding, index) => {
      const name = `${finding.number} ${finding.kind === UNNAMED ? '' : finding.kind}`.trim();
      const button = this.button(name, `same-${finding.number}`, () => this.link(finding.number), index ? '' : 's');
      button.title = [name, ...Object.values(finding.values), finding.views.map((view) => view.replace('_', ' ')).join(', ')].join(', ');
      group.lastChild.append(button);
    });
    return [group];
  }

  renderRow(row, current) {
    const group = this.group(row.title);
    group.classList.toggle('current', current);
    group.lastChild.setAttribute('role', 'radiogroup');
    group.lastChild.setAttribute('aria-label', row.title);
    const value = this.value(row.name);
    const given = row.name === 'kind' ? this.given.kind ?? (value === UNNAMED ? '' : value) : value;
    row.choices.forEach((choice, index) => {
      const button = this.button(choice, `${row.name}-${choice}`, () => this.answer(row, choice), current ? DIGITS[index] : '');
      button.setAttribute('role', 'radio');
      button.setAttribute('aria-checked', String(given === choice));
      group.lastChild.append(button);
    });
    return group;
  }

  group(title) {
    const group = make('div', 'row');
    group.append(make('span', 'title', title), make('div', 'options'));
    return group;
  }

  button(text, option, onClick, key = '') {
    const button = make('button', '', text);
    button.type = 'button';
    button.dataset.option = option;
    if (key) {
      button.dataset.key = key;
      button.prepend(make('kbd', '', key));
    }
    button.addEventListener('click', onClick);
    return button;
  }

  focusRow() {
    const row = this.element.querySelector('.row.current');
    (row?.querySelector('[aria-checked=true]') || row?.querySelector('button') || this.element).focus({ preventScroll: true });
  }

  /** Digits choose in the row that is asked now, arrows move, Esc closes; other keys are the room's. */
  pressKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { key } = event;
    const rows = [...this.element.querySelectorAll('.row')];
    const options = [...this.element.querySelectorAll('.row button')];
    const focused = document.activeElement;
    const row = rows.findIndex((one) => one.contains(focused));
    const move = (target) => target?.focus();
    const actions = {
      Escape: () => this.close(),
      Enter: () => (options.includes(focused) || focused.dataset.option === 'close' ? focused.click() : this.close()),
      ' ': () => focused.click(),
      ArrowRight: () => move(options[(options.indexOf(focused) + 1) % options.length]),
      ArrowLeft: () => move(options[(options.indexOf(focused) - 1 + options.length) % options.length]),
      ArrowDown: () => move(rows[row + 1]?.querySelector('button')),
      ArrowUp: () => move(rows[row - 1]?.querySelector('button')),
    };
    const choice = this.element.querySelector(`[data-key="${CSS.escape(key)}"]`);
    const action = actions[key] || (choice && (() => choice.click())) || (/^[0-9]$/.test(key) && (() => {})); // no digit is the room's here
    if (!action) return;
    event.preventDefault();
    event.stopPropagation();
    if (!event.repeat || key.startsWith('Arrow')) action();
  }

  /** Put the question beside its mark: where it fits among the pictures without covering this mark, and others if it can. */
  place() {
    if (!this.element) return;
    const entry = this.entry();
    if (!entry || entry.port.element.hidden) { this.close(); return; }
    const room = this.room.root.getBoundingClientRect();
    const area = this.room.grid.getBoundingClientRect();
    const onPage = (one) => {
      const canvas = one.port.canvas.getBoundingClientRect();
      const [[left, top], [right, bottom]] = this.room.marks.onCanvas(one);
      return { left: canvas.left + left, top: canvas.top + top, right: canvas.left + right, bottom: canvas.top + bottom };
    };
    const mark = onPage(entry);
    const others = this.room.marks.entries().filter((one) => one.annotation !== entry.annotation && !one.port.element.hidden).map(onPage);
    const { left, top } = bestPlace(mark, others, area, [this.element.offsetWidth, this.element.offsetHeight], entry.port.chestWall === 'right');
    Object.assign(this.element.style, { left: left - room.left + 'px', top: top - room.top + 'px' });
  }
}

/** The place in `area` for a box of a size beside a mark: -> {left, top}. airLeft: the air of the picture is at its left. */
function bestPlace(mark, others, area, [width, height], airLeft) {
  const within = (value, low, high) => Math.max(low, Math.min(high, value));
  const y = within((mark.top + mark.bottom - height) / 2, area.top, area.bottom - height);
  const x = within((mark.left + mark.right - width) / 2, area.left, area.right - width);
  const [before, after] = [{ left: mark.left - GAP - width, top: y }, { left: mark.right + GAP, top: y }];
  const [above, below] = [{ left: x, top: mark.top - GAP - height }, { left: x, top: mark.bottom + GAP }];
  const places = [...(airLeft ? [before, after] : [after, before]), below, above];
  const corners = [area.left, area.right - width].flatMap((left) => [area.top, area.bottom - height].map((top) => ({ left, top })));
  const fits = ({ left, top }) => left >= area.left && left + width <= area.right && top >= area.top && top + height <= area.bottom;
  const covered = (place, rect) => Math.max(0, Math.min(place.left + width, rect.right) - Math.max(place.left, rect.left) + 1) * Math.max(0, Math.min(place.top + height, rect.bottom) - Math.max(place.top, rect.top) + 1);
  const cost = (place, index) => 1e6 * covered(place, mark) + others.filter((rect) => covered(place, rect) > 0).length * 10 + index;
  const possible = [...places.filter(fits), ...corners];
  const costs = possible.map(cost);
  return possible[costs.indexOf(Math.min(...costs))];
}
