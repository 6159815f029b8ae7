// When the page is drawn: all that changed together, four times a second, for each time has its price.

const PERIOD_MS = 250;

export class Drawing {
  /** `draw` is given the words of what changed. */
  constructor(draw) {
    this._draw = draw;
    this._changed = new Set();
    this._early = [];
    this._timer = 0;
  }

  /** Something of this sort changed: drawn soon. */
  touch(...words) {
    words.forEach((word) => this._changed.add(word));
    this._soon();
  }

  /** What is over before the next drawing would not be seen. */
  now() {
    clearTimeout(this._timer);
    this._now();
  }

  /** Do it with the drawing that is nearest to `wait_s` from now. */
  later(act, wait_s) {
    this._early.push({ act, due_ms: performance.now() + 1000 * wait_s - PERIOD_MS / 2 });
    this._soon();
  }

  _soon() {
    if (!document.hidden) this._timer ||= setTimeout(() => this._now(), PERIOD_MS - (performance.now() % PERIOD_MS));
  }

  _now() {
    this._timer = 0;
    const now_ms = performance.now();
    const early = this._early;
    this._early = early.filter((one) => one.due_ms > now_ms);
    early.forEach((one) => one.due_ms <= now_ms && one.act());
    const changed = this._changed;
    this._changed = new Set();
    if (changed.size) this._draw(changed);
    if (this._early.length) this._soon();
  }
}
