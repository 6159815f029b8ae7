import assert from "node:assert/strict";
import test from "node:test";
import { jobState } from "../page/job_words.js";
import { makeState, newestUpload, take } from "../page/store.js";
import { summary } from "../page/summary.js";
import { tileState } from "../page/tile_state.js";
import { why } from "../page/why.js";

function hear(state, topic, body, now_s = 1000) {
  return take(state, { topic, body, at_s: now_s, src: "ingest", is_stale: false }, now_s);
}

function group() {
  const state = makeState();
  state.link = { is: "open", since_s: 1 };
  hear(state, "camera/yard/", { camera: "yard", state: "upload", since_at_s: 900, source: "uploads/Yard", last_frame_at_s: null });
  return state;
}

function analysis(id, at_s, more = {}) {
  return { id, type: "analysis", state: "succeeded", camera: "yard", attempt: 1, percent: 100, created_at_s: at_s, result: { values: {}, picture: `yard/${id}.jpg` }, ...more };
}

test("a camera that uploads files is well without any picture, and says when it sent the last", () => {
  const state = group();
  assert.deepEqual(tileState(state, "yard", 1000), { is: "upload", title: "uploads", text: "waits for files" });
  assert.equal(summary(state, 1000).level, "well");

  hear(state, "job/analysis/a/", analysis("a", 988));
  assert.equal(tileState(state, "yard", 1000).text, "last file 12 s ago");
  assert.match(why(state, "yard", 1000), /^files from uploads\/Yard · last file 12 s ago/);
});

test("its picture is the one of the newest analysis that left one", () => {
  const state = group();
  assert.equal(newestUpload(state, "yard"), null);
  hear(state, "job/analysis/b/", analysis("b", 990));
  hear(state, "job/analysis/a/", analysis("a", 980));
  hear(state, "job/analysis/c/", analysis("c", 995, { state: "failed", result: null }));
  hear(state, "job/analysis/d/", analysis("d", 996, { camera: "other" }));

  assert.equal(newestUpload(state, "yard").path, "yard/b.jpg");
});

test("while nobody takes uploads, it says whom it waits for", () => {
  const state = group();
  hear(state, "service/ingest/", { name: "ingest", state: "stopped", incarnation: 1, restarts: 0 });

  assert.deepEqual(tileState(state, "yard", 1000), { is: "upload", title: "uploads wait", text: "ingest: switched off" });
});

test("an analysis that succeeded says what was found", () => {
  const told = (values) => jobState(analysis("a", 1, { result: { values, picture: null } }), null, 1000).text;

  assert.equal(told({ text: "A white car leaves.", model: "m" }), "A white car leaves.");
  assert.equal(told({ pictures: 1, brightness: 100.2, motion: { mean: 0.1 } }), "pictures 1 · brightness 100.2");
  assert.equal(told({}), "Done");
});
