// A card over the page: while it is there, the page behind it takes no keys and no focus.

import { el, iconButton } from "./dom.js";

export class Veil {
  /** `first` has the focus when it opens; `close` is asked to close it. */
  constructor(parent, label, close) {
    this.title = el("strong");
    this.closer = iconButton("cancel", "Close", close);
    this.head = el("div", { class: "panel-head" }, this.title, this.closer);
    this.node = el("div", { class: "veil", attrs: { role: "dialog", "aria-modal": "true", "aria-label": label }, on: { click: (event) => event.target === this.node && close() } });
    this.node.hidden = true;
    parent.append(this.node);
  }

  get isShown() {
    return !this.node.hidden;
  }

  open(first) {
    this._before = document.activeElement;
    this._show(true);
    first.focus();
  }

  close() {
    this._show(false);
    this._before?.focus?.();
  }

  _show(isShown) {
    this.node.hidden = !isShown;
    for (const node of document.querySelectorAll("#top, main, #tabs")) node.inert = isShown;
  }
}
