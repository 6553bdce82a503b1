// Covers what lies beyond the breast and a margin: film borders, collimator edges, air (app/viewer/shutter.py finds it).
const SVG = 'http://www.w3.org/2000/svg';
const FAR = 100000; // pixels of the file, beyond every pane

/** Add the shutter of a port, under its marks. -> {position}, to be called after each movement. */
export function makeShutter(port) {
  if (!port.opening_rows) return { position() {} };
  const layer = document.createElementNS(SVG, 'svg');
  layer.setAttribute('class', 'shutter');
  layer.setAttribute('viewBox', `0 0 ${port.columns} ${port.rows}`);
  layer.setAttribute('preserveAspectRatio', 'none');
  const path = document.createElementNS(SVG, 'path');
  path.setAttribute('d', `M${-FAR} ${-FAR}H${2 * FAR}V${2 * FAR}H${-FAR}Z${openings(port.opening_rows, port.row_step, port.rows)}`);
  path.setAttribute('fill-rule', 'evenodd');
  layer.append(path);
  port.picture.canvas.after(layer);
  const position = () => {
    if (!port.loaded) return;
    const [width, height] = port.size();
    const [dx, dy] = [port.unit[1] / 2, port.unit[0] / 2];
    const [left, top] = port.viewport.worldToCanvas([-dx, -dy, 0]);
    const [right, bottom] = port.viewport.worldToCanvas([width - dx, height - dy, 0]);
    Object.assign(layer.style, { left: left + 'px', top: top + 'px', width: right - left + 'px', height: bottom - top + 'px' });
  };
  return { position };
}

/** The outlines of the rows that are open, as an SVG path. */
function openings(spans, step, rows) {
  const paths = [];
  for (let row = 0; row < spans.length; row++) {
    if (!spans[row]) continue;
    const first = row;
    while (row + 1 < spans.length && spans[row + 1]) row += 1;
    const height = (index) => Math.min(rows, (index + 0.5) * step);
    const [left, right] = [[], []];
    for (let index = first; index <= row; index++) {
      left.push(`${spans[index][0]} ${height(index)}`);
      right.push(`${spans[index][1]} ${height(index)}`);
    }
    const [top, bottom] = [first * step, Math.min(rows, (row + 1) * step)];
    const outline = [`${spans[first][0]} ${top}`, ...left, `${spans[row][0]} ${bottom}`, `${spans[row][1]} ${bottom}`, ...right.reverse(), `${spans[first][1]} ${top}`];
    paths.push(`M${outline.join('L')}Z`);
  }
  return paths.join('');
}
