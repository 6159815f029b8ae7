// What the timeline remembers of the past: fetched for what is in view, at the detail that can be seen.

import { ask } from "./api.js";
import { merge } from "./lanes.js";
import { length, secondsPerPixel } from "./scale.js";

const WAIT_MS = 140;
const MAX_EVENTS = 500;
const SINGLE_S = 6 * 3600;
const FRESH_S = 30;

export class Recall {
  constructor(app, onChange) {
    this._app = app;
    this._onChange = onChange;
    this._cameras = new Map();
    this._timer = 0;
  }

  /** {spans, events, buckets} of a camera, as far as they are known. */
  of(camera) {
    return this._cameras.get(camera) ?? EMPTY;
  }

  /** See to it that what this scale shows will be known. */
  want(cameras, scale) {
    clearTimeout(this._timer);
    this._timer = setTimeout(() => cameras.forEach((camera) => this._load(camera, scale)), WAIT_MS);
  }

  /** Something new may stand at the end: fetched when it is wanted again. */
  refresh() {
    for (const known of this._cameras.values()) known.isOld = true;
  }

  /** An object has ended: where each is drawn by itself, its end tells all that there is to know. */
  noteObject({ camera, id, label, since_at_s, captured_at_s, zones }) {
    const known = this._cameras.get(camera);
    if (known?.asked) known.isOld = true;
    else if (known && !known.buckets) known.events = [...known.events, { id, label, zones, start_at_s: since_at_s, end_at_s: captured_at_s, picture_url: `api/events/${camera}/${id}.jpg` }];
  }

  note({ camera, start_at_s, duration_s }) {
    const known = this._cameras.get(camera);
    if (known) known.spans = merge([...known.spans, { start_at_s, end_at_s: start_at_s + duration_s }], known.merge_s);
  }

  async _load(camera, scale) {
    const now_s = this._app.now_s();
    const known = this.of(camera);
    const merge_s = Math.max(1, secondsPerPixel(scale));
    if (covers(known, scale, merge_s, now_s)) return;
    const start = Math.floor(scale.start_s - 0.5 * length(scale));
    const end = Math.ceil(Math.min(now_s + 1, scale.end_s + 0.5 * length(scale)));
    if (end <= start) return;
    const asked = { start_s: start, end_s: end, merge_s, at_s: now_s };
    if (known.asked && known.asked.start_s <= scale.start_s && known.asked.end_s >= Math.min(now_s, scale.end_s) && known.asked.merge_s === merge_s && now_s - known.asked.at_s < 1) return;
    this._cameras.set(camera, { ...known, asked, isOld: false });
    try {
      const [recorded, seen] = await Promise.all([
        ask("GET", "api/recordings", { params: { camera, start, end, merge_s: merge_s.toFixed(3) } }),
        this._events(camera, start, end, secondsPerPixel(scale)),
      ]);
      const now = this.of(camera);
      if (now.asked !== asked) return;
      const spans = merge(recorded.spans, merge_s);
      this._cameras.set(camera, { ...asked, spans, oldest_at_s: recorded.oldest_at_s, ...seen, asked: null, isOld: now.isOld });
      this._onChange();
    } catch {
      const now = this.of(camera);
      if (now.asked === asked) this._cameras.set(camera, { ...now, asked: null, isOld: true });
    }
  }

  /** Each object where they can be told apart, else how many seconds of each piece something moved. */
  async _events(camera, start, end, pixel_s) {
    if (end - start <= SINGLE_S) {
      const { events, more } = await ask("GET", "api/events", { params: { camera, start, end, limit: MAX_EVENTS } });
      if (!more) return { events, buckets: null };
    }
    const bucket_s = Math.max(3 * pixel_s, (end - start) / 1900);
    const { buckets } = await ask("GET", "api/events", { params: { camera, start, end, bucket_s: bucket_s.toFixed(3) } });
    return { events: [], buckets: buckets.map((one) => ({ start_at_s: one.at_s, end_at_s: one.at_s + bucket_s, share: Math.min(1, one.seconds / bucket_s) })) };
  }
}

const EMPTY = { spans: [], events: [], buckets: null, start_s: 0, end_s: 0, merge_s: Infinity, at_s: 0, asked: null, isOld: true };

function covers(known, scale, merge_s, now_s) {
  if (known.start_s > scale.start_s || known.merge_s > 1.5 * merge_s || known.merge_s < merge_s / 8) return false;
  if (known.end_s < Math.min(scale.end_s, known.at_s)) return false;
  const showsNow = scale.end_s > known.end_s;
  return !showsNow || (!known.isOld && now_s - known.at_s < FRESH_S);
}
