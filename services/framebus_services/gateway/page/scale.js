// Which seconds stand at which pixels: the timeline's scale, its zoom and its ticks. No DOM.

export const SHORTEST_S = 60;
export const LONGEST_S = 30 * 86400;
const STEPS_S = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800];
const TICK_PX = 92;

/** A scale shows [start_s, end_s) on `width_px` pixels. */
export function makeScale(start_s, end_s, width_px) {
  return { start_s, end_s, width_px: Math.max(1, width_px) };
}

export function length(scale) {
  return scale.end_s - scale.start_s;
}

export function toX(scale, at_s) {
  return ((at_s - scale.start_s) / length(scale)) * scale.width_px;
}

export function toTime(scale, x) {
  return scale.start_s + (x / scale.width_px) * length(scale);
}

/** Seconds that one pixel stands for. */
export function secondsPerPixel(scale) {
  return length(scale) / scale.width_px;
}

/** Longer or shorter by `factor`; the moment under `x` stays where it is. From 1 minute to 30 days. */
export function zoom(scale, x, factor, latest_s = Infinity) {
  const wanted_s = Math.min(LONGEST_S, Math.max(SHORTEST_S, length(scale) * factor));
  const at_s = toTime(scale, x);
  const start_s = at_s - (x / scale.width_px) * wanted_s;
  return kept(makeScale(start_s, start_s + wanted_s, scale.width_px), latest_s);
}

export function pan(scale, pixels, latest_s = Infinity) {
  const moved_s = pixels * secondsPerPixel(scale);
  return kept(makeScale(scale.start_s + moved_s, scale.end_s + moved_s, scale.width_px), latest_s);
}

/** The same length, ending at `end_s`. */
export function endingAt(scale, end_s) {
  return makeScale(end_s - length(scale), end_s, scale.width_px);
}

/** The future holds nothing: a scale ends a little after now at the latest. */
function kept(scale, latest_s) {
  const limit_s = latest_s + 0.04 * length(scale);
  return scale.end_s > limit_s ? endingAt(scale, limit_s) : scale;
}

/** Ticks at round times of the zone that is `offset_s` ahead of UTC: {at_s, isDay}. */
export function ticks(scale, offset_s = 0) {
  const step_s = stepOf(scale);
  const first = Math.ceil((scale.start_s + offset_s) / step_s);
  const found = [];
  for (let n = first; n * step_s - offset_s < scale.end_s; n += 1) {
    found.push({ at_s: n * step_s - offset_s, isDay: (n * step_s) % 86400 === 0 });
  }
  return found;
}

function stepOf(scale) {
  const wanted_s = secondsPerPixel(scale) * TICK_PX;
  return STEPS_S.find((step_s) => step_s >= wanted_s) ?? STEPS_S.at(-1);
}
