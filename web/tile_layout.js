// @ts-check
/**
 * Where tiles stand: pure decisions over a count and a size in CSS pixels.
 *
 * @module
 */

/**
 * @typedef {{ readonly width: number, readonly height: number }} Size CSS pixels
 * @typedef {{ left: number, top: number, width: number, height: number }} Rect from the stage's
 *   upper left corner, CSS pixels
 */

/** Wider than a camera's 16:9 by so little that nobody misses what is cut off. */
const WIDEST = 1.9;
/** A face is still whole in this much of a 16:9 picture… */
const NARROWEST = 6 / 5;
/** …and on a phone held upright half of the picture has to do. */
const NARROWEST_UPRIGHT = 4 / 5;
/** Smaller tiles show nobody; CSS pixels. */
const LEAST_WIDTH = 88;
const LEAST_HEIGHT = 60;
/** Share of the stage that people beside a spotlight get, as long as they need it. */
const STRIP_SHARE = 0.16;
const STRIP_RATIO = 16 / 9;
/** Beside a spotlight a face may be smaller, CSS pixels. */
const LEAST_STRIP_HEIGHT = 48;

/**
 * The largest tile in a cell.
 *
 * @param {Size} cell
 * @param {number} narrowest width by height
 * @returns {Size}
 */
function tileIn({ width, height }, narrowest) {
  return {
    width: Math.min(width, height * WIDEST),
    height: Math.min(height, width / narrowest),
  };
}

/**
 * Columns and rows that together show most: large tiles, and few empty places.
 *
 * @param {number} count at least 1
 * @param {Size} stage
 * @param {number} gap between tiles
 * @returns {{ columns: number, rows: number, tile: Size, cell: Size }}
 */
export function chooseGrid(count, stage, gap) {
  const narrowest = stage.width < stage.height ? NARROWEST_UPRIGHT : NARROWEST;
  let best;
  let bestScore = -1;
  for (let columns = 1; columns <= count; columns++) {
    const rows = Math.ceil(count / columns);
    const cell = {
      width: Math.max(1, (stage.width - gap * (columns - 1)) / columns),
      height: Math.max(1, (stage.height - gap * (rows - 1)) / rows),
    };
    const tile = tileIn(cell, narrowest);
    const filled = count / (columns * rows);
    const score = tile.width * tile.height * filled;
    if (score <= bestScore) continue;
    best = { columns, rows, tile, cell };
    bestScore = score;
  }
  if (best === undefined) throw new RangeError("a grid has at least one tile");
  return best;
}

/**
 * A grid that fills the stage; its last row stands in the middle. What would make tiles too small
 * is left out.
 *
 * @param {number} count
 * @param {Size} stage
 * @param {number} gap
 * @returns {Rect[]} as many as are shown
 */
export function layOutGrid(count, stage, gap) {
  if (count === 0) return [];
  const { columns, tile, rows } = chooseGrid(count, stage, gap);
  const isTooSmall = tile.width < LEAST_WIDTH || tile.height < LEAST_HEIGHT;
  if (isTooSmall && count > 1) return layOutGrid(count - 1, stage, gap);
  const top = (stage.height - rows * tile.height - (rows - 1) * gap) / 2;
  return Array.from({ length: count }, (_, index) => {
    const row = Math.floor(index / columns);
    const inRow = Math.min(columns, count - row * columns);
    const left = (stage.width - inRow * tile.width - (inRow - 1) * gap) / 2;
    return {
      left: left + (index - row * columns) * (tile.width + gap),
      top: top + row * (tile.height + gap),
      ...tile,
    };
  });
}

/**
 * Few tiles large, the others in a strip: at the side of a wide stage, below on an upright one.
 *
 * @param {number} mainCount at least 1
 * @param {number} stripCount
 * @param {Size} stage
 * @param {number} gap
 * @returns {{ main: Rect[], strip: Rect[] }} of the strip, as many as are shown
 */
export function layOutSpotlight(mainCount, stripCount, stage, gap) {
  if (stripCount === 0) return { main: layOutMain(mainCount, stage, gap), strip: [] };
  const isBeside = stage.width >= stage.height;
  const along = isBeside ? stage.height : stage.width;
  const strip = chooseStrip(stripCount, stage, gap);
  const across = isBeside ? strip.tile.width : strip.tile.height;
  const length = isBeside ? strip.tile.height : strip.tile.width;
  const rest = isBeside
    ? { width: stage.width - across - gap, height: stage.height }
    : { width: stage.width, height: stage.height - across - gap };
  const start = (along - strip.count * length - (strip.count - 1) * gap) / 2;
  return {
    main: layOutMain(mainCount, rest, gap),
    strip: Array.from({ length: strip.count }, (_, index) => {
      const at = start + index * (length + gap);
      const place = isBeside
        ? { left: stage.width - across, top: at }
        : { left: at, top: stage.height - across };
      return { ...place, ...strip.tile };
    }),
  };
}

/**
 * A single one gets all there is: a screen is shown whole in it, with nothing cut off.
 *
 * @param {number} count
 * @param {Size} stage
 * @param {number} gap
 * @returns {Rect[]}
 */
function layOutMain(count, stage, gap) {
  return count === 1 ? [{ left: 0, top: 0, ...stage }] : layOutGrid(count, stage, gap);
}

/**
 * @param {number} count
 * @param {Size} stage
 * @param {number} gap
 * @returns {{ tile: Size, count: number }}
 */
function chooseStrip(count, stage, gap) {
  const isBeside = stage.width >= stage.height;
  const along = isBeside ? stage.height : stage.width;
  const perTile = (along - gap * (count - 1)) / count;
  const wide = isBeside ? stage.width * STRIP_SHARE : stage.height * STRIP_SHARE * STRIP_RATIO;
  const fitting = isBeside ? perTile * STRIP_RATIO : perTile;
  const width = Math.max(Math.min(wide, fitting), LEAST_STRIP_HEIGHT * STRIP_RATIO);
  const tile = { width, height: width / STRIP_RATIO };
  const length = isBeside ? tile.height : tile.width;
  const room = Math.max(1, Math.floor((along + gap) / (length + gap)));
  return { tile, count: Math.min(count, room) };
}
