// Parts of the page that are fetched when they are first wanted, so that the first view is light.

import { address } from "./api.js";
import { el } from "./dom.js";

const AFTER_MS = 10_000; // what is here can be used while the gateway is away

let style = null;

function styled() {
  style ??= new Promise((load, error) => document.head.append(el("link", { attrs: { rel: "stylesheet", href: address("page/later.css") }, on: { load, error } })));
  style.catch(() => (style = null)); // who wants it again asks again
  return style;
}

/** A part that `load` imports and makes. */
export class Later {
  constructor(app, load) {
    this._app = app;
    this._load = () => Promise.all([load(), styled()]);
    this.part = null;
    setTimeout(() => this.fetch().catch(() => {}), AFTER_MS);
  }

  get isShown() {
    return Boolean(this.part?.isShown);
  }

  fetch() {
    this._coming ??= this._load().then(([made]) => (this.part = made));
    this._coming.catch(() => (this._coming = null));
    return this._coming;
  }

  /** Do it with the part: at once where it is here, else as soon as it is. */
  with(act) {
    if (this.part) act(this.part);
    else this.fetch().then(act, () => this._app.say("framebus does not answer. Try again."));
  }
}
