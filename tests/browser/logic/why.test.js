import assert from "node:assert/strict";
import test from "node:test";
import { makeState, take } from "../page/store.js";
import { why } from "../page/why.js";

function group(camera) {
  const state = makeState();
  const hear = (topic, body) => take(state, { topic, body, at_s: 1000, src: "x", is_stale: false }, 1000);
  hear("camera/yard/", { camera: "yard", since_at_s: 900, detail: "", codec: "", drops: {}, is_recording: false, ...camera });
  hear("stats/enrich/", { name: "enrich", counters: {}, latencies: { capture_to_enrich: { count: 9, p50_ms: 2, p99_ms: 12 } } });
  return state;
}

test("of a camera that is away nothing is said of frames that others sent", () => {
  const state = group({ state: "offline", cause: "auth", detail: "401 Unauthorized" });
  assert.equal(why(state, "yard", 1000), "401 Unauthorized · not recording");
});

test("of a camera that sends it is said what comes, how soon it is seen, and what was lost", () => {
  const state = group({ state: "online", codec: "h264", width: 640, height: 360, fps_in: 12.5, is_recording: true, drops: { late: 3 } });
  assert.equal(why(state, "yard", 1000), "h264 640 × 360, 12.5 frames/s in · seen after 12 ms (p99) · 3 dropped · recording");
});
