// The number of each finding beside its marks: in the air beside the breast where there is room, else beside the mark.
import { make } from './dom.js';

const SVG = 'http://www.w3.org/2000/svg';
const HEIGHT = 18; // CSS pixels
const GAP = 4;
const MOST_STEPS = 8; // up or down from the mark's height, to find a place in the air

/** The numbers on the pictures. onChoose: called with the number of the finding and the key of the mark that was clicked. */
export class Labels {
  constructor(room, onChoose) { Object.assign(this, { room, onChoose }); }

  /** Keep the numbers of a port's marks in place. */
  attach(port) {
    if (!port.canvas || port.role !== 'current') return;
    const { cs, tools } = this.room.stage;
    port.lines = document.createElementNS(SVG, 'svg');
    port.lines.setAttribute('class', 'leaders');
    port.element.append(port.lines);
    port.numbers = new Map(); // key of a mark -> its button
    for (const event of [cs.Enums.Events.IMAGE_RENDERED, tools.Enums.Events.ANNOTATION_RENDERED]) port.canvas.addEventListener(event, () => this.update(port));
    port.canvas.addEventListener(cs.Enums.Events.IMAGE_RENDERED, () => this.room.question.place());
    port.canvas.addEventListener('pointerleave', () => this.room.marks.leave());
  }

  updateAll() { this.room.ports.forEach((port) => { if (port.numbers) this.update(port); }); }

  update(port) {
    if (!port.loaded || port.element.hidden) return;
    const { marks } = this.room;
    const entries = marks.entries().filter((entry) => entry.port === port && marks.numbers.has(entry.annotation.annotationUID));
    const wanted = new Map(entries.map((entry) => [entry.annotation.annotationUID, entry]));
    for (const [key, button] of port.numbers) if (!wanted.has(key)) { button.remove(); port.numbers.delete(key); }
    port.lines.replaceChildren();
    const taken = [...port.element.querySelectorAll('.corner > *')].map((line) => inside(line, port.element));
    const boxes = entries.map((entry) => ({ ...entry, box: marks.onCanvas(entry) })).sort((a, b) => a.box[0][1] - b.box[0][1]);
    for (const { annotation, box } of boxes) this.put(port, annotation.annotationUID, box, taken);
  }

  put(port, key, box, taken) {
    const { marks } = this.room;
    const number = marks.numbers.get(key);
    const button = port.numbers.get(key) || this.addButton(port, key);
    const finding = marks.findingOf(key);
    button.textContent = String(number);
    button.title = finding ? [finding.kind === 'other' ? 'no BI-RADS kind' : finding.kind, ...Object.values(finding.values)].join(', ') : '';
    button.setAttribute('aria-label', `Finding ${number}, ${port.name}: ${button.title}`);
    button.classList.toggle('chosen', marks.chosen === number);
    const { clientWidth: across, clientHeight: down } = port.canvas;
    const [[left, top], [right, bottom]] = box;
    button.hidden = right < 0 || bottom < 0 || left > across || top > down; // the mark is out of the picture
    if (button.hidden) return;
    const spot = freeSpot(port, box, button.offsetWidth || HEIGHT, taken);
    Object.assign(button.style, { left: spot.left + 'px', top: spot.top + 'px' });
    taken.push(spot);
    if (spot.beside) addLeader(port.lines, spot, box);
  }

  addButton(port, key) {
    const button = make('button', 'mark-number');
    button.type = 'button';
    for (const event of ['pointerdown', 'dblclick']) button.addEventListener(event, (sent) => sent.stopPropagation());
    button.addEventListener('click', () => this.onChoose(this.room.marks.numbers.get(key), key));
    port.element.append(button);
    port.numbers.set(key, button);
    return button;
  }
}

/** A rectangle of an element inside another one: {left, top, right, bottom}. */
function inside(element, parent) {
  const [rect, outer] = [element.getBoundingClientRect(), parent.getBoundingClientRect()];
  return { left: rect.left - outer.left, top: rect.top - outer.top, right: rect.right - outer.left, bottom: rect.bottom - outer.top };
}

/**
 * Where the number of a mark goes: in the air at the mark's height, or as near to that height as there is room; where
 * the viewport shows no air, beside the mark. -> {left, top, right, bottom, beside}
 */
function freeSpot(port, box, width, taken) {
  const { clientWidth: across, clientHeight: down } = port.canvas;
  const middle = (box[0][1] + box[1][1]) / 2 - HEIGHT / 2;
  const rectangle = (left, top, beside) => ({ left, top, right: left + width, bottom: top + HEIGHT, beside });
  const free = (spot) => spot.left >= 0 && spot.right <= across && spot.top >= 0 && spot.bottom <= down && !taken.some((other) => touches(spot, other));
  for (let step = 0; step <= MOST_STEPS; step++) {
    for (const sign of step ? [1, -1] : [1]) {
      const top = Math.min(down - HEIGHT, Math.max(0, middle + sign * step * (HEIGHT + 2)));
      const edge = skinAt(port, top, top + HEIGHT);
      if (edge === undefined) continue;
      const spot = rectangle(port.chestWall === 'right' ? edge - GAP - width : edge + GAP, top, true);
      if (free(spot) && !touches(spot, { left: box[0][0], top: box[0][1], right: box[1][0], bottom: box[1][1] })) return spot;
    }
  }
  const sides = [rectangle(box[1][0] + GAP, middle), rectangle(box[0][0] - GAP - width, middle), rectangle(box[0][0], box[0][1] - GAP - HEIGHT), rectangle(box[0][0], box[1][1] + GAP)];
  return sides.find(free) || rectangle(clamp(box[1][0] + GAP, across - width), clamp(middle, down - HEIGHT));
}

function clamp(value, most) { return Math.min(most, Math.max(0, value)); }

function touches(a, b) { return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom; }

/** Where the skin ends on the nipple's side between two heights of the canvas, in CSS pixels from its left; undefined without an outline. */
function skinAt(port, top, bottom) {
  if (!port.breast_rows) return undefined;
  const wall = port.chestWall === 'right';
  const row = (height) => Math.floor((port.viewport.canvasToWorld([0, height])[1] / port.unit[0] + 0.5) / port.row_step);
  const spans = port.breast_rows.slice(Math.max(0, row(top)), Math.max(0, row(bottom) + 1)).filter(Boolean);
  const edges = spans.map((span) => port.viewport.worldToCanvas([((wall ? span[0] : span[1]) - 0.5) * port.unit[1], 0, 0])[0]);
  if (!edges.length) return port.viewport.worldToCanvas([wall ? port.extent().right : port.extent().left, 0, 0])[0];
  return wall ? Math.min(...edges) : Math.max(...edges);
}

/** A thin line from a number in the air to the nearest edge of its mark. */
function addLeader(layer, spot, [[left, top], [right, bottom]]) {
  const within = (value, low, high) => Math.min(high, Math.max(low, value));
  const [x, y] = [within((spot.left + spot.right) / 2, left, right), within((spot.top + spot.bottom) / 2, top, bottom)];
  const ends = { x1: within(x, spot.left, spot.right), y1: within(y, spot.top, spot.bottom), x2: x, y2: y };
  const line = document.createElementNS(SVG, 'line');
  for (const [name, value] of Object.entries(ends)) line.setAttribute(name, value);
  layer.append(line);
}
