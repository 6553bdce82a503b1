// Boxes, points and freehand regions: from Cornerstone's annotations to pixels of the file, and back.
import { MARKS } from './stage.js';

const LABELS = ['mass', 'calcification', 'asymmetry', 'distortion', 'other'];

export class Marks {
  constructor(room, report) {
    Object.assign(this, { room, report, label: LABELS[0], labels: LABELS });
    const { cs, tools } = room.stage;
    const { ANNOTATION_COMPLETED, ANNOTATION_MODIFIED, ANNOTATION_REMOVED } = tools.Enums.Events;
    cs.eventTarget.addEventListener(ANNOTATION_COMPLETED, (event) => {
      const annotation = event.detail.annotation;
      if (MARKS[annotation.metadata.toolName] && !annotation.data.label) annotation.data.label = this.label;
      this.changed();
    });
    cs.eventTarget.addEventListener(ANNOTATION_MODIFIED, () => this.changed());
    cs.eventTarget.addEventListener(ANNOTATION_REMOVED, () => this.changed());
  }

  changed() {
    if (this.drawing) return;
    clearTimeout(this.soon);
    this.soon = setTimeout(() => this.report(this.all()), 250);
  }

  /** [{view, kind, label, points: [[column, row], ...]}] of the open exam, in pixels of each file. */
  all() {
    const found = [];
    for (const annotation of this.room.stage.tools.annotation.state.getAllAnnotations()) {
      const kind = MARKS[annotation.metadata.toolName];
      const port = this.room.ports.find((one) => one.imageId && one.imageId === annotation.metadata.referencedImageId);
      if (!kind || !port || !port.view || port.role !== 'current') continue;
      const world = kind === 'region' ? annotation.data.contour.polyline : annotation.data.handles.points;
      let points = world.map((point) => port.own(point));
      if (kind === 'box') {
        const [columns, rows] = [points.map((p) => p[0]), points.map((p) => p[1])];
        points = [[Math.min(...columns), Math.min(...rows)], [Math.max(...columns), Math.max(...rows)]];
      }
      if (points.length && points.flat().every(Number.isFinite)) found.push({ view: port.view, kind, label: annotation.data.label || 'other', points });
    }
    return found;
  }

  /** Draws what Python kept for this exam. */
  draw(marks) {
    const { tools, engine } = this.room.stage;
    this.drawing = true;
    this.clear();
    for (const mark of marks || []) {
      const port = this.room.ports.find((one) => one.view === mark.view && one.loaded && one.role === 'current');
      if (!port) continue;
      const points = mark.points.map((point) => port.world(point));
      const toolName = Object.keys(MARKS).find((name) => MARKS[name] === mark.kind);
      const [a, b] = points;
      const corners = mark.kind === 'box' ? [a, [b[0], a[1], 0], [a[0], b[1], 0], b] : mark.kind === 'point' ? [a] : [];
      const { focalPoint, ...camera } = port.viewport.getCamera();
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
  }

  clear() {
    const { annotation } = this.room.stage.tools;
    for (const one of annotation.state.getAllAnnotations()) annotation.state.removeAnnotation(one.annotationUID);
  }
}
