// Draws the timeline: axis, lanes, the marked range, the moment that is played.

import { ridge, smooth, tint } from "./lanes.js";
import { length, secondsPerPixel, ticks, toX } from "./scale.js";
import { clock, day, minute, zoneOffset } from "./words.js";

export const AXIS_PX = 24;
const RIDGE_PART_PX = 2;
const TICK_LEAST_PX = 2;
const TOKENS = ["ink", "paper", "quiet", "line", "band", "ridge", "blue", "mark", "font"];
const MANY = 4; // objects at once, from which the ridge grows no more

/** The tokens of the stylesheet that the canvas needs; read again when light becomes dark. */
export function readColours() {
  const style = getComputedStyle(document.documentElement);
  const token = (name) => style.getPropertyValue(`--${name}`).trim();
  const tints = [0, 1, 2, 3, 4, 5, 6, 7].map((n) => token(`tint-${n}`));
  return { tints, ...Object.fromEntries(TOKENS.map((name) => [name, token(name)])) };
}

export function drawTimeline(canvas, view) {
  const { scale, lanes, lanePx, colours } = view;
  const ratio = Math.min(2, globalThis.devicePixelRatio || 1);
  const height = AXIS_PX + lanes.length * lanePx;
  const [wide, tall] = [Math.round(scale.width_px * ratio), Math.round(height * ratio)];
  if (canvas.width !== wide || canvas.height !== tall) Object.assign(canvas, { width: wide, height: tall });
  const paint = canvas.getContext("2d");
  paint.setTransform(ratio, 0, 0, ratio, 0, 0);
  paint.clearRect(0, 0, scale.width_px, height);
  drawAxis(paint, view, height);
  lanes.forEach((lane, n) => drawLane(paint, lane, AXIS_PX + n * lanePx, view));
  if (view.marked) drawMarked(paint, view);
  drawMoments(paint, view, height);
}

function drawAxis(paint, { scale, colours, zone }, height) {
  paint.font = `12px ${colours.font}`;
  paint.textBaseline = "middle";
  const offset_s = zoneOffset(scale.end_s, zone);
  const marks = ticks(scale, offset_s);
  const withSeconds = marks.length > 1 && marks[1].at_s - marks[0].at_s < 60;
  for (const { at_s, isDay } of marks) {
    const x = Math.round(toX(scale, at_s)) + 0.5;
    fill(paint, colours.line, x - 0.5, isDay ? 4 : AXIS_PX - 5, 1, height);
    paint.fillStyle = isDay ? colours.ink : colours.quiet;
    const text = isDay ? day(at_s, zone) : withSeconds ? clock(at_s, zone) : minute(at_s, zone);
    if (x < scale.width_px - 40) paint.fillText(text, x + 5, AXIS_PX / 2);
  }
}

function drawLane(paint, lane, top, view) {
  const { scale, lanePx, colours, now_s } = view;
  const bandPx = Math.max(8, Math.round(lanePx * 0.26));
  const base = top + lanePx - 5;
  paint.fillStyle = colours.band;
  for (const span of lane.spans) fillSpan(paint, scale, span.start_at_s, Math.min(now_s, span.end_at_s), base - bandPx, bandPx);
  drawRidge(paint, lane, base - bandPx, lanePx - bandPx - 8, view);
  for (const event of lane.events) {
    paint.fillStyle = colours.tints[tint(event.label)];
    fillSpan(paint, scale, event.start_at_s, event.end_at_s, base - bandPx, bandPx, TICK_LEAST_PX);
    fill(paint, colours.paper, Math.round(toX(scale, event.start_at_s)) - 1, base - bandPx, 1, bandPx); // two that overlap are two
  }
  if (lane.isBare) {
    paint.fillStyle = colours.quiet;
    paint.fillText("nothing recorded yet", 8, base - 6);
  }
  fill(paint, colours.line, 0, top + lanePx - 1, scale.width_px, 1);
}

function fill(paint, colour, x, y, wide, tall) {
  paint.fillStyle = colour;
  paint.fillRect(x, y, wide, tall);
}

function fillSpan(paint, scale, start_s, end_s, y, height, least = 0) {
  if (end_s <= scale.start_s || start_s >= scale.end_s) return;
  const from = Math.max(0, Math.floor(toX(scale, start_s)));
  const to = Math.min(scale.width_px, Math.ceil(toX(scale, end_s)));
  if (to - from > 0 || least) paint.fillRect(from, y, Math.max(least, to - from), height);
}

/** Stands still while the picture moves on: its parts begin at round times. */
function drawRidge(paint, lane, base, tall, { scale, colours }) {
  const part_s = RIDGE_PART_PX * secondsPerPixel(scale);
  const start_s = Math.floor(scale.start_s / part_s) * part_s;
  const count = Math.ceil((scale.end_s - start_s) / part_s) + 1;
  const parts = smooth(lane.buckets ? fromBuckets(lane.buckets, start_s, part_s, count) : smooth(ridge(lane.events, start_s, start_s + count * part_s, count)));
  const most = lane.buckets ? 1 : MANY;
  paint.fillStyle = colours.ridge;
  paint.beginPath();
  paint.moveTo(toX(scale, start_s), base);
  for (let n = 0; n < count; n += 1) paint.lineTo(toX(scale, start_s + (n + 0.5) * part_s), base - tall * Math.sqrt(Math.min(1, parts[n] / most)));
  paint.lineTo(toX(scale, start_s + count * part_s), base);
  paint.fill();
}

function fromBuckets(buckets, start_s, part_s, count) {
  const parts = new Float32Array(count);
  for (const bucket of buckets) {
    const from = Math.max(0, Math.floor((bucket.start_at_s - start_s) / part_s));
    const to = Math.min(count - 1, Math.floor((bucket.end_at_s - start_s) / part_s));
    for (let n = from; n <= to; n += 1) parts[n] = Math.max(parts[n], bucket.share);
  }
  return parts;
}

function drawMarked(paint, { scale, marked, lanes, lanePx, colours }) {
  const from = toX(scale, marked.start_s);
  const wide = toX(scale, marked.end_s) - from;
  lanes.forEach((lane, n) => {
    if (!marked.cameras.includes(lane.camera)) return;
    const top = AXIS_PX + n * lanePx;
    fill(paint, colours.mark, from, top, wide, lanePx - 1);
    for (const x of [from, from + wide - 2]) fill(paint, colours.blue, x, top, 2, lanePx - 1);
  });
}

function drawMoments(paint, { scale, colours, now_s, pointer_s, played_s, zone }, height) {
  const now = toX(scale, now_s);
  if (now < scale.width_px) fill(paint, colours.quiet, Math.round(now), AXIS_PX - 5, 1, height);
  if (played_s) fill(paint, colours.blue, Math.round(toX(scale, played_s)) - 1, AXIS_PX - 5, 2, height);
  if (!pointer_s) return;
  const x = Math.round(toX(scale, pointer_s));
  fill(paint, colours.ink, x, AXIS_PX - 5, 1, height);
  const text = clock(pointer_s, zone);
  const wide = paint.measureText(text).width + 10;
  const left = Math.min(scale.width_px - wide, Math.max(0, x - wide / 2));
  paint.fillRect(left, 2, wide, AXIS_PX - 6);
  paint.fillStyle = colours.paper;
  paint.fillText(text, left + 5, AXIS_PX / 2);
}

/** Whether the scale shows the present, so that it moves on with it. */
export function follows(scale, now_s) {
  return Math.abs(scale.end_s - now_s) <= 0.06 * length(scale) + 2 || scale.end_s > now_s;
}
