// A card over the page: while it is there, the page behind it takes no keys and no focus.

import { el, iconButton } from "./dom.js";

export class Veil {
  /** `close` is asked to close it; of what is typed the page hears only `keys`. */
  constructor(parent, label, keys, close) {
    this.title = el("strong");
    this.closer = iconButton("cancel", "Close", close);
    this.head = el("div", { class: "panel-head" }, this.title, this.closer);
    this.node = el("dialog", {
      class: "veil",
      attrs: { "aria-label": label, tabindex: "-1" }, // or a press beside its buttons would give the keys to the page
      on: {
        click: (event) => event.target === this.node && close(),
        cancel: (event) => (event.preventDefault(), close()),
        keydown: (event) => keys.includes(event.key) || event.stopPropagation(),
      },
    });
    parent.append(this.node);
  }

  get isShown() {
    return this.node.open;
  }

  /** `first` has the focus; whatever had it before has it again when it closes. */
  open(first) {
    if (!this.isShown) this.node.showModal();
    first.focus();
  }

  close() {
    this.node.close();
  }
}
