// Boxes, points and freehand regions: converted from Cornerstone's annotations to pixels of the file, and back.
import { MARK_KINDS } from './stage.js';

const REPORT_DELAY_MS = 250;

/** The corners [[left, top], [right, bottom]] around points. */
function boundingBox(points) {
  const [columns, rows] = [points.map((point) => point[0]), points.map((point) => point[1])];
  return [[Math.min(...columns), Math.min(...rows)], [Math.max(...columns), Math.max(...rows)]];
}

export class Marks {
  /** labels: what a mark can be. onChange: called with {before, marks} shortly after the reader changed a mark. */
  constructor(room, labels, onChange) {
    Object.assign(this, { room, onChange, labels, label: labels[0], shown: [], timer: 0 });
    const { cs, tools } = room.stage;
    const { ANNOTATION_COMPLETED, ANNOTATION_MODIFIED, ANNOTATION_REMOVED } = tools.Enums.Events;
    cs.eventTarget.addEventListener(ANNOTATION_COMPLETED, (event) => {
      const annotation = event.detail.annotation;
      if (MARK_KINDS[annotation.metadata.toolName] && !annotation.data.label) annotation.data.label = this.label;
      this.changed();
    });
    cs.eventTarget.addEventListener(ANNOTATION_MODIFIED, () => this.changed());
    cs.eventTarget.addEventListener(ANNOTATION_REMOVED, () => this.changed());
  }

  changed() {
    if (this.drawing) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.report(), REPORT_DELAY_MS);
  }

  /** Report a change that waits to be reported; before other marks or another exam are drawn. */
  flush() { if (this.timer) this.report(); }

  /** before: the marks at the last report or drawing, so that only what the reader changed since is saved. */
  report() {
    clearTimeout(this.timer);
    this.timer = 0;
    const before = this.shown;
    this.shown = this.all();
    this.onChange({ before, marks: this.shown });
  }

  /** [{view, kind, label, points: [[column, row], ...]}] of the open exam, in pixels of each file. */
  all() {
    const marks = [];
    for (const annotation of this.room.stage.tools.annotation.state.getAllAnnotations()) {
      const kind = MARK_KINDS[annotation.metadata.toolName];
      const port = this.room.ports.find((candidate) => candidate.imageId && candidate.imageId === annotation.metadata.referencedImageId);
      if (!kind || !port || !port.view || port.role !== 'current') continue;
      const world = kind === 'region' ? annotation.data.contour.polyline : annotation.data.handles.points;
      const spots = world.map((point) => port.worldToFile(point));
      const points = kind === 'box' ? boundingBox(spots) : spots;
      if (points.length && points.flat().every(Number.isFinite)) marks.push({ view: port.view, kind, label: annotation.data.label || 'other', points });
    }
    return marks;
  }

  /** Draw the stored marks of this exam in place of those on screen. */
  draw(marks) {
    const { tools, engine } = this.room.stage;
    this.drawing = true;
    this.clear();
    for (const mark of marks || []) {
      const port = this.room.ports.find((candidate) => candidate.view === mark.view && candidate.loaded && candidate.role === 'current');
      if (!port) continue;
      const points = mark.points.map((point) => port.fileToWorld(point));
      const toolName = Object.keys(MARK_KINDS).find((name) => MARK_KINDS[name] === mark.kind);
      const [a, b] = points;
      const corners = mark.kind === 'box' ? [a, [b[0], a[1], 0], [a[0], b[1], 0], b] : mark.kind === 'point' ? [a] : [];
      const camera = port.viewport.getCamera();
      tools.annotation.state.addAnnotation({
        annotationUID: crypto.randomUUID(), highlighted: false, invalidated: true, isLocked: false, isVisible: true,
        metadata: { toolName, referencedImageId: port.imageId, FrameOfReferenceUID: port.viewport.getFrameOfReferenceUID(), viewPlaneNormal: camera.viewPlaneNormal, viewUp: camera.viewUp },
        data: {
          label: mark.label, cachedStats: {}, handles: { points: corners, activeHandleIndex: null, textBox: { hasMoved: false, worldPosition: [0, 0, 0], worldBoundingBox: { topLeft: [0, 0, 0], topRight: [0, 0, 0], bottomLeft: [0, 0, 0], bottomRight: [0, 0, 0] } } },
          ...(mark.kind === 'region' ? { contour: { polyline: points, closed: true } } : {}),
        },
      }, port.canvas);
    }
    engine.render();
    this.drawing = false;
    this.shown = this.all();
  }

  clear() {
    const { state } = this.room.stage.tools.annotation;
    for (const annotation of state.getAllAnnotations()) state.removeAnnotation(annotation.annotationUID);
  }
}
