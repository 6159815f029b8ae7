// Shows objects and jobs as they change: FRAMEBUS_RUN=/the/run/folder node watch.mjs
//
// Job states are retained: their last values come at once, also those that were told before we came. What is lost on
// the way is asked for again, and what a dead process said is shown as such (section 9 of protocol/SPEC.md).

import { read, subscriber } from "./bus.mjs";

const RETAINED = "job_state/";
const held = new Map(); // topic -> { src, epoch, seq } of the value that we have

const sub = subscriber("object/", RETAINED, "beacon/", "gone/");
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(0));
process.stdout.once("error", () => process.exit(0)); // as in `| head`

for await (const frames of sub) {
  const news = read(frames);
  if (!news) continue;
  const { topic, head, body } = news;
  if (topic.startsWith("beacon/")) catchUp(body);
  else if (topic.startsWith("gone/")) markStale(body);
  else if (topic.startsWith("object/")) showObject(body);
  else if (isNewer(topic, head)) showBoard(body);
}

/** A replay reaches those, too, who have the value; and a dead publisher's last words may come late. */
function isNewer(topic, { src, epoch, seq }) {
  const have = held.get(topic);
  if (have && (epoch < have.epoch || (epoch === have.epoch && seq <= have.seq))) return false;
  held.set(topic, { src, epoch, seq });
  return true;
}

/** The owner tells which number is its newest: subscribing once more makes it send the value again. */
function catchUp({ epoch, topics }) {
  const late = Object.entries(topics).filter(([topic, seq]) => {
    const have = held.get(topic);
    return topic.startsWith(RETAINED) && (!have || have.epoch < epoch || (have.epoch === epoch && have.seq < seq));
  });
  for (const [topic] of late.slice(0, 4)) {
    sub.subscribe(topic);
    sub.unsubscribe(topic);
  }
}

function markStale({ src, incarnation }) {
  for (const [topic, have] of held) {
    if (have.src !== src || have.epoch > incarnation || have.isStale) continue;
    have.isStale = true;
    console.log(`${topic} is of a process that died; it is being started again`);
  }
}

function showObject({ camera, id, phase, label, score, box }) {
  const place = `${box.width}x${box.height} at ${box.x},${box.y}`;
  console.log(`${camera}: ${label} ${id} ${phase} ${place} (${Math.round(100 * score)} %)`);
}

function showBoard({ type, status, running = [], waiting = [], ended = [] }) {
  const jobs = [...running, ...waiting, ...ended].map((job) => `${job.id.slice(-4)} ${job.state} ${job.percent ?? 0} %`);
  console.log([`${type}: ${status}`, ...jobs].join("; "));
}
