// Pointer, wheel and pinch on the timeline, as what they mean: look, open, mark, move, zoom.

const SLACK_PX = 4;
const HOLD_MS = 320;
const WHEEL = 0.0016;

/** `target` is told: hover, click, mark, panBy, zoomAt. A mouse drags to mark; a finger drags to move, held it marks. */
export class Gestures {
  constructor(node, target) {
    this._node = node;
    this._target = target;
    this._points = new Map();
    this._is = "";
    this._from = null;
    this._hold = 0;
    const listen = (name, handle, options) => node.addEventListener(name, handle, options);
    listen("pointerdown", (event) => this._down(event));
    listen("pointermove", (event) => this._move(event));
    listen("pointerup", (event) => this._up(event));
    listen("pointercancel", (event) => this._cancel(event));
    listen("pointerleave", () => this._is === "" && target.hover(null));
    listen("wheel", (event) => this._wheel(event), { passive: false });
    listen("contextmenu", (event) => this._is === "mark" && event.preventDefault());
  }

  get isBusy() {
    return this._is !== "";
  }

  _at(event) {
    const box = this._node.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }

  _down(event) {
    if (event.button !== 0) return;
    const at = this._at(event);
    this._node.setPointerCapture(event.pointerId);
    this._points.set(event.pointerId, at);
    if (this._points.size === 2) {
      this._begin("pinch");
      return;
    }
    this._from = at;
    this._is = "press";
    this._isTouch = event.pointerType === "touch";
    this._isPan = event.shiftKey;
    clearTimeout(this._hold);
    if (this._isTouch) this._hold = setTimeout(() => this._is === "press" && this._begin("mark"), HOLD_MS);
  }

  _begin(what) {
    clearTimeout(this._hold);
    this._is = what;
    this._target.hover(null);
    if (what === "mark" && this._isTouch) navigator.vibrate?.(8);
  }

  _move(event) {
    const at = this._at(event);
    const before = this._points.get(event.pointerId);
    if (!before) {
      if (event.pointerType !== "touch") this._target.hover(at.x, at.y);
      return;
    }
    this._points.set(event.pointerId, at);
    if (this._is === "press" && Math.hypot(at.x - this._from.x, at.y - this._from.y) > SLACK_PX) {
      this._begin(this._isTouch || this._isPan ? "pan" : "mark");
    }
    if (this._is === "pan") this._target.panBy(before.x - at.x);
    else if (this._is === "mark") this._target.mark(this._from, at, false);
    else if (this._is === "pinch") this._pinch(event.pointerId, before, at);
  }

  _pinch(id, before, at) {
    const other = [...this._points.entries()].find(([key]) => key !== id)?.[1];
    if (!other) return;
    const was = Math.max(8, Math.abs(before.x - other.x));
    const is = Math.max(8, Math.abs(at.x - other.x));
    this._target.zoomAt((at.x + other.x) / 2, was / is);
  }

  _up(event) {
    clearTimeout(this._hold);
    const at = this._at(event);
    const was = this._is;
    this._points.delete(event.pointerId);
    if (was === "pinch" && this._points.size) return;
    this._is = "";
    if (was === "press") this._target.click(at.x, at.y);
    else if (was === "mark") this._target.mark(this._from, at, true);
  }

  _cancel(event) {
    clearTimeout(this._hold);
    this._points.delete(event.pointerId);
    this._is = "";
  }

  _wheel(event) {
    event.preventDefault();
    const { x } = this._at(event);
    const unit = event.deltaMode === 1 ? 24 : 1;
    if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) this._target.panBy(event.deltaX * unit);
    else if (event.shiftKey) this._target.panBy(event.deltaY * unit);
    else this._target.zoomAt(x, Math.exp(event.deltaY * unit * WHEEL));
  }
}
