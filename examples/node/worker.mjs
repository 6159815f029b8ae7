// Does the jobs of one type: takes a lease, beats, hands in a finished file. Section 11 of protocol/SPEC.md.
//
// Whoever has lost a job, or is told to stop, removes what it made: so work may run twice, but its result appears once.

import { mkdir, open, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { encode } from "@msgpack/msgpack";
import { ask, epoch, name, RefusedError } from "./bus.mjs";

const WAIT_S = 5; // a dispatcher without work for us answers after so long
const BEAT_MS = 1000;
const AWAY_MS = 500; // before the next try, when the dispatcher does not answer
const HAND_IN_S = 30;

export class Worker {
  /** `work(job, report)` returns `{ final, content, result }`; it throws when the job fails. */
  constructor(type, work) {
    this.type = type;
    this.work = work;
    this.isStopping = false;
    this.current = undefined; // the job in our hands: { job, reason, told }
  }

  start(exports) {
    this.exports = exports;
    this.ended = this.#loop();
  }

  /** Hand back what is in our hands, and take no more. */
  async stop() {
    this.isStopping = true;
    if (!this.current) return; // a lease that is answered now finds nobody, and the dispatcher takes it back
    this.current.reason ??= "release";
    await this.ended;
  }

  async #loop() {
    while (!this.isStopping) {
      const asked = { types: [this.type], worker: name, incarnation: epoch, wait_s: WAIT_S };
      try {
        const { job } = await ask("dispatcher", "job.lease", asked, { deadlineS: 2 * WAIT_S, isLong: true });
        if (job && !this.isStopping) await this.#do(job);
      } catch (error) {
        if (error.code !== "deadline") console.error(`WARNING no lease: ${error.code ?? ""} ${error.message}`);
        await new Promise((resolve) => setTimeout(resolve, AWAY_MS));
      }
    }
  }

  async #do(job) {
    const held = (this.current = { job, told: { step: "begun", percent: 0 } });
    const beats = setInterval(() => this.#beat(held), BEAT_MS);
    const report = async (step, percent) => {
      held.told = { step, percent };
      if (held.reason) throw new Error(held.reason);
    };
    // A name of its own for each lease: two workers that believe to have the job never write the same file.
    let temp;
    try {
      const made = await this.work(job, report);
      await report("publishing", 95);
      temp = join(dirname(made.final), `.${job.id}.${job.fence}.0.part`);
      const files = [await this.#write(temp, made)];
      const result = made.result ?? null;
      await this.#tell("job.prepared", held, { files, result });
      console.log(`INFO job ${job.id} succeeded`);
    } catch (error) {
      await this.#fail(held, error);
    } finally {
      clearInterval(beats);
      if (temp) await rm(join(this.exports, temp), { force: true });
      this.current = undefined;
    }
  }

  /** The file whole and on disk under its temporary name, as `job.prepared` describes it. */
  async #write(temp, { final, content }) {
    const path = join(this.exports, temp);
    await mkdir(dirname(path), { recursive: true });
    const file = await open(path, "wx", 0o600);
    try {
      await file.writeFile(content);
      await file.sync();
      const { size, dev, ino } = await file.stat({ bigint: true }); // inodes may be beyond 2^53
      return { temp, final, size_bytes: size, dev, ino };
    } finally {
      await file.close();
    }
  }

  async #beat(held) {
    try {
      const { cancel } = await this.#tell("job.beat", held, held.told);
      if (cancel) held.reason ??= "cancelled";
    } catch (error) {
      if (error.code === "lost") held.reason ??= "lost";
    }
  }

  async #fail(held, error) {
    const reason = error.code === "lost" ? "lost" : error.code === "cancelled" ? "cancelled" : held.reason;
    console.log(`INFO job ${held.job.id}: ${reason ?? error.message}`);
    try {
      if (reason === "cancelled") await this.#tell("job.stopped", held, {});
      else if (reason === "release") await this.#tell("job.release", held, {});
      else if (!reason) {
        const kind = error instanceof RefusedError ? "transient" : "permanent";
        await this.#tell("job.fail", held, { kind, message: error.message.slice(0, 500) });
      }
    } catch (refused) {
      console.error(`WARNING job ${held.job.id}: ${refused.message}`);
    }
  }

  #tell(method, { job }, more) {
    // With BigInts in it, MessagePack keeps 64 bits; a number above 2^32 would then become a float.
    const body = encode({ id: job.id, fence: BigInt(job.fence), ...more }, { useBigInt64: true });
    return ask("dispatcher", method, body, { deadlineS: HAND_IN_S });
  }
}
