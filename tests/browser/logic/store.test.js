import assert from "node:assert/strict";
import test from "node:test";
import { jobsInOrder, jobsListed, makeState, take, takeStale } from "../page/store.js";

const QUEUE = { max_queued: 50, max_running: 1, free: 50, waiting: 0, running: 0, avg_duration_s: 4, worker_running: true };

function job(more) {
  return { id: "a", type: "export", state: "running", attempt: 1, percent: 0, created_at_s: 100, ...more };
}

function hear(state, topic, body, now_s = 1000, is_stale = false) {
  return take(state, { topic, body, at_s: now_s, src: "dispatcher", is_stale }, now_s);
}

test("a job's percent never goes back within an attempt, and begins anew with the next", () => {
  const state = makeState();
  hear(state, "job/export/a/", job({ percent: 60 }));
  hear(state, "job/export/a/", job({ percent: 40 }));
  assert.equal(state.jobs.get("a").percent, 60);

  hear(state, "job/export/a/", job({ percent: 5, attempt: 2 }));
  assert.equal(state.jobs.get("a").percent, 5);
});

test("a job that has ended is not brought back by older news", () => {
  const state = makeState();
  hear(state, "job/export/a/", job({ state: "succeeded", percent: 100 }));
  const changed = hear(state, "job/export/a/", job({ percent: 80 }));

  assert.equal(changed, "");
  assert.equal(state.jobs.get("a").state, "succeeded");
});

test("a board tells each waiting job its place, and forgets it when it waits no more", () => {
  const state = makeState();
  const waiting = [job({ id: "a", state: "queued" }), job({ id: "b", state: "queued" })];
  hear(state, "job_state/export/", { type: "export", running: [], waiting, ended: [], queue: QUEUE });
  assert.deepEqual([state.jobs.get("a").position, state.jobs.get("b").position], [1, 2]);

  hear(state, "job_state/export/", { type: "export", running: [job({ id: "a" })], waiting: [waiting[1]], ended: [], queue: QUEUE });
  assert.deepEqual([state.jobs.get("a").position, state.jobs.get("b").position], [0, 1]);
});

test("jobs at work stand first, then those in line, then those that ended, the newest first", () => {
  const state = makeState();
  hear(state, "job/export/d/", job({ id: "d", state: "failed", ended_at_s: 300 }));
  hear(state, "job/export/c/", job({ id: "c", state: "succeeded", ended_at_s: 400 }));
  hear(state, "job/export/b/", job({ id: "b", state: "queued" }));
  hear(state, "job/export/a/", job({ id: "a" }));

  assert.deepEqual(jobsInOrder(state).map(({ id }) => id), ["a", "b", "c", "d"]);
});

test("a long line hides nothing that has ended: only its next two are listed, and the others when they are asked for", () => {
  const state = makeState();
  const waiting = ["b", "c", "d", "e", "f"].map((id) => job({ id, state: "queued" }));
  hear(state, "job_state/export/", { type: "export", running: [job({ id: "a" })], waiting, ended: [], queue: QUEUE });
  hear(state, "job/export/g/", job({ id: "g", state: "failed", ended_at_s: 300 }));
  const ids = ({ jobs }) => jobs.map(({ id }) => id).join("");

  assert.equal(ids(jobsListed(state, false)), "abcg");
  assert.equal(jobsListed(state, false).more, 3);
  assert.equal(ids(jobsListed(state, true)), "abcdefg");
});

test("a notification that has gone out is no row; one that could not is", () => {
  const state = makeState();
  hear(state, "job/notify/n/", job({ id: "n", type: "notify" }));
  hear(state, "job/notify/m/", job({ id: "m", type: "notify", state: "failed", ended_at_s: 300 }));
  assert.equal(jobsInOrder(state).length, 2);

  hear(state, "job/notify/n/", job({ id: "n", type: "notify", state: "succeeded", ended_at_s: 301 }));

  assert.deepEqual(jobsInOrder(state).map(({ id }) => id), ["m"]);
});

test("what was said by a process that died is stale until it speaks again", () => {
  const state = makeState();
  hear(state, "camera/front/", { camera: "front", state: "online" });
  takeStale(state, ["camera/front/"]);
  assert.equal(state.cameras.get("front").stale, true);

  hear(state, "camera/front/", { camera: "front", state: "online" });
  assert.equal(state.cameras.get("front").stale, false);
});

test("a service is down from its death until it is ready again", () => {
  const state = makeState();
  const service = { name: "export", incarnation: 1, restarts: 0 };
  hear(state, "service/export/", { ...service, state: "ready" });
  hear(state, "service/export/", { ...service, state: "restarting", signal: 9, since_at_s: 1001 }, 1001);
  hear(state, "service/export/", { ...service, state: "starting", signal: 9, since_at_s: 1002 }, 1002);
  assert.equal(state.services.get("export").down_s, 1001);

  hear(state, "service/export/", { ...service, state: "ready", incarnation: 2, restarts: 1, back_after_s: 0.3 }, 1003);
  assert.equal(state.services.get("export").down_s, null);
});

test("news of a life that is over changes nothing", () => {
  const state = makeState();
  hear(state, "service/export/", { name: "export", state: "ready", incarnation: 5, restarts: 1 });

  assert.equal(hear(state, "service/export/", { name: "export", state: "restarting", incarnation: 4, restarts: 1 }), "");
});

test("an object goes when it ends, and when nobody has told of it for long", () => {
  const state = makeState();
  const object = (id, phase) => ({ camera: "front", id, phase, label: "car" });
  hear(state, "object/front/", object("1", "start"), 1000);
  hear(state, "object/front/", object("2", "start"), 1000);
  hear(state, "object/front/", object("1", "end"), 1001);
  assert.deepEqual([...state.objects.get("front").keys()], ["2"]);

  hear(state, "object/front/", object("3", "start"), 1020);
  assert.deepEqual([...state.objects.get("front").keys()], ["3"]);
});
