import assert from "node:assert/strict";
import test from "node:test";
import { endingAt, length, LONGEST_S, makeScale, pan, SHORTEST_S, ticks, toTime, toX, zoom } from "../page/scale.js";
import { ordered } from "../page/range_panel.js";

const NOW_S = 1_790_000_000;
const QUARTER = makeScale(NOW_S - 900, NOW_S, 1200);

test("a pixel and a moment are one and the same, there and back", () => {
  for (const x of [0, 333, 1200]) assert.ok(Math.abs(toX(QUARTER, toTime(QUARTER, x)) - x) < 1e-3);
});

test("zooming keeps the moment under the pointer where it is", () => {
  for (const factor of [0.3, 0.9, 1.7]) {
    const zoomed = zoom(QUARTER, 400, factor);
    assert.ok(Math.abs(toTime(zoomed, 400) - toTime(QUARTER, 400)) < 1e-3);
  }
});

test("zooming ends at a minute and at thirty days", () => {
  assert.equal(Math.round(length(zoom(QUARTER, 600, 1e-6))), SHORTEST_S);
  assert.equal(Math.round(length(zoom(QUARTER, 600, 1e9))), LONGEST_S);
});

test("neither zoom nor pan goes far into the future", () => {
  for (const moved of [pan(QUARTER, 5_000, NOW_S), zoom(QUARTER, 0, 9, NOW_S)]) {
    assert.ok(moved.end_s <= NOW_S + 0.05 * length(moved));
  }
});

test("following now keeps the length", () => {
  const moved = endingAt(QUARTER, NOW_S + 60);

  assert.equal(length(moved), length(QUARTER));
  assert.equal(moved.end_s, NOW_S + 60);
});

test("ticks stand at round local times, and none is too close to the next", () => {
  const offset_s = 3600 * 5.5; // a zone that is half an hour off
  for (const seconds of [60, 900, 86_400, 30 * 86_400]) {
    const scale = makeScale(NOW_S - seconds, NOW_S, 1200);
    const marks = ticks(scale, offset_s);

    assert.ok(marks.length >= 2 && marks.length <= 14, `${seconds} s: ${marks.length} ticks`);
    const step_s = marks[1].at_s - marks[0].at_s;
    for (const { at_s } of marks) assert.equal(Math.round(at_s + offset_s) % Math.min(step_s, 86_400), 0);
  }
});

test("a range that is dragged backwards, into the future, is one from before to now", () => {
  assert.deepEqual(ordered(NOW_S + 30, NOW_S - 10, NOW_S), { start_s: NOW_S - 10, end_s: NOW_S });
});
