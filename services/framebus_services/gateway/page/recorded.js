// Plays a camera's recordings from a moment on, one segment after another, up to now.

import { address, ask } from "./api.js";

const AHEAD_S = 120;
const BEFORE_S = 2;
const GROWN_S = 0.3;

export class Recorded {
  constructor(app, camera, video, { onState }) {
    this._app = app;
    this._camera = camera;
    this._video = video;
    this._onState = onState;
    this._segments = [];
    this._segment = null;
    this._turn = 0;
    this._isOpen = false;
    video.addEventListener("ended", () => this._isOpen && this._next());
    video.addEventListener("error", () => this._isOpen && this._segment && video.hasAttribute("src") && this._next());
    for (const name of ["playing", "pause"]) video.addEventListener(name, () => this._isOpen && this._onState(name));
  }

  /** The moment that is shown, seconds since 1970. */
  get at_s() {
    return this._segment ? this._segment.start_at_s + this._video.currentTime : null;
  }

  /** Go to a moment; where nothing was recorded, to the next that was. */
  async seek(at_s) {
    this._isOpen = true;
    const turn = (this._turn += 1);
    if (this._segment && !this._segment.is_open && at_s >= this._segment.start_at_s && at_s < this._segment.end_at_s) {
      this._video.currentTime = at_s - this._segment.start_at_s;
      return;
    }
    let segment = this._find(at_s);
    if (!segment || segment.is_open) {
      await this._fetch(at_s);
      if (turn !== this._turn) return;
      segment = this._find(at_s) ?? this._segments.find((one) => one.start_at_s >= at_s);
    }
    if (!segment) {
      this._onState("nothing");
      return;
    }
    this._play(segment, Math.max(0, at_s - segment.start_at_s));
  }

  close() {
    this._turn += 1;
    this._isOpen = false;
    this._segment = null;
    this._video.pause();
    if (!this._video.hasAttribute("src")) return;
    this._video.removeAttribute("src"); // or the browser holds on to the connection
    this._video.load();
  }

  _find(at_s) {
    return this._segments.find((one) => at_s >= one.start_at_s - 0.05 && at_s < one.end_at_s);
  }

  async _fetch(at_s) {
    const params = { camera: this._camera, start: Math.floor(at_s - BEFORE_S), end: Math.ceil(Math.min(this._app.now_s() + 1, at_s + AHEAD_S)), limit: 500 };
    try {
      const told = await ask("GET", "api/recordings", { params });
      this._segments = told.segments;
    } catch (error) {
      this._app.say(error.message);
    }
  }

  _play(segment, offset_s) {
    this._segment = segment;
    const video = this._video;
    video.src = address("").replace(/[^/]*$/, "") + segment.url.replace(/^\//, "");
    video.addEventListener("loadedmetadata", () => segment === this._segment && (video.currentTime = offset_s), { once: true });
    video.play().catch(() => {});
  }

  /** At the end of a file: on with it, where it was still being written, or with the next. */
  async _next() {
    const reached_s = Math.max(this.at_s, this._segment.start_at_s);
    const old = this._segment;
    const turn = (this._turn += 1);
    await this._fetch(reached_s);
    if (turn !== this._turn || !this._isOpen) return;
    const grown = this._segments.find((one) => one.start_at_s === old.start_at_s && one.end_at_s - reached_s > GROWN_S && old.is_open);
    const next = grown ?? this._segments.find((one) => one.start_at_s > old.start_at_s && one.end_at_s > reached_s + GROWN_S);
    if (next) this._play(next, Math.max(0, reached_s - next.start_at_s));
    else this._onState("end");
  }
}
