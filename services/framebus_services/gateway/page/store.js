// What the page knows: one plain state, changed by news only. No DOM, no clock of its own.

export const FINAL = new Set(["succeeded", "failed", "cancelled", "dead"]);
const RANK = { queued: 0, retrying: 1, running: 2, publishing: 3 };
const KEPT_JOBS = 200;
const NEXT_IN_LINE = 2;
const FORGOTTEN_OBJECT_S = 10;

export function makeState() {
  return {
    link: { is: "opening", since_s: 0 },
    me: null,
    disk: null,
    complete: new Set(),
    cameras: new Map(),
    services: new Map(),
    stats: new Map(),
    boards: new Map(),
    jobs: new Map(),
    objects: new Map(),
  };
}

/** Take one piece of news: {topic, body, at_s, src, is_stale}; returns the word of what changed, or "". */
export function take(state, news, now_s) {
  const [word] = news.topic.split("/");
  return TAKERS[word]?.(state, news, now_s) ?? "";
}

const TAKERS = {
  camera: (state, { body, at_s, is_stale }, now_s) => {
    state.cameras.set(body.camera, { ...body, at_s, heard_s: now_s, stale: Boolean(is_stale) });
    return "camera";
  },
  service: takeService,
  stats: (state, { body, is_stale }, now_s) => {
    const old = state.stats.get(body.name);
    state.stats.set(body.name, { ...body, heard_s: now_s, stale: Boolean(is_stale), was: old && { counters: old.counters, heard_s: old.heard_s } });
    return "stats";
  },
  job: (state, { body }, now_s) => (takeJob(state, body, now_s) ? "job" : ""),
  job_state: takeBoard,
  object: takeObject,
  recording: () => "recording",
};

function takeService(state, { body, at_s, is_stale }, now_s) {
  const old = state.services.get(body.name);
  if (old && body.incarnation < old.incarnation) return "";
  const down_s = isDown(body, old) ? (old?.down_s ?? body.since_at_s ?? now_s) : null;
  state.services.set(body.name, { ...body, at_s, heard_s: now_s, stale: Boolean(is_stale), down_s });
  return "service";
}

/** From a death until it is ready again; a first start is no death. */
function isDown(body, old) {
  if (["restarting", "suspected", "broken"].includes(body.state)) return true;
  if (body.state !== "starting") return false;
  return old ? old.down_s !== null || old.state === "ready" : body.restarts > 0;
}

function takeBoard(state, { body, is_stale }, now_s) {
  state.boards.set(body.type, { ...body, heard_s: now_s, stale: Boolean(is_stale) });
  const waiting = new Set(body.waiting.map((job) => job.id));
  body.waiting.forEach((job, n) => takeJob(state, job, now_s, n + 1));
  for (const job of [...body.running, ...body.ended]) takeJob(state, job, now_s);
  for (const job of state.jobs.values()) if (job.type === body.type && !waiting.has(job.id)) job.position = 0;
  return "job";
}

/** A job's state is never older than the one that is known. Returns whether anything was new. */
export function takeJob(state, view, now_s, position = undefined) {
  if (view.type === "notify" && view.state === "succeeded") return state.jobs.delete(view.id); // no row beside clips
  const old = state.jobs.get(view.id);
  if (old && isOlder(view, old)) return false;
  const same = old && old.state === view.state && old.attempt === view.attempt;
  const percent = same ? Math.max(old.percent, view.percent) : view.percent;
  const ended_s = FINAL.has(view.state) ? (old?.ended_s ?? (old ? now_s : 0)) : null;
  state.jobs.set(view.id, { ...view, percent, ended_s, heard_s: now_s, position: position ?? old?.position ?? 0 });
  if (state.jobs.size > KEPT_JOBS) dropOldest(state.jobs);
  return true;
}

function isOlder(view, old) {
  if (FINAL.has(old.state)) return !FINAL.has(view.state);
  if (FINAL.has(view.state) || view.attempt > old.attempt) return false;
  if (view.attempt < old.attempt) return true;
  return RANK[view.state] === 2 && RANK[old.state] === 3;
}

function dropOldest(jobs) {
  const ended = [...jobs.values()].filter((job) => FINAL.has(job.state)).sort((a, b) => a.created_at_s - b.created_at_s);
  if (ended.length) jobs.delete(ended[0].id);
}

function takeObject(state, { body }, now_s) {
  const here = state.objects.get(body.camera) ?? new Map();
  state.objects.set(body.camera, here);
  if (body.phase === "end") here.delete(body.id);
  else here.set(body.id, { ...body, heard_s: now_s });
  for (const [id, object] of here) if (now_s - object.heard_s > FORGOTTEN_OBJECT_S) here.delete(id);
  return "object";
}

/** The publishers of these topics died: what they said last is not true any more. */
export function takeStale(state, topics) {
  const known = { camera: state.cameras, service: state.services, stats: state.stats, job_state: state.boards };
  for (const topic of topics) {
    const [word, name] = topic.split("/");
    const value = known[word]?.get(name);
    if (value) value.stale = true;
    if (topic === "stats/enrich/") state.objects.clear();
  }
}

/** Jobs as the list shows them: what works, what waits, then what ended, the newest first. */
export function jobsInOrder(state) {
  const group = (job) => (FINAL.has(job.state) ? 2 : isWaiting(job) ? 1 : 0);
  return [...state.jobs.values()].sort(
    (a, b) => group(a) - group(b) || (group(a) === 1 ? place(a) - place(b) || a.created_at_s - b.created_at_s : (b.ended_at_s ?? b.created_at_s) - (a.ended_at_s ?? a.created_at_s)),
  );
}

/** {jobs, more}: of a long line those that come next, so that what has ended is in sight; `more` wait, too. */
export function jobsListed(state, isWhole) {
  const jobs = jobsInOrder(state);
  const later = jobs.filter((job) => isWaiting(job)).slice(NEXT_IN_LINE);
  if (later.length < 2) return { jobs, more: 0 };
  const left = new Set(isWhole ? [] : later);
  return { jobs: jobs.filter((job) => !left.has(job)), more: later.length };
}

function isWaiting(job) {
  return !FINAL.has(job.state) && job.state !== "running" && job.state !== "publishing";
}

/** The path of the newest picture that an analysis of this camera's uploads left, with when; null: none is known. */
export function newestUpload(state, camera) {
  let newest = null;
  for (const job of state.jobs.values()) {
    if (job.type !== "analysis" || job.camera !== camera || job.state !== "succeeded" || !job.result?.picture) continue;
    if (!newest || job.created_at_s > newest.at_s) newest = { path: job.result.picture, at_s: job.created_at_s };
  }
  return newest;
}

function place(job) {
  return job.state === "retrying" ? 1e6 : job.position || 1e5;
}
