// The values of a picture in the pixels of a screen. Smaller than 1:1, a screen pixel has the mean over its area: sampling
// instead would make specks of noise and can pass over a real one. Larger than 1:1, it lies between the four nearest pixels.

const EPSILON = 1e-6; // of a pixel: a ratio this near to 1 is 1:1

/**
 * Return the values of a picture in the cells of a grid: Uint16Array (grid.rows * grid.columns), row by row, each times `steps`.
 *
 * picture: {pixels, columns, rows}. grid: {left, top, width, height, columns, rows}: the outer corner of its first cell and
 * the size of a cell, in pixels from the outer corner of the picture.
 */
export function valuesIn(picture, grid, steps) {
  const into = new Uint16Array(grid.columns * grid.rows);
  if (Math.max(grid.width, grid.height) > 1 + EPSILON) writeMeans(picture, grid, steps, into);
  else writeBetween(picture, grid, steps, into);
  return into;
}

/** The mean over each cell; a cell over the picture's edge has the mean of its part inside. */
function writeMeans({ pixels, columns, rows }, grid, steps, into) {
  const [starts, columnsAt] = cells(grid.left, grid.width, grid.columns, columns);
  const [tops, rowsAt] = cells(grid.top, grid.height, grid.rows, rows);
  const first = Math.max(0, Math.floor(starts[0]));
  const last = Math.min(columns, Math.ceil(starts[grid.columns])); // of the columns that any cell needs
  const sums = new Float64Array(columns + 1); // of the pixels of one row before each column
  const line = new Float64Array(grid.columns);
  const total = new Float64Array(grid.columns);
  let source = -1; // the row whose means are in `line`
  const readRow = (row) => {
    if (row === source) return;
    source = row;
    const start = row * columns;
    for (let column = first; column < last; column++) sums[column + 1] = sums[column] + pixels[start + column];
    let before = sumBefore(sums, pixels, start, columns, starts[0]);
    for (let cell = 0; cell < grid.columns; cell++) {
      const after = sumBefore(sums, pixels, start, columns, starts[cell + 1]);
      line[cell] = (after - before) / columnsAt[cell];
      before = after;
    }
  };
  for (let cell = 0; cell < grid.rows; cell++) {
    total.fill(0);
    const [from, to] = [tops[cell], tops[cell + 1]];
    for (let row = Math.floor(from); row < to && row < rows; row++) {
      const share = (Math.min(to, row + 1) - Math.max(from, row)) / rowsAt[cell];
      if (share <= 0) continue;
      readRow(row);
      for (let column = 0; column < grid.columns; column++) total[column] += share * line[column];
    }
    const at = cell * grid.columns;
    for (let column = 0; column < grid.columns; column++) into[at + column] = total[column] * steps + 0.5;
  }
}

/** The edges of the cells along one side, cut off at the picture's, and the size of each cell that is left. */
function cells(start, size, count, length) {
  const edges = Float64Array.from({ length: count + 1 }, (_, cell) => Math.min(length, Math.max(0, start + cell * size)));
  return [edges, Float64Array.from({ length: count }, (_, cell) => edges[cell + 1] - edges[cell] || 1)];
}

/** The sum of a row's pixels left of `edge`, which may lie inside a pixel. */
function sumBefore(sums, pixels, start, columns, edge) {
  const whole = Math.floor(edge);
  return sums[whole] + (whole < columns ? (edge - whole) * pixels[start + whole] : 0);
}

/** The value at the centre of each cell, between those of the four nearest pixels. */
function writeBetween({ pixels, columns, rows }, grid, steps, into) {
  const [lefts, rights, shares] = neighbours(grid.left, grid.width, grid.columns, columns);
  const [tops, bottoms, shareDown] = neighbours(grid.top, grid.height, grid.rows, rows);
  let at = 0;
  for (let row = 0; row < grid.rows; row++) {
    const [upper, lower, down] = [tops[row] * columns, bottoms[row] * columns, shareDown[row]];
    for (let column = 0; column < grid.columns; column++) {
      const [left, right, share] = [lefts[column], rights[column], shares[column]];
      const above = pixels[upper + left] + share * (pixels[upper + right] - pixels[upper + left]);
      const below = pixels[lower + left] + share * (pixels[lower + right] - pixels[lower + left]);
      into[at++] = (above + down * (below - above)) * steps + 0.5;
    }
  }
}

/** The two pixels nearest to each cell's centre along one side, and the share of the second. */
function neighbours(start, size, count, length) {
  const before = new Int32Array(count);
  const after = new Int32Array(count);
  const shares = new Float64Array(count);
  for (let cell = 0; cell < count; cell++) {
    const centre = Math.min(length - 1, Math.max(0, start + (cell + 0.5) * size - 0.5));
    before[cell] = Math.floor(centre + EPSILON);
    after[cell] = Math.min(length - 1, before[cell] + 1);
    shares[cell] = Math.max(0, centre - before[cell]);
  }
  return [before, after, shares];
}

/**
 * The cells, as large as a screen pixel and in step with the screen, that cover a picture along one side: [start, count].
 * screenEdge: of the screen, in pixels of the picture. most: of the screen's pixels, where only those on screen are wanted.
 */
export function cover(length, screenEdge, size, most) {
  let from = Math.floor((0 - screenEdge) / size + EPSILON);
  let to = Math.ceil((length - screenEdge) / size - EPSILON);
  if (most !== undefined) [from, to] = [Math.max(0, from), Math.min(most, to)];
  return [screenEdge + from * size, Math.max(0, to - from)];
}
