// What a member of a framebus group does, on plain ZeroMQ and MessagePack: hear news, tell news, ask, answer.
// The contract is protocol/SPEC.md; the sections are named where they are kept.

import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { decode, encode } from "@msgpack/msgpack";
import { Publisher, Request, Router, Subscriber } from "zeromq";

const MAX_HEAD_BYTES = 1024; // section 13; frames are counted and measured before anything is decoded
const MAX_REQUEST_BYTES = 1024 * 1024;
const MAX_MESSAGE_BYTES = 8 * 1024 * 1024;
const MAX_KEPT = 4096;
const MAX_SEQS = 20_000;
const KEEP_MS = 30_000;
const FIRST_RESEND_S = 0.25;
const RESEND_S = 1;
const EVERY_SOCKET = { linger: 0, reconnectInterval: 10, reconnectMaxInterval: 100 }; // section 3

const run = process.env.FRAMEBUS_RUN; // `framebus check` prints it
if (!run) {
  console.error("FRAMEBUS_RUN is not set: the folder of the group's sockets; framebus check prints it");
  process.exit(64);
}
export const data = process.env.FRAMEBUS_DATA ?? "data";
export const name = process.env.FRAMEBUS_NAME ?? `node-${process.pid}`;
// The launcher's number, else the time of our start: greater in each life (section 4).
export const epoch = Number(process.env.FRAMEBUS_INCARNATION ?? Date.now() * 1000);
const pubDoor = process.env.FRAMEBUS_PUB ?? `ipc://${run}/pub`;
const subDoor = process.env.FRAMEBUS_SUB ?? `ipc://${run}/sub`;
const doorOf = (service) => (process.env.FRAMEBUS_REQ ?? `ipc://${run}/req.{service}`).replace("{service}", service);
const host = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").slice(0, 8);

/** A service said no, or nobody answered (`deadline`). `code` is one of section 10. */
export class RefusedError extends Error {
  constructor(code, message, retryAfterS) {
    super(message);
    this.code = code;
    this.retryAfterS = retryAfterS;
  }
}

/** News whose topics begin with one of `prefixes`; iterate over it, `subscribe` and `unsubscribe` as you go. */
export function subscriber(...prefixes) {
  const sub = new Subscriber({ ...EVERY_SOCKET, maxMessageSize: MAX_MESSAGE_BYTES });
  sub.connect(subDoor);
  sub.subscribe(...prefixes);
  return sub;
}

/** Topic, head and body of a piece of news, or undefined for bytes that are none: those must harm nobody. */
export function read(frames) {
  if (frames.length < 3 || frames.length > 4 || frames[1].length > MAX_HEAD_BYTES) return undefined;
  try {
    const head = decode(frames[1]);
    return head.v === 1 ? { topic: frames[0].toString(), head, body: decode(frames[2]), blob: frames[3] } : undefined;
  } catch {
    return undefined;
  }
}

/** A function `publish(topic, body, blob)`: tells everybody who listens, and waits for nobody. */
export function publisher() {
  const pub = new Publisher({ ...EVERY_SOCKET, linger: 100 });
  pub.connect(pubDoor);
  const seqs = new Map(); // a message's number in the row of its topic
  let last = Promise.resolve(); // a socket sends one message at a time
  const publish = (topic, body, blob) => {
    const seq = (seqs.get(topic) ?? 0) + 1;
    seqs.delete(topic);
    seqs.set(topic, seq);
    if (seqs.size > MAX_SEQS) seqs.delete(seqs.keys().next().value); // the one that was silent longest begins anew
    const head = { v: 1, src: name, epoch, seq, at_s: Date.now() / 1000, up_s: upS(), host };
    const frames = [topic, encode(head), encode(body)];
    last = last.then(() => pub.send(blob ? [...frames, blob] : frames)).catch(() => {});
  };
  publish.close = () => last.then(() => pub.close());
  return publish;
}

// Node's own clock stands still while the machine sleeps; this one is CLOCK_BOOTTIME, to a hundredth.
const upS = () => Number(readFileSync("/proc/uptime", "utf8").split(" ")[0]);

/**
 * What `service` answers; throws RefusedError. On silence it is asked again by a new socket under the same id, so that
 * nothing is done twice (section 10). `isLong`: answered late by design; asked again only when the connection breaks.
 */
export async function ask(service, method, body, { deadlineS = 5, isLong = false } = {}) {
  const id = randomBytes(16);
  const end = performance.now() + 1000 * deadlineS;
  const data = body instanceof Uint8Array ? body : encode(body);
  for (let patienceS = FIRST_RESEND_S; ; patienceS = Math.min(2 * patienceS, RESEND_S)) {
    const leftS = (end - performance.now()) / 1000;
    if (leftS <= 0) throw new RefusedError("deadline", `${service} did not answer ${method} within ${deadlineS} s`);
    const head = { v: 1, id, method, deadline_s: leftS, src: name };
    const frames = await tryOnce(service, [encode(head), data], isLong ? leftS : Math.min(leftS, patienceS));
    const answer = frames && readAnswer(frames, id);
    if (answer?.ok) return answer.body;
    if (answer) throw new RefusedError(answer.body.code, answer.body.message, answer.body.retry_after_s);
  }
}

async function tryOnce(service, frames, waitS) {
  const waitMs = Math.max(1, Math.round(1000 * waitS));
  const req = new Request({
    ...EVERY_SOCKET,
    immediate: true,
    sendTimeout: waitMs,
    receiveTimeout: waitMs,
    maxMessageSize: MAX_MESSAGE_BYTES,
  });
  req.events.on("disconnect", () => req.close()); // a dead service is noticed at once, not by the clock
  try {
    req.connect(doorOf(service));
    await req.send(frames);
    return await req.receive();
  } catch {
    return undefined;
  } finally {
    req.close();
  }
}

function readAnswer(frames, id) {
  try {
    const head = decode(frames[0]);
    const isOurs = head.v === 1 && (head.id.length === 0 || Buffer.compare(head.id, id) === 0);
    return isOurs ? { ok: head.ok, body: decode(frames[1]) } : undefined;
  } catch {
    return undefined; // junk is no answer: ask again
  }
}

/** Answers requests at our own door with what `methods[method](body)` returns, or the RefusedError that it throws. */
export async function serve(methods) {
  const door = new Router({ ...EVERY_SOCKET, mandatory: true, maxMessageSize: MAX_REQUEST_BYTES });
  await door.bind(doorOf(name));
  const kept = new Map(); // id -> promise of the answer: a repeat gets what the first one got, also while it is worked on
  let last = Promise.resolve();
  const answer = async ([peer, ...frames]) => {
    const reply = await replyTo(frames, methods, kept);
    last = last.then(() => door.send([peer, "", ...reply])).catch(() => {}); // whoever asked may be gone
  };
  (async () => {
    for await (const frames of door) answer(frames);
  })();
  return door;
}

function replyTo(frames, methods, kept) {
  let head;
  try {
    if (frames.length !== 3 || frames[1].length > MAX_HEAD_BYTES) throw new Error("frames");
    head = decode(frames[1]);
    if (head.id.length !== 16 || typeof head.method !== "string") throw new Error("head");
  } catch {
    return refusal(Buffer.alloc(0), "bad_request", "a request is a head and a body");
  }
  if (head.v !== 1) return refusal(head.id, "unsupported_version", "this is version 1");
  const key = Buffer.from(head.id).toString("hex");
  if (!kept.has(key)) {
    kept.set(key, work(head, frames[2], methods));
    setTimeout(() => kept.delete(key), KEEP_MS).unref();
    if (kept.size > MAX_KEPT) kept.delete(kept.keys().next().value);
  }
  return kept.get(key);
}

async function work(head, body, methods) {
  const method = Object.hasOwn(methods, head.method) ? methods[head.method] : undefined;
  if (!method) return refusal(head.id, "unknown_method", `${name} has ${Object.keys(methods).join(", ")}`);
  try {
    return [encode({ v: 1, id: head.id, ok: true }), encode(await method(decode(body)))];
  } catch (error) {
    if (error instanceof RefusedError) return refusal(head.id, error.code, error.message);
    console.error(`${head.method} failed: ${error.stack}`);
    return refusal(head.id, "internal", `${head.method} failed inside ${name}; its log tells more`);
  }
}

const refusal = (id, code, message) => [encode({ v: 1, id, ok: false }), encode({ code, message })];

/**
 * Tells the launcher that we are ready, and beats from the event loop. Node has no datagram sockets of Unix, so the
 * words of sd_notify go to standard output: the row says `notify: stdout`. Without a launcher it is silent.
 */
export function tellReady() {
  if (!process.env.NOTIFY_SOCKET) return;
  console.log("READY=1");
  setInterval(() => console.log("WATCHDOG=1"), 1000);
}
