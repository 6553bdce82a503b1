// Cornerstone3D set up once: one rendering engine, an image loader over our own routes, the tools.
import * as cs from '@cornerstonejs/core';
import * as tools from '@cornerstonejs/tools';

const SCHEME = 'mvmlm';
const images = new Map(); // image id -> what a port registered for it

export const LEFT_TOOLS = {
  window: { tool: tools.WindowLevelTool, label: 'Window', says: 'window and level by dragging', key: 'w' },
  pan: { tool: tools.PanTool, label: 'Pan', says: 'pan', key: 'm' },
  zoom: { tool: tools.ZoomTool, label: 'Zoom', says: 'zoom', key: 'z' },
  magnify: { tool: tools.MagnifyTool, label: 'Lens', says: 'magnifier', key: 'g' },
  length: { tool: tools.LengthTool, label: 'Ruler', says: 'ruler', key: 'l' },
  angle: { tool: tools.AngleTool, label: 'Angle', says: 'angle', key: 'a' },
  box: { tool: tools.RectangleROITool, label: 'Box', says: 'mark a finding with a box', key: 'b', mark: 'box' },
  region: { tool: tools.PlanarFreehandROITool, label: 'Region', says: 'mark a finding freehand', key: 'd', mark: 'region' },
  point: { tool: tools.ProbeTool, label: 'Point', says: 'mark a finding with a point', key: 'x', mark: 'point' },
};
/** tool name -> "box", "region" or "point" */
export const MARKS = Object.fromEntries(Object.values(LEFT_TOOLS).filter((one) => one.mark).map((one) => [one.tool.toolName, one.mark]));
const GROUP = 'mvmlm-views';

/** image: {address, rows, columns, spacing: [row, column] mm}. Later loads of the same id come from Cornerstone's cache. */
export function register(id, image) { images.set(`${SCHEME}:${id}`, image); return `${SCHEME}:${id}`; }

export function forget(imageId) {
  images.delete(imageId);
  if (cs.cache.getImageLoadObject(imageId)) cs.cache.removeImageLoadObject(imageId);
}

function load(imageId) {
  const image = images.get(imageId);
  const promise = (async () => {
    const answer = await fetch(new URL(image.address, document.baseURI), { credentials: 'same-origin' });
    if (!answer.ok) throw new Error((await answer.text()).slice(0, 200));
    const pixels = new Uint16Array(await answer.arrayBuffer());
    if (pixels.length !== image.rows * image.columns) throw new Error('the picture arrived incomplete; open the exam again');
    const voxelManager = cs.utilities.VoxelManager.createImageVoxelManager({
      width: image.columns, height: image.rows, scalarData: pixels, numberOfComponents: 1,
    });
    return {
      imageId, rows: image.rows, columns: image.columns, width: image.columns, height: image.rows, color: false, rgba: false,
      numberOfComponents: 1, dataType: 'Uint16Array', voxelManager, getPixelData: () => pixels, sizeInBytes: pixels.byteLength,
      minPixelValue: 0, maxPixelValue: 65535, slope: 1, intercept: 0, invert: false, windowCenter: 32768, windowWidth: 65536,
      voiLUTFunction: 'LINEAR', rowPixelSpacing: image.spacing[0], columnPixelSpacing: image.spacing[1],
    };
  })();
  return { promise, cancelFn: undefined };
}

function metadata(type, imageId) {
  const image = images.get(imageId);
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

/** A length says what it was measured at: nothing is called a millimetre that the file did not calibrate. */
function length(data, targetId) {
  const measured = data.cachedStats[targetId];
  const image = images.get(targetId.replace(/^imageId:/, ''));
  if (!measured || !image || !Number.isFinite(measured.length)) return [];
  return [image.calibrated ? `${measured.length.toFixed(1)} mm ${image.calibrated}` : `${measured.length.toFixed(0)} pixels (uncalibrated)`];
}

let prepared;
export function prepare() { prepared = prepared || start(); return prepared; }

async function start() {
  const probe = document.createElement('canvas');
  if (!probe.getContext('webgl2')) throw new Error('WebGL 2 is missing');
  cs.init();
  tools.init();
  cs.imageLoader.registerImageLoader(SCHEME, load);
  cs.metaData.addProvider(metadata, 10000);
  cs.cache.setMaxCacheSize(700 * 1024 * 1024);
  const engine = new cs.RenderingEngine('mvmlm');
  const group = tools.ToolGroupManager.createToolGroup(GROUP);
  const bound = tools.Enums.MouseBindings;
  for (const { tool, mark } of Object.values(LEFT_TOOLS)) {
    tools.addTool(tool);
    const said = mark ? (data) => [data.label || ''] : tool === tools.LengthTool ? length : undefined;
    group.addTool(tool.toolName, said ? { getTextLines: said } : {});
  }
  const others = { [tools.ZoomTool.toolName]: [{ mouseButton: bound.Secondary }, { mouseButton: bound.Wheel }], [tools.PanTool.toolName]: [{ mouseButton: bound.Auxiliary }] };
  const use = (name) => {
    for (const [own, { tool }] of Object.entries(LEFT_TOOLS)) {
      const bindings = [...(others[tool.toolName] || []), ...(own === name ? [{ mouseButton: bound.Primary }] : [])];
      if (bindings.length) group.setToolActive(tool.toolName, { bindings });
      else group.setToolPassive(tool.toolName);
    }
  };
  use('window');
  const removeSelected = () => {
    for (const one of tools.annotation.state.getAllAnnotations().filter((a) => a.highlighted || tools.annotation.selection.isAnnotationSelected(a.annotationUID))) {
      tools.annotation.state.removeAnnotation(one.annotationUID);
    }
    engine.render();
  };
  return { cs, tools, engine, group, use, removeSelected };
}

/** The stored value at a column and row of a registered, loaded image. */
export function pixelValueAt(imageId, column, row) {
  const image = cs.cache.getImage(imageId);
  if (!image || column < 0 || row < 0 || column >= image.columns || row >= image.rows) return undefined;
  return image.getPixelData()[row * image.columns + column];
}
