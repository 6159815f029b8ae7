// The keys: what each does, and the card that tells.

import { coverPage, el, iconButton } from "./dom.js";

const TOLD = [
  ["1 – 9", "a camera, large; Escape goes back"],
  ["Space", "play, pause; from live, the last seconds"],
  ["← →", "step through time; with Shift further"],
  ["+ −", "zoom the timeline"],
  ["I  O", "mark where a clip begins and ends"],
  ["Enter", "make the clip"],
  ["L", "back to now"],
  ["J", "jobs"],
  ["B", "objects drawn, or not"],
  ["?", "this"],
];

export class Help {
  constructor(app, parent) {
    this._app = app;
    const rows = TOLD.flatMap(([key, what]) => [el("dt", {}, ...key.split("  ").map((one) => el("kbd", { text: one }))), el("dd", { text: what })]);
    this._close = iconButton("cancel", "Close", () => this.toggle());
    this.node = el(
      "div",
      { class: "veil", attrs: { role: "dialog", "aria-modal": "true", "aria-label": "Keys" }, on: { click: (event) => event.target === this.node && this.toggle() } },
      el("div", { class: "floating help" }, el("div", { class: "panel-head" }, el("strong", { text: "Keys" }), this._close), el("dl", {}, ...rows), el("p", { class: "quiet", text: "On the timeline: the wheel zooms, dragging marks a range, a click plays that moment. With fingers: pinch, drag; hold, then drag to mark." })),
    );
    this.node.hidden = true;
    parent.append(this.node);
  }

  toggle() {
    this.node.hidden = !this.node.hidden;
    coverPage(!this.node.hidden);
    if (!this.node.hidden) {
      this._before = document.activeElement;
      this._close.focus();
    } else {
      this._before?.focus?.();
    }
  }
}

/** Listens to the whole page; what is typed into a field stays there. */
export function listenToKeys(app) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches?.("input, textarea")) return;
    const act = ACTS[event.key] ?? (/^[1-9]$/.test(event.key) ? openNumber : null);
    if (!act) return;
    const isButton = event.target.matches?.("button, a[href]");
    if (isButton && (event.key === " " || event.key === "Enter")) return;
    if (act(app, event) !== false) event.preventDefault();
  });
}

const ACTS = {
  "?": (app) => app.help.toggle(),
  " ": (app) => (app.clip.isShown ? app.clip.toggle() : app.large ? app.large.toggle() : false),
  ArrowLeft: (app, event) => step(app, -1, event.shiftKey),
  ArrowRight: (app, event) => step(app, 1, event.shiftKey),
  "+": (app) => zoom(app, 1 / 1.5),
  "=": (app) => zoom(app, 1 / 1.5),
  "-": (app) => zoom(app, 1.5),
  i: (app) => app.timeline.markEnd("in"),
  o: (app) => app.timeline.markEnd("out"),
  Enter: (app) => (app.rangePanel.isShown ? void app.rangePanel.make() : false),
  Escape: (app) => app.goBack(),
  j: (app) => app.goTo("jobs"),
  l: (app) => (app.large ? app.large.goLive() : app.timeline.goToNow()),
  b: (app) => app.top.toggleBoxes(),
};

function openNumber(app, event) {
  const name = app.cameraNames()[Number(event.key) - 1];
  if (!name) return false;
  app.openCamera(name);
  return true;
}

function step(app, direction, isLong) {
  if (app.clip.isShown) app.clip.step(direction);
  else if (app.large) app.large.step(direction, isLong);
  else app.timeline.step(isLong ? 5 * direction : direction);
}

function zoom(app, factor) {
  app.timeline.zoomAt(app.timeline.scale.width_px / 2, factor);
}
