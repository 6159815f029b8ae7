// What floats over the timeline under the pointer: an object's best picture, its label, when and where it was.

import { el, setText, show } from "./dom.js";
import { tint } from "./lanes.js";
import { secondsPerPixel } from "./scale.js";
import { clock, lasting, spoken } from "./words.js";

const WIDTH_PX = 220;
const EDGE_PX = 8;
const REACH_PX = 5;

/** The object at a moment, or the nearest within `reach_s`; the shorter of two wins. */
export function eventAt(events, at_s, reach_s) {
  let best = null;
  let bestScore = Infinity;
  for (const event of events) {
    const away_s = Math.max(0, event.start_at_s - at_s, at_s - event.end_at_s);
    if (away_s > reach_s) continue;
    const score = away_s * 1e6 + (event.end_at_s - event.start_at_s);
    if (score < bestScore) [best, bestScore] = [event, score];
  }
  return best;
}

export class Shot {
  constructor(app, parent) {
    this._app = app;
    this._picture = el("img", { attrs: { alt: "" } });
    this._label = el("strong");
    this._when = el("span");
    this._where = el("span");
    this._swatch = el("i", { class: "swatch" });
    this.node = el("div", { class: "floating shot", attrs: { "aria-hidden": "true" } }, this._picture, el("div", { class: "shot-words" }, el("span", {}, this._swatch, this._label), this._when, this._where));
    this.node.hidden = true;
    this._picture.addEventListener("error", () => show(this._picture, false));
    parent.append(this.node);
  }

  get isShown() {
    return !this.node.hidden;
  }

  /** The one of these objects that stands under the pointer, if any. */
  show(events, { canvas, scale, pointer }, x) {
    const event = events && eventAt(events, pointer.at_s, REACH_PX * secondsPerPixel(scale));
    show(this.node, Boolean(event));
    if (!event) return;
    if (this._id !== event.id) this._fill(event);
    const box = canvas.getBoundingClientRect();
    const left = Math.min(innerWidth - WIDTH_PX - EDGE_PX, Math.max(EDGE_PX, box.left + x - WIDTH_PX / 2));
    this.node.style.left = `${left}px`;
    this.node.style.bottom = `${innerHeight - box.top + EDGE_PX}px`;
  }

  _fill(event) {
    this._id = event.id;
    this._swatch.className = `swatch tint-${tint(event.label)}`;
    setText(this._label, event.label);
    setText(this._when, `${clock(event.start_at_s, this._app.zone)} · ${lasting(event.end_at_s - event.start_at_s)}`);
    setText(this._where, (event.zones ?? []).map(spoken).join(", "));
    show(this._where, Boolean(event.zones?.length));
    show(this._picture, Boolean(event.picture_url));
    if (event.picture_url) this._picture.src = new URL(event.picture_url, document.baseURI).href;
    else this._picture.removeAttribute("src");
  }
}
