// A service of a group, in Node: counts the objects of each camera, tells a finding for each, answers how many there
// were, and does jobs of the type `report`, which leave a file. Its row, and the type of its jobs, in framebus.yml:
//
// services:
//   reporter:
//     command: [node, examples/node/plugin.mjs]
//     notify: stdout
// jobs:
//   report: {max_running: 1}

import { data, epoch, name, publisher, read, serve, subscriber, tellReady } from "./bus.mjs";
import { Worker } from "./worker.mjs";

const counts = {};
const publish = publisher();

await serve({
  ping: () => ({ name, pid: process.pid, epoch, version: "1" }),
  stats: () => ({ name, counters: counts }),
  "reporter.counts": () => counts, // a method of our own
});
const worker = new Worker("report", async (job, report) => {
  for (let step = 1; step <= (job.params.steps ?? 1); step += 1) {
    await new Promise((resolve) => setTimeout(resolve, job.params.step_ms ?? 0));
    await report("counting", (90 * step) / (job.params.steps ?? 1));
  }
  const camera = job.params.camera;
  if (!/^[a-z0-9][a-z0-9_-]{0,31}$/.test(camera)) throw new Error("params.camera is no camera's name");
  return { final: `reports/${camera}.json`, content: JSON.stringify({ camera, objects: counts[camera] ?? 0 }) };
});
for (const signal of ["SIGINT", "SIGTERM"]) {
  process.once(signal, async () => {
    if (process.env.NOTIFY_SOCKET) console.log("STOPPING=1");
    await worker.stop();
    await publish.close();
    process.exit(0);
  });
}
worker.start(`${data}/exports`);
tellReady();
console.log(`INFO ${name}: ready`);

for await (const frames of subscriber("object/")) {
  const news = read(frames);
  if (news?.body.phase !== "start") continue;
  const { camera, id, number, captured_at_s } = news.body;
  counts[camera] = (counts[camera] ?? 0) + 1;
  const finding = { processor: name, camera, label: "objects", value: counts[camera], object_id: id };
  publish(`finding/${name}/${camera}/`, { ...finding, number, captured_at_s });
}
