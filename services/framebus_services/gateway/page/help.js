// The card that tells what each key does.

import { el } from "./dom.js";
import { Veil } from "./veil.js";

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
  constructor(parent) {
    const rows = TOLD.flatMap(([key, what]) => [el("dt", {}, ...key.split("  ").map((one) => el("kbd", { text: one }))), el("dd", { text: what })]);
    this._veil = new Veil(parent, "Keys", ["?"], () => this.toggle());
    this._veil.title.textContent = "Keys";
    this._veil.node.append(el("div", { class: "floating help" }, this._veil.head, el("dl", {}, ...rows), el("p", { class: "quiet", text: "On the timeline: the wheel zooms, dragging marks a range, a click plays that moment. With fingers: pinch, drag; hold, then drag to mark." })));
  }

  get isShown() {
    return this._veil.isShown;
  }

  toggle() {
    if (this.isShown) this._veil.close();
    else this._veil.open(this._veil.closer);
  }
}
