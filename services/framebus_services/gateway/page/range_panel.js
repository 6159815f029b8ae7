// What a marked range would give as a clip, and the one button that makes it.

import { ask } from "./api.js";
import { el, iconButton, setText, show } from "./dom.js";
import { toTime } from "./scale.js";
import { clock, counted, day, lasting, moment, size, spoken } from "./words.js";

const PLAN_MS = 150;
const EDGE_PX = 12;
const WIDTH_PX = 304;

/** From and to, the day only where it is not today. */
export function range(start_s, end_s, now_s, zone = "") {
  return `${moment(start_s, now_s, zone)} – ${day(start_s, zone) === day(end_s, zone) ? clock(end_s, zone) : moment(end_s, now_s, zone)}`;
}

/** The plans of several cameras as the panel's rows. */
export function planRows(plans, marked) {
  const bytes = plans.reduce((sum, plan) => sum + plan.size_bytes, 0);
  const gaps = plans.flatMap((plan) => plan.gaps);
  const missing_s = gaps.reduce((sum, gap) => sum + gap.end_at_s - gap.start_at_s, 0);
  const earlier_s = Math.max(...plans.map((plan) => marked.start_s - plan.start_at_s));
  const longest_s = Math.max(...plans.map((plan) => plan.duration_s));
  const rows = [["Length", lasting(longest_s)], ["Size", `about ${size(bytes)}`]];
  rows.push(["Gaps", gaps.length ? `${counted(gaps.length, "gap")}, ${lasting(missing_s)} missing` : "none"]);
  if (earlier_s > 0.05) rows.push(["Starts", `${lasting(earlier_s)} earlier, at the key frame`]);
  return rows;
}

export class RangePanel {
  constructor(app, parent) {
    this._app = app;
    this._title = el("strong");
    this._when = el("span", { class: "quiet" });
    this._rows = el("dl");
    this._said = el("p", { class: "said", attrs: { role: "status" } });
    this._make = el("button", { class: "primary", on: { click: () => this.make() } }, el("span", { text: "Make clip" }), el("kbd", { text: "Enter" }));
    this.node = el(
      "div",
      { class: "floating panel", attrs: { role: "dialog", "aria-label": "The marked range" } },
      el("div", { class: "panel-head" }, this._title, iconButton("cancel", "Forget the range", () => this._timeline?.setMarked(null))),
      this._when, this._rows, this._said, this._make,
    );
    this.node.hidden = true;
    this._timer = 0;
    this._turn = 0;
    parent.append(this.node);
  }

  get isShown() {
    return !this.node.hidden;
  }

  /** From one point to another, on all lanes between. */
  mark(timeline, from, to, isDone) {
    const { cameras, scale } = timeline;
    const lanes = [from, to].map(({ y }) => cameras.indexOf(timeline.cameraAt(y))).sort((a, b) => a - b);
    const ends = ordered(toTime(scale, from.x), toTime(scale, to.x), this._app.now_s());
    timeline.setMarked({ ...ends, cameras: cameras.slice(lanes[0], lanes[1] + 1) }, isDone);
  }

  /** One end of the range, by a key. */
  markEnd(timeline, which) {
    const { pointer } = timeline;
    const camera = pointer.camera ?? this._app.camera ?? timeline.cameras[0];
    const at_s = pointer.at_s ?? this._app.now_s();
    if (!camera) return;
    const old = timeline.marked ?? { start_s: at_s - 10, end_s: at_s, cameras: [camera] };
    const ends = which === "in" ? { start_s: at_s, end_s: Math.max(old.end_s, at_s + 1) } : { start_s: Math.min(old.start_s, at_s - 1), end_s: at_s };
    timeline.setMarked({ ...ends, cameras: old.cameras }, true);
  }

  /** While the pointer still drags: only how long it is. */
  tease(timeline) {
    if (!timeline.marked) return;
    this._open(timeline);
    const { start_s, end_s } = timeline.marked;
    this._rows.replaceChildren(...row("Length", lasting(end_s - start_s)));
    setText(this._said, "");
    this._make.disabled = true;
  }

  show(timeline) {
    clearTimeout(this._timer);
    if (!timeline.marked) {
      this._turn += 1;
      show(this.node, false);
      return;
    }
    this._open(timeline);
    this._timer = setTimeout(() => this._plan(), PLAN_MS);
  }

  _open(timeline) {
    this._timeline = timeline;
    const { start_s, end_s, cameras } = timeline.marked;
    setText(this._title, cameras.map(spoken).join(", "));
    setText(this._when, range(start_s, end_s, this._app.now_s(), this._app.zone));
    show(this.node, true);
    this.place();
  }

  place() {
    if (this.node.hidden || this._app.isNarrow()) return;
    const box = this._timeline.canvas.getBoundingClientRect();
    const { scale, marked } = this._timeline;
    const middle = box.left + (((marked.start_s + marked.end_s) / 2 - scale.start_s) / (scale.end_s - scale.start_s)) * scale.width_px;
    const left = Math.min(innerWidth - WIDTH_PX - EDGE_PX, Math.max(EDGE_PX, middle - WIDTH_PX / 2));
    this.node.style.left = `${left}px`;
    this.node.style.bottom = `${innerHeight - box.top + EDGE_PX}px`;
  }

  async _plan() {
    const { marked } = this._timeline;
    const turn = (this._turn += 1);
    this._make.disabled = true;
    setText(this._said, "");
    const asked = marked.cameras.map((camera) => ask("POST", "api/plan", { body: order(camera, marked) }));
    const told = await Promise.allSettled(asked);
    if (turn !== this._turn) return;
    const plans = told.filter((one) => one.status === "fulfilled").map((one) => one.value);
    const refused = told.filter((one) => one.status === "rejected").map((one) => one.reason);
    this._orders = asked.flatMap((_, n) => (told[n].status === "fulfilled" ? [{ ...order(marked.cameras[n], marked), id: drawId() }] : []));
    this._rows.replaceChildren(...(plans.length ? planRows(plans, marked).flatMap(([word, text]) => row(word, text)) : []));
    setText(this._said, this._remark(refused, plans));
    show(this._make, this._app.state.me?.can_export !== false);
    this._make.disabled = !plans.length;
    this.place();
  }

  _remark(refused, plans) {
    if (this._app.state.me?.can_export === false) return "Your link may look, not make clips.";
    if (!refused.length) return "";
    const why = refused[0].code === "no_source" ? "Nothing was recorded here." : refused[0].message;
    return plans.length ? `${counted(refused.length, "camera")} left out. ${why}` : why;
  }

  async make() {
    if (this._make.disabled || this._make.hidden || this.node.hidden) return;
    this._make.disabled = true;
    const orders = this._orders;
    try {
      while (orders.length) {
        const [body] = orders;
        const told = await ask("POST", "api/jobs", { body });
        this._app.asked.set(told.id, body.params);
        orders.shift(); // what was accepted is not asked for again
      }
      this._timeline.setMarked(null);
      this._app.fetchJobs();
      this._app.showTab("jobs");
    } catch (error) {
      const wait = error.retry_after_s ? ` Try again in ${lasting(error.retry_after_s)}.` : "";
      setText(this._said, `${error.message}${wait}`);
      this._make.disabled = false;
    }
  }
}

function order(camera, { start_s, end_s }) {
  return { type: "export", params: { camera, start: start_s, end: end_s, allow_gaps: true } };
}

/** An id of one's own: who presses again without an answer asks for the same job. (randomUUID wants https.) */
function drawId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function row(word, text) {
  return [el("dt", { text: word }), el("dd", { text })];
}

/** From and to in order, within what has happened. */
export function ordered(a_s, b_s, latest_s) {
  const [start_s, end_s] = a_s < b_s ? [a_s, b_s] : [b_s, a_s];
  return { start_s: Math.min(start_s, latest_s), end_s: Math.min(end_s, latest_s) };
}
