// The timeline: a lane for each camera; zoom, hover, and a range that is marked by dragging.

import { el, setText } from "./dom.js";
import { Recall } from "./recall.js";
import { AXIS_PX, drawTimeline, follows, readColours } from "./timeline_draw.js";
import { endingAt, length, makeScale, pan, toTime, zoom } from "./scale.js";
import { Gestures } from "./gestures.js";
import { isUpload } from "./tile_state.js";
import { day, minute, spoken } from "./words.js";

const LANE_PX = 44;
const LEAST_LANE_PX = 28;
const SHARE = 0.3;
const START_S = 900;
const OPEN_SPAN_S = 20;
const STEP_PX = 40;
const DARK = matchMedia("(prefers-color-scheme: dark)");
const LENGTHS = [["1 min", 60], ["15 min", 900], ["1 h", 3600], ["1 d", 86400], ["30 d", 30 * 86400]];

export class Timeline {
  constructor(app, node, only = null, height = LANE_PX) {
    this._app = app;
    this._only = only;
    this._mostPx = height;
    this._lanePx = height;
    this.node = node;
    this.marked = null;
    this.played_s = null;
    this._pointer = null;
    this._frame = 0;
    this._colours = readColours();
    this.recall = new Recall(app, () => this.redraw());
    this.canvas = el("canvas", { attrs: { tabindex: "0", role: "application", "aria-label": "Timeline: arrows move it, plus and minus zoom, I and O mark, Enter makes a clip" } });
    this._names = el("div", { class: "lane-names" });
    this._field = el("div", { class: "lane-field" }, this.canvas);
    this._build();
    const now_s = app.now_s();
    this.scale = makeScale(now_s - START_S, now_s, 600);
    this._isFollowing = true;
    this._gestures = new Gestures(this.canvas, this);
    new ResizeObserver(() => this._resize()).observe(this._field);
    this._onScheme = () => this.recolour();
    DARK.addEventListener("change", this._onScheme);
  }

  close() {
    DARK.removeEventListener("change", this._onScheme);
  }

  _build() {
    this._when = el("span", { class: "aside" });
    this._lengths = LENGTHS.map(([text, length_s]) => el("button", { class: "chip", text, on: { click: () => this.show(length_s) } }));
    this._now = el("button", { class: "chip", text: "Now", on: { click: () => this.goToNow() } });
    if (!this._only) this.node.append(el("header", {}, el("h2", { text: "Timeline" }), this._when, el("div", { class: "chips" }, ...this._lengths, this._now)));
    this.node.append(el("div", { class: "lanes" }, this._names, this._field));
  }

  get cameras() {
    return this._only ? [this._only] : this._app.cameraNames().filter((name) => !isUpload(this._app.state.cameras.get(name)));
  }

  // What is shown ---

  tick() {
    this._renderNames();
    if (this._isFollowing && !this._gestures.isBusy) this.scale = endingAt(this.scale, this._app.now_s());
    this._want();
    this.redraw();
  }

  redraw() {
    this._frame ||= requestAnimationFrame(() => this._draw());
  }

  recolour() {
    this._colours = readColours();
    this.redraw();
  }

  /** Lanes are as tall as a third of the window has room for. */
  _fitLanes() {
    const room = this._app.isNarrow() ? Infinity : (SHARE * innerHeight - AXIS_PX) / Math.max(1, this.cameras.length);
    this._lanePx = Math.max(Math.min(LEAST_LANE_PX, this._mostPx), Math.min(this._mostPx, Math.floor(room)));
    this.node.style.setProperty("--lane", `${this._lanePx}px`);
  }

  _resize() {
    const width = this._field.clientWidth;
    if (!width || width === this.scale.width_px) return;
    this.scale = makeScale(this.scale.start_s, this.scale.end_s, width);
    this._fitLanes();
    this.tick();
  }

  _want() {
    if (this._field.clientWidth && !document.hidden) this.recall.want(this.cameras, this.scale);
  }

  _draw() {
    this._frame = 0;
    if (!this._field.clientWidth) return;
    const now_s = this._app.now_s();
    const lanes = this.cameras.map((camera) => this._lane(camera, now_s));
    this.canvas.style.height = `${AXIS_PX + lanes.length * this._lanePx}px`;
    drawTimeline(this.canvas, {
      scale: this.scale, lanes, lanePx: this._lanePx, colours: this._colours, zone: this._app.zone, now_s,
      marked: this.marked ?? (this._only ? this._app.timeline.marked : null), pointer_s: this._pointer?.at_s, played_s: this.played_s,
    });
    this._renderHead();
  }

  /** What is recorded by now reaches up to now, and what is seen now is an object already. */
  _lane(camera, now_s) {
    const known = this.recall.of(camera);
    const status = this._app.state.cameras.get(camera);
    const spans = [...known.spans];
    const last = spans.at(-1);
    if (status?.is_recording && !status.stale && last && now_s - last.end_at_s < OPEN_SPAN_S) spans.push({ start_at_s: last.end_at_s, end_at_s: now_s });
    const here = [...(this._app.state.objects.get(camera)?.values() ?? [])];
    const open = here.map((object) => ({ ...object, start_at_s: object.since_at_s, end_at_s: object.captured_at_s }));
    return { camera, spans, events: [...known.events, ...open].sort((a, b) => a.start_at_s - b.start_at_s), buckets: known.buckets, isBare: known.oldest_at_s === null && !spans.length };
  }

  _renderNames() {
    const names = this.cameras;
    const wanted = names.join();
    if (this._namesShown === wanted) return;
    this._namesShown = wanted;
    this._fitLanes();
    this._names.replaceChildren(...names.map((name) => el("button", { class: "lane-name", text: spoken(name), attrs: { title: name }, on: { click: () => this._app.openCamera(name) } })));
    this.node.classList.toggle("is-empty", !names.length);
  }

  _renderHead() {
    const { start_s, end_s } = this.scale;
    const { zone } = this._app;
    const oneDay = day(start_s, zone) === day(end_s, zone);
    setText(this._when, oneDay ? `${day(start_s, zone)} ${minute(start_s, zone)} – ${minute(end_s, zone)}` : `${day(start_s, zone)} – ${day(end_s, zone)}`);
    this._lengths.forEach((button, n) => button.setAttribute("aria-pressed", String(Math.abs(length(this.scale) - LENGTHS[n][1]) < 0.02 * LENGTHS[n][1])));
    this._now.setAttribute("aria-pressed", String(this._isFollowing));
  }

  // Moving about ---

  zoomAt(x, factor) {
    const now_s = this._app.now_s();
    const isAtEnd = this._isFollowing && x > 0.97 * this.scale.width_px;
    this.scale = zoom(this.scale, x, factor, now_s);
    this._settle(isAtEnd);
  }

  panBy(pixels) {
    this.scale = pan(this.scale, pixels, this._app.now_s());
    this._settle(false);
  }

  step(direction) {
    this.panBy(direction * STEP_PX);
  }

  show(length_s) {
    const now_s = this._app.now_s();
    const middle_s = this.played_s ?? (this.scale.start_s + this.scale.end_s) / 2;
    const end_s = this._isFollowing ? now_s : Math.min(middle_s + length_s / 2, now_s);
    this.scale = makeScale(end_s - length_s, end_s, this.scale.width_px);
    this._settle(this._isFollowing);
  }

  goToNow() {
    this.scale = endingAt(this.scale, this._app.now_s());
    this._settle(true);
  }

  /** Bring a moment into view. */
  reveal(at_s) {
    if (at_s > this.scale.start_s && at_s < this.scale.end_s) return;
    this.scale = endingAt(this.scale, Math.min(this._app.now_s(), at_s + length(this.scale) / 2));
    this._settle(false);
  }

  _settle(isFollowing) {
    this._isFollowing = isFollowing || follows(this.scale, this._app.now_s());
    this._want();
    this.redraw();
    this._app.onScale?.(this);
  }

  // The pointer ---

  hover(x, y) {
    const now_s = this._app.now_s();
    this._pointer = x === null ? null : { at_s: Math.min(now_s, toTime(this.scale, x)), camera: this.cameraAt(y) };
    const camera = this._pointer?.camera;
    this._tellShot(camera && this._lane(camera, now_s).events, x);
    this.redraw();
  }

  _tellShot(events, x) {
    if (events?.length || this._app.shot.isShown) this._app.shot.with((shot) => shot.show(events, this, x));
  }

  /** {at_s, camera} under the pointer, else what is played. */
  get pointer() {
    return this._pointer ?? { at_s: this.played_s, camera: null };
  }

  /** Whose lane it is. */
  cameraAt(y) {
    const lane = Math.floor((y - AXIS_PX) / this._lanePx);
    return this.cameras[Math.min(this.cameras.length - 1, Math.max(0, lane))] ?? null;
  }

  click(x, y) {
    const camera = this.cameraAt(y);
    this._tellShot(null);
    if (camera) this._app.openCamera(camera, Math.min(this._app.now_s(), toTime(this.scale, x)));
  }

  /** While a range is being dragged, and when it is. */
  mark(from, to, isDone) {
    this._app.rangePanel.with((panel) => panel.mark(this, from, to, isDone));
  }

  setMarked(marked, isDone) {
    this.marked = marked;
    this._tellShot(null);
    this.redraw();
    if (marked || this._app.rangePanel.isShown) this._app.rangePanel.with((panel) => (isDone || !marked ? panel.show(this) : panel.tease(this)));
  }
}
