// Boxes, points and freehand regions: converted from Cornerstone's annotations to pixels of the file, and back.
import { MARK_KINDS } from './stage.js';

const REPORT_DELAY_MS = 250;
const SPECK_PIXELS = 3; // of the screen: a mark that small is a click
const NOT_KEPT = 'not kept: only the views of this exam can be marked';
const SAME_PLACE_PIXELS = 0.011; // of the file: the server rounds
const UNNAMED = 'other'; // a mark whose kind nobody has given
const CHOSEN_STYLE = { color: 'rgb(255, 157, 46)', lineWidth: '2' };

/** The corners [[left, top], [right, bottom]] around points. */
export function boundingBox(points) {
  const [columns, rows] = [points.map((point) => point[0]), points.map((point) => point[1])];
  return [[Math.min(...columns), Math.min(...rows)], [Math.max(...columns), Math.max(...rows)]];
}

export class Marks {
  /**
   * onChange: called with {before, marks, change} shortly after the reader changed marks; `change` counts these calls.
   * onDrawn: called with the key of each mark that the reader has drawn. onShown: called after marks or numbers changed.
   */
  constructor(room, { onChange, onDrawn, onShown }) {
    Object.assign(this, { room, onChange, onDrawn, onShown, drawing: true });
    this.forget();
    const { cs, tools } = room.stage;
    const { ANNOTATION_COMPLETED, ANNOTATION_MODIFIED, ANNOTATION_REMOVED } = tools.Enums.Events;
    // the tool ends its own work after the event
    cs.eventTarget.addEventListener(ANNOTATION_COMPLETED, (event) => setTimeout(() => this.completed(event.detail.annotation)));
    cs.eventTarget.addEventListener(ANNOTATION_MODIFIED, (event) => { if (this.whole.has(event.detail.annotation.annotationUID)) this.changed(); });
    cs.eventTarget.addEventListener(ANNOTATION_REMOVED, (event) => { if (this.whole.delete(event.detail.annotation.annotationUID)) this.changed(); });
    document.addEventListener('pointerdown', () => { this.pressed = true; }, true);
    // what is done beside the pictures, as undo or sign, follows what was done on them
    document.addEventListener('click', (event) => { if (!room.root.contains(event.target)) this.flush(); }, true);
    for (const end of ['pointerup', 'pointercancel']) document.addEventListener(end, () => this.released(), true);
  }

  /** Forget everything of the exam before; its annotations are removed. */
  forget() {
    clearTimeout(this.timer);
    Object.assign(this, { shown: [], timer: 0, change: 0, numbers: new Map(), whole: new Set(), findings: [], locked: false, chosen: undefined, waiting: undefined });
  }

  /** A mark was drawn to its end: it is reported at once, so that it gets its number. */
  completed(annotation) {
    const kind = MARK_KINDS[annotation.metadata.toolName];
    const key = annotation.annotationUID;
    if (!kind || this.whole.has(key) || !this.room.stage.tools.annotation.state.getAnnotation(key)) return;
    const port = this.portOf(annotation);
    if (!port) this.room.ports.find((other) => other.imageId === annotation.metadata.referencedImageId).readout.textContent = NOT_KEPT;
    if (!port || this.isSpeck({ annotation, port })) { this.remove(annotation); return; }
    annotation.data.label = UNNAMED;
    this.whole.add(key);
    this.report();
    this.onShown();
    this.onDrawn(key);
  }

  /** Whether hardly anything of a mark lies on the picture: a click with the box tool, or a mark beside the picture. */
  isSpeck(entry) {
    const { port } = entry;
    const mark = this.describe(entry);
    const inside = mark.points.map(([column, row]) => [Math.min(port.columns, Math.max(0, column)), Math.min(port.rows, Math.max(0, row))]);
    if (mark.kind === 'point') return Math.hypot(inside[0][0] - mark.points[0][0], inside[0][1] - mark.points[0][1]) > 1;
    const [[left, top], [right, bottom]] = boundingBox(inside.map((spot) => port.viewport.worldToCanvas(port.fileToWorld(spot))));
    return Math.max(right - left, bottom - top) < SPECK_PIXELS || Math.min(right - left, bottom - top) <= 0;
  }

  changed() {
    if (this.drawing) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => (this.pressed ? this.changed() : this.report()), REPORT_DELAY_MS); // not while it is dragged
    this.onShown();
  }

  /** The pointer was released: what waited for it is reported or drawn. */
  released() {
    this.pressed = false;
    setTimeout(() => { if (this.waiting) this.draw(this.waiting); });
  }

  /** Report a change that waits to be reported; before other marks or another exam are drawn. */
  flush() { if (this.timer) this.report(); }

  /** before: the marks at the last report or drawing, so that only what the reader changed since is saved. */
  report() {
    clearTimeout(this.timer);
    this.timer = 0;
    const before = this.shown;
    this.shown = this.all();
    if (JSON.stringify(before) === JSON.stringify(this.shown)) return;
    this.change += 1;
    this.onChange({ before, marks: this.shown, change: this.change });
  }

  /** The port of an annotation, where it lies on a view of the open exam. */
  portOf(annotation) {
    return this.room.ports.find((port) => port.imageId && port.imageId === annotation.metadata.referencedImageId && port.view && port.role === 'current');
  }

  /** [{annotation, port}] of every whole mark of the open exam. */
  entries() {
    return this.room.stage.tools.annotation.state.getAllAnnotations()
      .filter((annotation) => this.whole.has(annotation.annotationUID))
      .map((annotation) => ({ annotation, port: this.portOf(annotation) }))
      .filter(({ port }) => port);
  }

  /** [{id, finding, view, kind, label, points: [[column, row], ...]}] of the open exam, in pixels of each file. */
  all() {
    return this.entries().map((entry) => this.describe(entry)).filter((mark) => mark.points.length && mark.points.flat().every(Number.isFinite));
  }

  describe({ annotation, port }) {
    const kind = MARK_KINDS[annotation.metadata.toolName];
    const world = kind === 'region' ? annotation.data.contour.polyline : annotation.data.handles.points;
    const spots = world.map((point) => port.worldToFile(point));
    return {
      id: annotation.annotationUID, finding: this.numbers.get(annotation.annotationUID) ?? null, view: port.view, kind,
      label: annotation.data.label || UNNAMED, points: kind === 'box' ? boundingBox(spots) : spots,
    };
  }

  /** The corners of a mark on its port's canvas, in CSS pixels: [[left, top], [right, bottom]]. */
  onCanvas({ annotation, port }) {
    const kind = MARK_KINDS[annotation.metadata.toolName];
    const world = kind === 'region' ? annotation.data.contour.polyline : annotation.data.handles.points;
    return boundingBox(world.map((point) => port.viewport.worldToCanvas(point)));
  }

  /** The marks of a finding: [{annotation, port}]. */
  ofFinding(number) { return this.entries().filter(({ annotation }) => this.numbers.get(annotation.annotationUID) === number); }

  /** The finding of a mark as the server describes it; undefined until it has a number. */
  findingOf(key) { return this.findings.find((finding) => finding.number === this.numbers.get(key)); }

  /**
   * Show the stored marks of this exam: {marks, findings, locked, change}. A mark that is on screen stays the same one.
   * Marks as they were before the reader's last report are not drawn: the answer to that report follows.
   */
  draw(stored) {
    this.waiting = this.pressed ? stored : undefined;
    if (this.pressed) return;
    this.flush();
    if (stored.change !== undefined && stored.change < this.change) return;
    this.drawing = true;
    const left = new Map(this.entries().map((entry) => [entry.annotation.annotationUID, entry]));
    const wanted = (stored.marks || []).map((mark) => ({ mark, entry: left.get(mark.id) }));
    wanted.forEach(({ entry }) => { if (entry) left.delete(entry.annotation.annotationUID); });
    for (const want of wanted) {
      want.entry = want.entry || [...left.values()].find((entry) => isAt(this.describe(entry), want.mark));
      if (want.entry) left.delete(want.entry.annotation.annotationUID);
      this.show(want.mark, want.entry);
    }
    left.forEach((entry, key) => { this.whole.delete(key); this.remove(entry.annotation); });
    Object.assign(this, { findings: stored.findings || [], locked: Boolean(stored.locked) });
    this.choose(this.chosen);
    this.drawing = false;
    this.shown = this.all();
    this.onShown();
  }

  /** Bring a mark on screen (entry), or a new one, to what is stored of it. */
  show(mark, entry) {
    const port = this.room.ports.find((candidate) => candidate.view === mark.view && candidate.loaded && candidate.role === 'current');
    if (!port) return;
    const annotation = entry ? entry.annotation : this.add(mark, port);
    if (entry && !isAt(this.describe(entry), mark)) place(annotation, mark, port);
    annotation.data.label = mark.label;
    this.numbers.set(annotation.annotationUID, mark.finding);
  }

  add(mark, port) {
    const camera = port.viewport.getCamera();
    const annotation = {
      annotationUID: crypto.randomUUID(), highlighted: false, isLocked: false, isVisible: true,
      metadata: {
        toolName: Object.keys(MARK_KINDS).find((name) => MARK_KINDS[name] === mark.kind), referencedImageId: port.imageId,
        FrameOfReferenceUID: port.viewport.getFrameOfReferenceUID(), viewPlaneNormal: camera.viewPlaneNormal, viewUp: camera.viewUp,
      },
      data: {
        cachedStats: {}, ...(mark.kind === 'region' ? { contour: { closed: true } } : {}),
        handles: { activeHandleIndex: null, textBox: { hasMoved: false, worldPosition: [0, 0, 0], worldBoundingBox: { topLeft: [0, 0, 0], topRight: [0, 0, 0], bottomLeft: [0, 0, 0], bottomRight: [0, 0, 0] } } },
      },
    };
    place(annotation, mark, port);
    this.whole.add(annotation.annotationUID);
    this.room.stage.tools.annotation.state.addAnnotation(annotation, port.canvas);
    return annotation;
  }

  /** Draw the marks of a finding in another colour; of none where the number is not known. */
  choose(number) {
    this.chosen = number;
    const { style } = this.room.stage.tools.annotation.config;
    for (const { annotation } of this.entries()) {
      style.setAnnotationStyles(annotation.annotationUID, this.numbers.get(annotation.annotationUID) === number ? CHOSEN_STYLE : {});
      annotation.invalidated = true;
    }
    this.room.stage.engine.render();
  }

  /** Delete the mark or measurement under the pointer, or else the selected one, or the one that is asked about; never two. */
  deleteOne(asked) {
    const { annotation: { state, selection } } = this.room.stage.tools;
    const every = state.getAllAnnotations();
    const chosen = every.find((one) => one.highlighted) || every.find((one) => selection.isAnnotationSelected(one.annotationUID)) || every.find((one) => one.annotationUID === asked);
    if (chosen) this.remove(chosen);
    return Boolean(chosen);
  }

  remove(annotation) {
    this.room.stage.tools.annotation.state.removeAnnotation(annotation.annotationUID);
    this.room.stage.engine.render();
  }

  /** Nothing is under the pointer any more: it left the pictures. */
  leave() {
    const pointedAt = this.room.stage.tools.annotation.state.getAllAnnotations().filter((annotation) => annotation.highlighted);
    pointedAt.forEach((annotation) => { annotation.highlighted = false; });
    if (pointedAt.length && !this.pressed) this.room.stage.engine.render();
  }

  clear() {
    this.forget();
    const { state } = this.room.stage.tools.annotation;
    for (const annotation of state.getAllAnnotations()) state.removeAnnotation(annotation.annotationUID);
  }
}

/** Whether a mark on screen lies where a stored one does. */
function isAt(shown, mark) {
  if (shown.view !== mark.view || shown.kind !== mark.kind || shown.points.length !== mark.points.length) return false;
  const points = mark.kind === 'box' ? boundingBox(mark.points) : mark.points;
  return points.every((point, index) => point.every((value, axis) => Math.abs(value - shown.points[index][axis]) <= SAME_PLACE_PIXELS));
}

/** Give an annotation the points of a stored mark. */
function place(annotation, mark, port) {
  const points = mark.points.map((point) => port.fileToWorld(point));
  const [a, b] = points;
  annotation.data.handles.points = mark.kind === 'box' ? [a, [b[0], a[1], 0], [a[0], b[1], 0], b] : mark.kind === 'point' ? [a] : [];
  if (mark.kind === 'region') annotation.data.contour.polyline = points;
  annotation.invalidated = true;
}
