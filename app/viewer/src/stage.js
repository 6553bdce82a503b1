// Cornerstone3D, set up once: one rendering engine, an image loader for the app's pixel routes, and the tools.
import * as cs from '@cornerstonejs/core';
import * as tools from '@cornerstonejs/tools';
import { openLens } from './lens.js';
import { dragWindow } from './windows.js';
import { zoomAbout, zoomOfDrag } from './zoom.js';

/** A tool of a mouse button that has no marks. Cornerstone calls it where the press hits no mark; `element.port` is ours. */
class DragTool extends tools.BaseTool {
  constructor(toolProps = {}) { super(toolProps, { supportedInteractionTypes: ['Mouse'], configuration: {} }); }
}

class WindowDragTool extends DragTool {
  static toolName = 'WindowDrag';
  mouseDragCallback({ detail: { element: { port }, deltaPoints } }) { dragWindow(port.room, port, ...deltaPoints.canvas); }
}

class ZoomDragTool extends DragTool {
  static toolName = 'ZoomDrag';
  mouseDragCallback({ detail: { element: { port }, startPoints, deltaPoints } }) { zoomAbout(port, startPoints.canvas, zoomOfDrag(deltaPoints.canvas[1])); }
}

class LensTool extends DragTool {
  static toolName = 'Lens';
  preMouseDownCallback({ detail: { element: { port }, event } }) {
    if (port.loaded) openLens(port, event);
    return true;
  }
}

const SCHEME = 'mvmlm';
const plans = new Map(); // image id -> the description that a port registered

export const LEFT_TOOLS = {
  window: { tool: WindowDragTool, label: 'Window', description: 'window and level by dragging', key: 'w' },
  pan: { tool: tools.PanTool, label: 'Pan', description: 'pan', key: 'm' },
  zoom: { tool: ZoomDragTool, label: 'Zoom', description: 'zoom about where the drag begins', key: 'z' },
  magnify: { tool: LensTool, label: 'Lens', description: 'magnifier', key: 'g' },
  length: { tool: tools.LengthTool, label: 'Ruler', description: 'ruler', key: 'L', shown: 'Shift+L' },
  angle: { tool: tools.AngleTool, label: 'Angle', description: 'angle', key: 'a' },
  box: { tool: tools.RectangleROITool, label: 'Box', description: 'mark a finding with a box', key: 'b', mark: 'box' },
  region: { tool: tools.PlanarFreehandROITool, label: 'Region', description: 'mark a finding freehand', key: 'd', mark: 'region' },
  point: { tool: tools.ProbeTool, label: 'Point', description: 'mark a finding with a point', key: 'x', mark: 'point' },
};
/** Cornerstone's tool name -> "box", "region" or "point" */
export const MARK_KINDS = Object.fromEntries(Object.values(LEFT_TOOLS).filter((entry) => entry.mark).map((entry) => [entry.tool.toolName, entry.mark]));
const GROUP = 'mvmlm-views';

/**
 * Make the size of a picture known to Cornerstone, which places marks and rulers on it; its pixels are drawn by `Picture`.
 * plan: {address, rows, columns, spacing: [row, column] mm, calibrated}. -> image id
 */
export function registerPlan(plan) {
  const imageId = `${SCHEME}:${plan.address}`;
  plans.set(imageId, plan);
  return imageId;
}

export function forgetPlan(imageId) {
  plans.delete(imageId);
  if (cs.cache.getImageLoadObject(imageId)) cs.cache.removeImageLoadObject(imageId);
}

function loadImage(imageId) {
  const { rows, columns, spacing } = plans.get(imageId);
  const pixels = new Uint16Array(1);
  const voxelManager = cs.utilities.VoxelManager.createImageVoxelManager({ width: columns, height: rows, scalarData: pixels, numberOfComponents: 1 });
  const image = {
    imageId, rows, columns, width: columns, height: rows, color: false, rgba: false, numberOfComponents: 1, dataType: 'Uint16Array',
    voxelManager, getPixelData: () => pixels, sizeInBytes: pixels.byteLength, minPixelValue: 0, maxPixelValue: 65535, slope: 1,
    intercept: 0, invert: false, windowCenter: 32768, windowWidth: 65536, voiLUTFunction: 'LINEAR',
    rowPixelSpacing: spacing[0], columnPixelSpacing: spacing[1],
  };
  return { promise: Promise.resolve(image), cancelFn: undefined };
}

function metadata(type, imageId) {
  const image = plans.get(imageId);
  if (!image) return undefined;
  if (type === 'imagePixelModule') {
    return { bitsAllocated: 16, bitsStored: 16, highBit: 15, samplesPerPixel: 1, pixelRepresentation: 0, photometricInterpretation: 'MONOCHROME2', rows: image.rows, columns: image.columns };
  }
  if (type === 'imagePlaneModule') {
    const [row, column] = image.spacing;
    return {
      frameOfReferenceUID: imageId, rows: image.rows, columns: image.columns, imageOrientationPatient: [1, 0, 0, 0, 1, 0],
      rowCosines: [1, 0, 0], columnCosines: [0, 1, 0], imagePositionPatient: [0, 0, 0], sliceThickness: 1, sliceLocation: 0,
      pixelSpacing: [row, column], rowPixelSpacing: row, columnPixelSpacing: column, usingDefaultValues: false,
    };
  }
  if (type === 'generalSeriesModule') return { modality: 'MG', seriesInstanceUID: imageId };
  if (type === 'voiLutModule') return { windowCenter: [32768], windowWidth: [65536], voiLUTFunction: 'LINEAR' };
  if (type === 'modalityLutModule') return { rescaleSlope: 1, rescaleIntercept: 0 };
  return undefined;
}

/** The text of a ruler: millimetres with their kind of calibration, or pixels where the file is not calibrated. */
function lengthText(data, targetId) {
  const measured = data.cachedStats[targetId];
  const image = plans.get(targetId.replace(/^imageId:/, ''));
  if (!measured || !image || !Number.isFinite(measured.length)) return [];
  return [image.calibrated ? `${measured.length.toFixed(1)} mm ${image.calibrated}` : `${measured.length.toFixed(0)} pixels (uncalibrated)`];
}

/** Draws no pictures, which `Picture` does: only the size of each canvas and Cornerstone's events follow the camera. */
class UndrawnEngine extends cs.ContextPoolRenderingEngine {
  renderViewportUsingCustomOrVtkPipeline({ id: viewportId, element, canvas, sWidth, sHeight, suppressEvents, renderingEngineId, viewportStatus }) {
    if (canvas.width !== sWidth || canvas.height !== sHeight) Object.assign(canvas, { width: sWidth, height: sHeight });
    return { viewportId, element, suppressEvents, renderingEngineId, viewportStatus };
  }
}

let stage;
/** The stage of this page, set up at the first call. Rejected where the browser lacks WebGL 2. */
export function prepareStage() { stage = stage || start(); return stage; }

async function start() {
  const probe = document.createElement('canvas');
  if (!probe.getContext('webgl2')) throw new Error('WebGL 2 is missing');
  cs.init();
  tools.init();
  cs.imageLoader.registerImageLoader(SCHEME, loadImage);
  cs.metaData.addProvider(metadata, 10000);
  const engine = new UndrawnEngine('mvmlm');
  const group = tools.ToolGroupManager.createToolGroup(GROUP);
  const bound = tools.Enums.MouseBindings;
  for (const { tool, mark } of Object.values(LEFT_TOOLS)) {
    tools.addTool(tool);
    const getTextLines = mark ? () => undefined : tool === tools.LengthTool ? lengthText : undefined;
    group.addTool(tool.toolName, getTextLines ? { getTextLines, calculateStats: tool === tools.LengthTool } : {});
  }
  const others = { [ZoomDragTool.toolName]: [{ mouseButton: bound.Secondary }], [tools.PanTool.toolName]: [{ mouseButton: bound.Auxiliary }] };
  const setLeftTool = (name) => {
    for (const [key, { tool }] of Object.entries(LEFT_TOOLS)) {
      const bindings = [...(others[tool.toolName] || []), ...(key === name ? [{ mouseButton: bound.Primary }] : [])];
      if (bindings.length) group.setToolActive(tool.toolName, { bindings });
      else group.setToolPassive(tool.toolName);
    }
  };
  setLeftTool('window');
  return { cs, tools, engine, group, setLeftTool };
}
