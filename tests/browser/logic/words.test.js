import assert from "node:assert/strict";
import test from "node:test";
import { jobState } from "../page/job_words.js";
import { merge, ridge } from "../page/lanes.js";
import { eventAt } from "../page/shot.js";
import { makeState, take } from "../page/store.js";
import { steady, summary } from "../page/summary.js";
import { tileState } from "../page/tile_state.js";
import { fitColumn, fitWall } from "../page/wall_layout.js";
import { clock, lasting, roughly, sentence, size, zoneOffset } from "../page/words.js";

const NOW_S = 1_790_000_000;

function group(...cameras) {
  const state = makeState();
  state.link = { is: "open", since_s: NOW_S };
  const hear = (topic, body) => take(state, { topic, body, at_s: NOW_S, is_stale: false }, NOW_S);
  for (const camera of cameras) hear(`camera/${camera.camera}/`, { state: "online", cause: "none", since_at_s: NOW_S - 240, drops: {}, ...camera });
  hear("service/export/", { name: "export", state: "ready", incarnation: 1, restarts: 0 });
  return { state, hear };
}

test("lengths and sizes are told with as much as matters", () => {
  assert.deepEqual([0.04, 0.34, 12.3, 75, 7300, 200_000].map(lasting), ["0.04 s", "0.3 s", "12.3 s", "1 min 15 s", "2 h 1 min", "2 d 7 h"]);
  assert.deepEqual([812, 69_000, 2_800_000, 214e9].map(size), ["812 bytes", "69 KB", "2.8 MB", "214 GB"]);
  assert.deepEqual([4, 240, 7300, 9 * 86_400].map(roughly), ["4 s", "4 min", "2 h", "9 days"]);
});

test("times are those of the configured zone, whatever the browser's is", () => {
  assert.equal(clock(1_795_262_531, "Europe/Berlin"), "13:02:11");
  assert.equal(clock(1_795_262_531, "UTC"), "12:02:11");
  assert.equal(zoneOffset(1_795_262_531, "Asia/Kolkata"), 19_800);
});

test("the top line says all is well, or the worst thing alone", () => {
  const { state, hear } = group({ camera: "front" }, { camera: "garage" });
  state.disk = { free_bytes: 214e9, days_left: 9.2 };
  assert.deepEqual(summary(state, NOW_S), { level: "well", text: "All well: 2 cameras, 1 service, 214 GB free (about 9 days)", target: null });

  hear("service/export/", { name: "export", state: "suspected", incarnation: 1, restarts: 0 });
  assert.equal(summary(state, NOW_S).text, "Export: does not answer");
  hear("service/export/", { name: "export", state: "ready", incarnation: 1, restarts: 0 });

  hear("camera/garage/", { camera: "garage", state: "offline", cause: "auth", since_at_s: NOW_S - 240 });
  assert.deepEqual(summary(state, NOW_S), { level: "bad", text: "Garage offline for 4 min: wrong user or password", target: "camera:garage" });

  hear("service/export/", { name: "export", state: "broken", incarnation: 2, restarts: 5, reason: "died 5 times" });
  assert.equal(summary(state, NOW_S).text, "Export is broken: died 5 times");
});

test("a sentence is the same until something happens, however long that takes", () => {
  const { state, hear } = group({ camera: "front" });
  const wait = (seconds) => steady(summary(state, NOW_S + seconds).text);
  hear("camera/front/", { camera: "front", state: "offline", cause: "auth", since_at_s: NOW_S });
  assert.equal(new Set([1, 2, 59, 61, 7300, 90_000, 2e6].map((seconds) => wait(seconds))).size, 1);

  const alone = wait(1);
  hear("camera/yard/", { camera: "yard", state: "offline", cause: "auth", since_at_s: NOW_S });
  assert.notEqual(wait(1), alone);

  state.link = { is: "away", since_s: NOW_S };
  assert.equal(wait(5), wait(75));
  assert.match(wait(5), /No connection/);
});

test("a picture is live only while its camera, its process and the line are", () => {
  const { state, hear } = group({ camera: "front" });
  assert.equal(tileState(state, "front", NOW_S).is, "live");
  assert.equal(tileState(state, "front", NOW_S + 9).is, "quiet");

  hear("service/capture@front/", { name: "capture@front", state: "restarting", incarnation: 1, restarts: 0 });
  assert.equal(tileState(state, "front", NOW_S).is, "restarting");

  state.link.is = "away";
  assert.equal(tileState(state, "front", NOW_S).is, "away");
});

test("an offline camera says why, since when, and when it is tried again", () => {
  const { state } = group({ camera: "front", state: "offline", cause: "auth", retry_at_s: NOW_S + 14 });

  assert.deepEqual(tileState(state, "front", NOW_S), { is: "offline", title: "wrong user or password", text: "for 4 min, next try in 14 s" });
});

test("a job without news stands still and says so", () => {
  const job = { state: "running", step: "copying", percent: 63, eta_s: 4, attempt: 1, heard_s: NOW_S };
  assert.deepEqual(jobState(job, null, NOW_S + 1), { tone: "well", text: "copying · about 4 s left", percent: 63 });
  assert.deepEqual(jobState(job, null, NOW_S + 6), { tone: "mending", text: "no news for 6 s", percent: 63, isSilent: true });
});

test("success is green for three seconds", () => {
  const job = { state: "succeeded", ended_s: NOW_S, result: { size_bytes: 69_000 } };
  assert.deepEqual([0, 4].map((later_s) => jobState(job, null, NOW_S + later_s).tone), ["fresh", "well"]);
});

test("pieces that touch are one band, and a gap stays a gap", () => {
  const spans = [{ start_at_s: 10, end_at_s: 14 }, { start_at_s: 0, end_at_s: 10.4 }, { start_at_s: 20, end_at_s: 21 }];

  assert.deepEqual(merge(spans), [{ start_at_s: 0, end_at_s: 14 }, { start_at_s: 20, end_at_s: 21 }]);
});

test("the ridge is as high as there were objects at once", () => {
  assert.deepEqual([...ridge([{ start_at_s: 1, end_at_s: 2.5 }], 0, 4, 4)], [0, 1, 0.5, 0]);
});

test("the pointer finds the object under it, the shorter of two, and none that is far", () => {
  const long = { id: "long", start_at_s: 0, end_at_s: 100 };
  const short = { id: "short", start_at_s: 40, end_at_s: 42 };

  assert.equal(eventAt([long, short], 41, 1).id, "short");
  assert.equal(eventAt([short], 50, 1), null);
});

test("pictures fill the wall in their own shape, two pixels apart, and never overlap", () => {
  for (const count of [1, 3, 6, 7]) {
    const ratios = Array.from({ length: count }, (_, n) => (n % 3 ? 16 / 9 : 4 / 3));
    const tiles = fitWall(ratios, 1090, 560);

    assert.equal(tiles.length, count);
    tiles.forEach((tile, n) => {
      assert.ok(tile.x >= 0 && tile.x + tile.width <= 1091 && tile.y + tile.height <= 561);
      assert.ok(Math.abs(tile.width / tile.height - ratios[n]) < 0.02);
      for (const other of tiles.slice(n + 1)) {
        assert.ok(tile.x + tile.width <= other.x || other.x + other.width <= tile.x || tile.y + tile.height <= other.y || other.y + other.height <= tile.y);
      }
    });
  }
  assert.deepEqual(fitColumn([2, 1], 100), [{ x: 0, y: 0, width: 100, height: 50 }, { x: 0, y: 52, width: 100, height: 100 }]);
});

test("when a waiting job begins is said by what the dispatcher foresees, the pauses between jobs with it", () => {
  const queue = { waiting: 3, max_running: 1, avg_duration_s: 0.2, estimated_wait_s: 40, worker_running: true };
  const told = (position) => jobState({ state: "queued", type: "analysis", position }, { queue }, NOW_S).text;

  assert.equal(told(2), "number 2 in line · begins in about 20 s");
  assert.equal(told(3), "number 3 in line · begins in about 30 s");
});

test("a sentence begins with a capital letter, but the name of a process or a file stays as it is", () => {
  assert.equal(sentence("refuses the connection"), "Refuses the connection");
  assert.equal(sentence("capture@front_door is restarting"), "capture@front_door is restarting");
  assert.equal(sentence("my_camera.py:17: gave uint8"), "my_camera.py:17: gave uint8");
  assert.equal(sentence(""), "");
});
