// A job in words: where it is, what is left, why not. No DOM.

import { brief, clock, counted, moment, roughly, sentence, size, spoken } from "./words.js";

const SILENT_S = 5;
const FRESH_S = 3;
const STEPS = {
  preparing: "preparing",
  copying: "copying",
  encoding: "encoding",
  encoding_retry: "encoding again, in software",
  verifying: "checking the clip",
  finalizing: "finishing",
};

/** What the job is about: the camera and range it asked for, else its name or type. */
export function jobTitle(job, params, now_s, zone) {
  const who = job.camera ? spoken(job.camera) : job.type;
  const result = job.result ?? {};
  const from_s = params?.start ?? result.start_at_s;
  const to_s = params?.end ?? result.end_at_s;
  const when = typeof from_s === "number" && typeof to_s === "number" ? `${moment(from_s, now_s, zone)} · ${brief(to_s - from_s)}` : (job.name ?? "");
  return { who, when };
}

/** {tone, text, percent, isSilent}: tone well, fresh, mending or bad. `percent` is null where no bar belongs. */
export function jobState(job, board, now_s, zone = "") {
  return { tone: "well", text: job.state, percent: null, ...WORDS[job.state]?.(job, board, now_s, zone) };
}

const WORDS = {
  queued: (job, board, now_s, zone) => ({ text: waiting(job, board, now_s, zone) }),
  retrying: (job, _board, now_s) => {
    const left_s = (job.next_try_at_s ?? now_s) - now_s;
    const when = left_s > 0.5 ? `tries again in ${roughly(Math.ceil(left_s))}` : "tries again now";
    return { tone: "mending", text: `${when}: ${reason(job)}` };
  },
  running: working,
  publishing: working,
  succeeded: (job, _board, now_s) => ({ tone: job.ended_s && now_s - job.ended_s < FRESH_S ? "fresh" : "well", text: outcome(job) }),
  failed: (job) => ({ tone: "bad", text: sentence(reason(job)) }),
  dead: (job) => ({ tone: "bad", text: `Given up after ${counted(job.attempt, "crash", "crashes")}: ${reason(job)}` }),
  cancelled: () => ({ text: "Cancelled" }),
};

function working(job, _board, now_s) {
  const silent_s = now_s - job.heard_s;
  if (job.cancelling) return { text: "stopping", percent: job.percent };
  if (silent_s > SILENT_S) {
    return { tone: "mending", text: `no news for ${roughly(silent_s)}`, percent: job.percent, isSilent: true };
  }
  const step = STEPS[job.step] ?? (job.step ? job.step.replaceAll("_", " ") : "beginning");
  const left = job.eta_s ? `about ${roughly(Math.ceil(job.eta_s))} left` : "";
  const again = job.attempt > 1 ? `try ${job.attempt}` : "";
  return { text: [step, again, left].filter(Boolean).join(" · "), percent: job.percent };
}

function waiting(job, board, now_s, zone) {
  const queue = board?.queue;
  if (queue?.resting_until_at_s > now_s) return `waits: the queue rests until ${clock(queue.resting_until_at_s, zone)}`;
  if (queue && !queue.worker_running) return `waits: no worker for ${job.type} is there now`;
  if (!job.position) return "in line";
  const place = job.position === 1 ? "first in line" : `number ${job.position} in line`;
  const begins_s = ((queue?.estimated_wait_s ?? 0) * job.position) / ((queue?.waiting ?? 0) + 1); // of who would come last
  return begins_s >= 1 ? `${place} · begins in about ${roughly(begins_s)}` : place;
}

function outcome(job) {
  const result = job.result ?? {};
  if (result.values) return analysed(result.values) || "Done";
  const said = [];
  if (result.size_bytes) said.push(size(result.size_bytes));
  if (result.gaps?.length) said.push(counted(result.gaps.length + (result.more_gaps ?? 0), "gap"));
  return said.join(" · ") || "Done";
}

/** What an analyser said: its text, or its numbers by their names. */
function analysed(values) {
  if (typeof values.text === "string") return values.text;
  const told = Object.entries(values).filter(([, value]) => ["number", "string"].includes(typeof value));
  return told.map(([name, value]) => `${spoken(name)} ${value}`).join(" · ");
}

function reason(job) {
  return job.error?.message || "no reason was given";
}
