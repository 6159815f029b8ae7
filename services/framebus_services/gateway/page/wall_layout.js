// How pictures of different shapes fill a wall: rows of equal width, 2 px apart, as large as they can be. No DOM.

const APART_PX = 2;

/** {x, y, width, height} for each ratio (width / height), for the number of rows that shows most. */
export function fitWall(ratios, width, height) {
  let best = [];
  let bestArea = -1;
  for (let rows = 1; rows <= ratios.length; rows += 1) {
    const tiles = fitRows(ratios, rows, width, height);
    const area = tiles.reduce((sum, tile) => sum + tile.width * tile.height, 0);
    if (area > bestArea * 1.001) [best, bestArea] = [tiles, area];
  }
  return best;
}

/** One column, each in its own shape. */
export function fitColumn(ratios, width) {
  let y = 0;
  return ratios.map((ratio) => {
    const tile = { x: 0, y, width, height: Math.round(width / ratio) };
    y += tile.height + APART_PX;
    return tile;
  });
}

function fitRows(ratios, rows, width, height) {
  const lines = share(ratios, rows);
  const heights = lines.map((line) => (width - APART_PX * (line.length - 1)) / sum(line));
  const scale = Math.min(1, (height - APART_PX * (lines.length - 1)) / sum(heights));
  const tiles = [];
  const used = sum(heights) * scale + APART_PX * (lines.length - 1);
  let y = Math.max(0, (height - used) / 2);
  lines.forEach((line, n) => {
    const tall = heights[n] * scale;
    const wide = sum(line) * tall + APART_PX * (line.length - 1);
    let x = Math.max(0, (width - wide) / 2);
    for (const ratio of line) {
      tiles.push({ x: Math.round(x), y: Math.round(y), width: Math.round(ratio * tall), height: Math.round(tall) });
      x += ratio * tall + APART_PX;
    }
    y += tall + APART_PX;
  });
  return tiles;
}

function share(ratios, rows) {
  const lines = [];
  let next = 0;
  for (let row = 0; row < rows; row += 1) {
    const take = Math.ceil((ratios.length - next) / (rows - row));
    lines.push(ratios.slice(next, next + take));
    next += take;
  }
  return lines;
}

function sum(values) {
  return values.reduce((total, value) => total + value, 0);
}
