import assert from "node:assert/strict";
import test from "node:test";
import { LiveStream } from "../page/live.js";

/** As much of a browser as a stream needs. */
class Socket extends EventTarget {
  static OPEN = 1;
  static made = [];
  constructor() {
    super();
    this.readyState = 0;
    Socket.made.push(this);
  }
  open() {
    this.readyState = 1;
  }
  hear(data) {
    this.dispatchEvent(Object.assign(new Event("message"), { data }));
  }
  close(code) {
    this.dispatchEvent(Object.assign(new Event("close"), { code }));
  }
}

class Source extends EventTarget {
  static isTypeSupported(kind) {
    return kind.includes("avc1");
  }
}

Object.assign(globalThis, { document: { baseURI: "http://127.0.0.1/" }, WebSocket: Socket, MediaSource: Source });
URL.createObjectURL = () => "blob:";
globalThis.fetch = async () => ({ ok: false });

const BEGIN = JSON.stringify({ codec: "avc1.64001e" });

function watch(context) {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  let now_ms = 0;
  context.mock.method(performance, "now", () => now_ms);
  Socket.made.length = 0;
  const video = Object.assign(new EventTarget(), { pause() {}, load() {}, removeAttribute: (name) => delete video[name], paused: true, readyState: 0 });
  const stream = new LiveStream("garden", video, { src: "" }, () => {}, () => null);
  const wait = (ms) => {
    now_ms += ms;
    context.mock.timers.tick(ms);
  };
  stream.open();
  return { stream, video, wait };
}

test("a picture that is to come says what it waits for, when that takes a while", (context) => {
  const { stream, wait } = watch(context);
  const words = [stream.word];
  wait(800);
  words.push(stream.word);
  Socket.made[0].open();
  Socket.made[0].hear(BEGIN);
  Socket.made[0].hear(new ArrayBuffer(8));
  words.push(stream.word);
  Socket.made[0].hear(new ArrayBuffer(8));
  words.push(stream.word);

  assert.deepEqual(words, ["", "connecting", "waiting for a key frame", "opening"]);
});

test("after the gateway was away it says that it connects again, and then that it waits", (context) => {
  const { stream, video, wait } = watch(context);
  Socket.made[0].hear(BEGIN);
  stream._buffer = {};
  Object.assign(video, { paused: false, readyState: 4 });
  video.dispatchEvent(new Event("playing"));
  assert.equal(stream.is, "playing");

  Socket.made[0].close(1006);
  wait(1000);
  assert.equal(stream.word, "reconnecting");
  wait(1000);
  Socket.made[1].open();
  assert.equal(stream.word, "waiting for a key frame");
});

test("preview pictures that do not come are not called moving", async (context) => {
  const { stream, wait } = watch(context);
  Socket.made[0].close(4415);
  const before = stream.isMoving;
  await import("../page/preview.js");
  await new Promise(setImmediate);
  wait(800);

  assert.deepEqual([before, stream.isMoving, stream.word], [false, false, "no pictures come"]);
  stream.close();
});

test("who fell back to preview pictures tries video again when asked to, and may fall back once more", (context) => {
  const { stream, video } = watch(context);
  Socket.made[0].close(4415);
  assert.deepEqual([stream.is, stream.word], ["preview", ""]);

  stream.tryVideo();
  assert.deepEqual([stream.is, Socket.made.length], ["opening", 2]);
  Socket.made[1].close(4415);
  assert.equal(stream.is, "preview");
  stream.tryVideo();
  Socket.made[2].hear(BEGIN);
  assert.equal(stream.is, "opening");
  stream.close();
  assert.deepEqual([stream.is, video.src], ["closed", undefined]); // what was not attached yet is not looked for
});
