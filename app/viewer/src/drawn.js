// What the screen shows of a port, measured on the canvas that is drawn, for the check of the display.

const SAMPLES = 4000; // screen pixels that are looked at, about

/** World units (mm) per CSS pixel, by the size of what is drawn on the page. */
export function drawnScale(port) {
  const { grid, source, canvas } = port.picture;
  return grid.columns * grid.width * source.spacing[1] / canvas.getBoundingClientRect().width;
}

/** Picture pixels per pixel of the screen, across and down, and how far the nearest pixel is from the screen's: [0, 0.5]. */
export function drawnPixels(port) {
  const { left, top, across, down } = port.picture.position();
  const beside = (value) => Math.abs(value - Math.round(value));
  return { across, down, beside: Math.max(beside(left), beside(top)) };
}

/** Where the chest wall is drawn, and the edges of its pane, in CSS pixels of the page: {wall, left, right, top}. */
export function drawnWall(port) {
  const { left, right } = port.extent();
  const pane = port.element.getBoundingClientRect();
  const edge = (port.chestWall === 'right' ? right : left) - port.unit[1] / 2;
  return { wall: port.canvas.getBoundingClientRect().left + port.viewport.worldToCanvas([edge, 0, 0])[0], left: pane.left, right: pane.right, top: pane.top };
}

/**
 * Where column, row of a port's file is on the page, in CSS pixels, by the drawn canvas alone: by its place, by the part of the
 * picture that it shows, and by the flips. (0, 0) is the centre of the first pixel of the file.
 */
export function placeOf(port, [column, row]) {
  const { grid, canvas } = port.picture;
  const box = canvas.getBoundingClientRect();
  const [x, y] = [port.flip_columns ? port.columns - column - 0.5 : column + 0.5, port.flip_rows ? port.rows - row - 0.5 : row + 0.5];
  return [box.left + (x - grid.left) / (grid.columns * grid.width) * box.width, box.top + (y - grid.top) / (grid.rows * grid.height) * box.height];
}

/** A function (column, row of the drawn canvas) -> grey 0..255. */
export function drawnGreys(port) {
  const { context, canvas } = port.picture;
  const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
  return (column, row) => data[4 * (row * canvas.width + column)];
}

/** Cells of the drawn canvas, [column, row], spread over what of it is inside the picture and its pane. */
export function cellsOf(port) {
  const { grid } = port.picture;
  const { left, top, across, down } = port.picture.position();
  const screen = port.viewport.getCanvas();
  const span = (start, size, count, length, edge, most) => [
    Math.max(1, Math.ceil(-start / size), Math.ceil((edge - start) / size)),
    Math.min(count - 2, Math.floor((length - start) / size) - 1, Math.floor((edge + most * size - start) / size) - 1),
  ];
  const [firstColumn, lastColumn] = span(grid.left, grid.width, grid.columns, port.picture.source.columns, left, screen.width * across / grid.width);
  const [firstRow, lastRow] = span(grid.top, grid.height, grid.rows, port.picture.source.rows, top, screen.height * down / grid.height);
  const step = Math.max(1, Math.floor(Math.sqrt(Math.max(0, lastColumn - firstColumn) * Math.max(0, lastRow - firstRow) / SAMPLES)));
  const cells = [];
  for (let row = firstRow; row <= lastRow; row += step) for (let column = firstColumn; column <= lastColumn; column += step) cells.push([column, row]);
  return cells;
}

/** The sent value of the picture's pixel under the centre of a cell. */
export function sentUnder(port) {
  const { grid, source } = port.picture;
  const { pixels } = source;
  return (column, row) => pixels[Math.floor(grid.top + (row + 0.5) * grid.height) * source.columns + Math.floor(grid.left + (column + 0.5) * grid.width)];
}

/** The cells that show padding alone: their own pixels and those around them. */
export function paddedCells(port) {
  const { grid, source } = port.picture;
  const { pixels } = source;
  const clamp = (value, most) => Math.min(most - 1, Math.max(0, value));
  return cellsOf(port).filter(([column, row]) => {
    for (let y = -1; y <= 2; y++) for (let x = -1; x <= 2; x++) {
      const sourceColumn = clamp(Math.floor(grid.left + (column + x) * grid.width), source.columns);
      const sourceRow = clamp(Math.floor(grid.top + (row + y) * grid.height), source.rows);
      if (pixels[sourceRow * source.columns + sourceColumn] !== 0) return false;
    }
    return true;
  });
}
