// The line at the top: one sentence about the whole, the clock, and the few tools.

import { el, icon, iconButton, part, setClass, setText } from "./dom.js";
import { writeSettings } from "./settings.js";
import { steady, summary } from "./summary.js";
import { clock } from "./words.js";

export class TopLine {
  constructor(app) {
    this._app = app;
    this._node = part("summary");
    this._mark = el("span", { class: "mark", attrs: { "aria-hidden": "true" } });
    this._text = el("span", { class: "words" });
    this._spoken = el("span", { class: "unseen", attrs: { role: "status" } });
    this._node.append(this._mark, this._text);
    this._node.after(this._spoken);
    this._node.addEventListener("click", (event) => {
      event.preventDefault();
      if (this._target) app.goTo(this._target);
    });
    this._boxes = iconButton("boxes", "Show objects", () => this.toggleBoxes());
    part("tools").append(this._boxes, iconButton("help", "Keys and help", () => app.help.with((help) => help.toggle())));
    this._renderBoxes();
  }

  toggleBoxes() {
    this._app.settings.boxes = !this._app.settings.boxes;
    writeSettings(this._app.settings);
    this._renderBoxes();
    (this._app.large ?? this._app.wall).render();
  }

  _renderBoxes() {
    const isOn = this._app.settings.boxes;
    this._boxes.setAttribute("aria-pressed", String(isOn));
    this._boxes.title = isOn ? "Objects are drawn" : "Objects are not drawn";
  }

  render() {
    const { level, text, target } = summary(this._app.state, this._app.now_s());
    this._target = target;
    setText(this._text, text);
    if (steady(text) !== steady(this._spoken.textContent)) setText(this._spoken, text);
    setClass(this._node, `level-${level}`);
    if (target) this._node.setAttribute("href", "#");
    else this._node.removeAttribute("href");
    if (this._level !== level) {
      this._level = level;
      this._mark.replaceChildren(...(level === "well" || level === "quiet" ? [] : [icon("warning")]));
    }
    setText(part("clock"), clock(this._app.now_s(), this._app.zone));
    setText(document.querySelector("title"), level === "bad" ? `${text} – framebus` : "framebus");
  }
}
