// Live video of one camera: fragments by WebSocket into the browser's decoder; preview pictures where it can't.

import { socketAddress } from "./api.js";

const AGAIN_MS = 1_500;
const LATER_MS = 10_000;
const BEHIND_S = 1.6;
const LATE_S = 0.7;
const NEAR_S = 0.25;
const FASTER = 1.08;
const DRIFT_S = 0.0005;
const KEPT_S = 8;
const MAX_WAITING = 64;
const QUIET_MS = 1_500;
const SOON_MS = 700; // what takes no longer needs no word
const NOT_THIS_WAY = 4415;
const NO_MORE = 4401;
const NOT_NOW = [4403, 4404, 4429];

/** Shows a camera in `video`, or in the image `preview` without the codec, while it is open; `size()`: small, or null. */
export class LiveStream {
  constructor(camera, video, preview, onChange, size) {
    this._camera = camera;
    this._size = size;
    this._video = video;
    this._image = preview;
    this._onChange = onChange;
    this._is = "closed";
    this._socket = null;
    this._timer = 0;
    this._source = null;
    this._buffer = null;
    this._waiting = [];
    this._url = "";
    this._pieces = 0;
    this._hasPlayed = false;
    video.addEventListener("playing", () => this._moves());
  }

  /** closed, opening, playing, waiting for pictures that do not come, or preview: pictures once a second. */
  get is() {
    return this._is;
  }

  /** Why there is no picture yet, or none any more. */
  get word() {
    if (this._is === "closed" || this.isMoving || performance.now() - this._since_ms < SOON_MS) return "";
    if (this._is !== "opening") return "no pictures come";
    if (this._socket?.readyState !== WebSocket.OPEN) return this._hasPlayed ? "reconnecting" : "connecting";
    return this._pieces > 1 ? "opening" : "waiting for a key frame"; // the first piece tells only how to read the others
  }

  get isMoving() {
    return this._is === "playing" || Boolean(this._preview?.isThere);
  }

  open() {
    if (this._is !== "closed") return;
    this._become("opening");
    this._connect();
  }

  close() {
    if (this._is === "closed") return;
    clearTimeout(this._timer);
    this._become("closed");
    this._drop();
    if (this._url) {
      this._video.removeAttribute("src"); // not attached yet: the browser would look for it in vain
      this._video.load();
    }
    this._release();
  }

  /** From preview pictures back to video, if it comes by now. */
  tryVideo() {
    if (this._is !== "preview") return;
    clearTimeout(this._timer);
    this._drop();
    this._become("opening");
    this._connect();
  }

  _moves() {
    if (this._is === "opening" && this._buffer && !this._video.paused && this._video.readyState >= 3) this._become("playing");
  }

  /** Pictures that do not come any more are not live, nor is the last one of a camera that has gone meanwhile. */
  check(isThere) {
    if (this._is === "playing" && (!isThere || performance.now() - this._heard_ms > QUIET_MS)) this._become("waiting");
  }

  /** How long after its capture the picture is shown: what came fastest had no delay but the way. */
  get late_s() {
    return this._is === "playing" ? Math.max(0, Date.now() / 1000 - this._ahead_s - this._video.currentTime) : 0;
  }

  _connect() {
    const socket = new WebSocket(socketAddress(`live/${this._camera}`, { size: this._size() }));
    socket.binaryType = "arraybuffer";
    this._socket = socket;
    this._pieces = 0;
    socket.addEventListener("message", ({ data }) => {
      if (socket !== this._socket) return;
      if (typeof data === "string") this._begin(JSON.parse(data));
      else this._take(data);
    });
    socket.addEventListener("close", ({ code }) => socket === this._socket && this._closed(code));
  }

  _closed(code) {
    if (code === NOT_THIS_WAY) this._showPreview();
    else if (code === NO_MORE) this.close(); // the feed is told the same, and shows how to come in again
    else this._again(NOT_NOW.includes(code) ? LATER_MS : AGAIN_MS);
  }

  _showPreview() {
    this._drop();
    this._become("preview");
    import("./preview.js").then(
      ({ Preview }) => this._is === "preview" && (this._preview ??= new Preview(this._camera, this._image)),
      () => this._is === "preview" && (this._timer = setTimeout(() => this._showPreview(), LATER_MS)),
    );
  }

  _again(wait_ms = AGAIN_MS) {
    this._drop();
    if (this._is === "closed" || this._is === "preview") return;
    this._become("opening");
    clearTimeout(this._timer);
    this._timer = setTimeout(() => this._is === "opening" && !this._socket && this._connect(), wait_ms);
  }

  _begin({ codec, waiting }) {
    if (waiting && this._is === "playing") this._become("waiting");
    if (!codec) return;
    const kind = `video/mp4; codecs="${codec}"`;
    if (!globalThis.MediaSource?.isTypeSupported(kind)) return this._showPreview();
    const source = new MediaSource();
    this._release();
    this._buffer = null;
    this._waiting = [];
    this._pieces = 0;
    this._source = source;
    this._ahead_s = Infinity;
    this._url = URL.createObjectURL(source);
    this._video.src = this._url;
    source.addEventListener("sourceopen", () => {
      if (source !== this._source) return;
      this._release(); // it is attached; an address that stays would keep it for ever
      this._buffer = source.addSourceBuffer(kind);
      this._buffer.addEventListener("updateend", () => (this._pump(), this._follow()));
      this._buffer.addEventListener("error", () => this._again());
      this._pump();
    });
  }

  _take(data) {
    this._heard_ms = performance.now();
    this._pieces += 1;
    if (this._is === "waiting" && this._buffer) this._become("playing");
    this._waiting.push(data);
    if (this._waiting.length > MAX_WAITING) this._again();
    else this._pump();
  }

  _pump() {
    const buffer = this._buffer;
    if (!buffer || buffer.updating || this._source.readyState !== "open") return;
    const { buffered, currentTime } = this._video;
    try {
      if (this._waiting.length) buffer.appendBuffer(this._waiting.shift());
      else if (buffered.length && currentTime - buffered.start(0) > 2 * KEPT_S) buffer.remove(0, currentTime - KEPT_S);
    } catch {
      this._again();
    }
  }

  /** Stay at the newest picture: a tab that slept, or a stall, must not show the past as now. */
  _follow() {
    const video = this._video;
    const { buffered } = video;
    if (!this._buffer || !buffered.length) return;
    const end_s = buffered.end(buffered.length - 1);
    const start_s = buffered.start(buffered.length - 1);
    const behind_s = end_s - video.currentTime;
    if (!this._waiting.length) this._ahead_s = Math.min(this._ahead_s + DRIFT_S, Date.now() / 1000 - end_s);
    const rate = behind_s > LATE_S ? FASTER : behind_s < NEAR_S ? 1 : video.playbackRate;
    if (video.currentTime < start_s || behind_s > BEHIND_S) video.currentTime = Math.max(start_s, end_s - NEAR_S);
    else if (video.playbackRate !== rate) video.playbackRate = rate;
    if (video.paused && end_s > start_s) video.play().catch(() => {});
    this._moves();
  }

  _drop() {
    const socket = this._socket;
    this._socket = null;
    socket?.close();
    this._preview?.close();
    this._preview = null;
    this._waiting = [];
    this._buffer = null;
    this._source = null;
    this._video.pause();
  }

  _release() {
    if (this._url) URL.revokeObjectURL(this._url);
    this._url = "";
  }

  _become(is) {
    if (this._is === is) return;
    this._is = is;
    this._since_ms = performance.now();
    this._hasPlayed ||= is === "playing";
    this._onChange(is);
  }
}
