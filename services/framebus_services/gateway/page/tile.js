// One camera on the wall: its picture, its name, the boxes of what moves, and what is not well with it.

import { el, keepRows, setAttribute, setClass, setText, show } from "./dom.js";
import { tint } from "./lanes.js";
import { LiveStream } from "./live.js";
import { address } from "./api.js";
import { newestUpload } from "./store.js";
import { isUpload, tileState } from "./tile_state.js";
import { lasting, sentence, spoken } from "./words.js";

const LAG_TOLD_S = 1;
const BOX_S = 1;
const HALF_PERIOD_S = 0.25;
const MOST_LATE_S = 3;
const SMALL_PX = 800;
const HIGH = 0.1; // no room above

/** The picture of a camera with what is drawn over it; the wall and the large view use it. */
export class Picture {
  constructor(app, name, isTile = false) {
    this._app = app;
    this.name = name;
    this.video = el("video", { class: "moving", attrs: { playsinline: "", tabindex: "-1", "aria-hidden": "true" } });
    this.video.muted = true;
    this._still = el("img", { class: "still", attrs: { alt: "" }, on: { error: () => this._still.removeAttribute("src"), load: () => this.isUpload && app.touch("camera") } });
    this._boxes = el("div", { class: "boxes", attrs: { "aria-hidden": "true" } });
    this._title = el("strong");
    this._text = el("span");
    this._notice = el("div", { class: "notice" }, this._title, this._text);
    this._preview = el("span", { class: "tag preview-tag", text: "preview pictures" });
    this._trouble = el("span", { class: "tag trouble-tag" });
    this.node = el("div", { class: "picture" }, this._still, this.video, this._boxes, this._notice, this._preview, this._trouble);
    this.isUpload = false;
    this._isKnown = false;
    this._isSeen = false;
    this.stream = new LiveStream(name, this.video, this._still, () => this.render(), () => (isTile && this.node.clientWidth <= SMALL_PX ? "small" : null));
    this._seen = new Map();
    this.render();
  }

  /** Open or close the stream, as somebody looks or nobody. */
  look(isSeen) {
    this._isSeen = isSeen;
    const wants = isSeen && this._isKnown && !this.isUpload;
    if (wants && this.stream.is === "closed") {
      if (!this._still.src) this._still.src = address(`api/cameras/${this.name}/snapshot.jpg`);
      this.stream.open();
    } else if (!wants) {
      this.stream.close();
    }
  }

  /** What it sends is files: there is no video, only the picture of the newest. */
  _renderUpload() {
    const camera = this._app.state.cameras.get(this.name);
    const is = isUpload(camera);
    if (is !== this.isUpload || Boolean(camera) !== this._isKnown) {
      this.isUpload = is;
      this._isKnown = Boolean(camera);
      this.look(this._isSeen);
    }
    const newest = is ? newestUpload(this._app.state, this.name)?.path : null;
    if (newest && newest !== this._newest) this._still.src = address(`api/exports/${newest}`);
    this._newest = newest;
  }

  /** Video comes later than news: how long until the box is nearer to what it frames than the one before it. */
  untilShown_s(captured_at_s) {
    return Math.min(MOST_LATE_S, captured_at_s + this.stream.late_s - this._app.now_s() - HALF_PERIOD_S);
  }

  /** width / height, as the stream or the camera says. */
  get ratio() {
    const { videoWidth, videoHeight } = this.video;
    if (videoWidth && videoHeight) return videoWidth / videoHeight;
    if (this.isUpload && this._still.naturalWidth) return this._still.naturalWidth / this._still.naturalHeight;
    const camera = this._app.state.cameras.get(this.name);
    return camera?.width && camera?.height ? camera.width / camera.height : 16 / 9;
  }

  render() {
    this._renderUpload();
    const { stream } = this;
    const told = tileState(this._app.state, this.name, this._app.now_s());
    const isDegraded = told.is === "degraded";
    const isFine = told.is === "live" || isDegraded;
    stream.check(isFine);
    this._tryVideo(isFine);
    const isPreview = stream.is === "preview";
    this.told = told;
    this.isLive = isFine && stream.isMoving;
    this.word = isFine ? stream.word : "";
    const mark = !isFine || this.isLive ? told.is : stream.is === "waiting" ? "waiting" : "opening";
    setClass(this.node, `picture is-${mark}${!isPreview && this.video.readyState >= 2 ? " has-video" : ""}`);
    setText(this._title, sentence(isFine ? this.word : told.title));
    setText(this._text, isFine ? "" : told.text);
    show(this._notice, !isFine || Boolean(this.word));
    show(this.video, !isPreview);
    show(this._preview, isFine && isPreview);
    setText(this._trouble, isDegraded ? told.title : "");
    show(this._trouble, isDegraded);
    setClass(this._trouble, `tag trouble-tag${told.needsYou ? " is-bad" : ""}`);
    this._drawBoxes();
  }

  /** Who shows preview pictures tries video again when the camera is back, or sends something else. */
  _tryVideo(isFine) {
    const camera = this._app.state.cameras.get(this.name);
    const sent = isFine ? `${camera.codec} ${camera.small_codec}` : "";
    if (sent && sent !== this._sent) this.stream.tryVideo();
    this._sent = sent;
  }

  _drawBoxes() {
    const objects = this.isLive && this._app.settings.boxes ? this._app.state.objects.get(this.name) : null;
    const camera = this._app.state.cameras.get(this.name);
    const now_s = this._app.now_s();
    const known = [...(objects?.values() ?? [])].filter((object) => now_s - object.heard_s <= BOX_S && (object.width || camera?.width));
    keepRows(this._boxes, this._seen, known.map(({ id }) => id), () => ({ node: el("div", {}, el("span")) }));
    for (const object of known) place(this._seen.get(object.id).node, object, object.width ? object : camera);
  }

  close() {
    this.stream.close();
    this.node.remove();
  }
}

function place(node, { label, score, box }, size) {
  const share = (length, whole) => `${((100 * length) / whole).toFixed(2)}%`; // to ask for pixels makes the browser lay out all
  Object.assign(node.style, { left: share(box.x, size.width), top: share(box.y, size.height), width: share(box.width, size.width), height: share(box.height, size.height) });
  setClass(node, `box tint-${tint(label)}${box.y < HIGH * size.height ? " is-high" : ""}`);
  setText(node.firstChild, `${label} ${Math.round(100 * score)}`);
}

/** A picture with its name, as a button that makes it large. */
export class Tile {
  constructor(app, name) {
    this._app = app;
    this.name = name;
    this.picture = new Picture(app, name, true);
    this._lag = el("span", { class: "lag" });
    const caption = el("span", { class: "tag name" }, el("span", { text: spoken(name) }), this._lag);
    this.node = el("button", { class: "tile", on: { click: () => app.openCamera(name) } }, this.picture.node, caption);
    this.render();
  }

  render() {
    this.picture.render();
    const camera = this._app.state.cameras.get(this.name);
    const lag_s = camera?.last_frame_at_s ? camera.at_s - camera.last_frame_at_s : 0;
    setText(this._lag, this.picture.isLive && lag_s > LAG_TOLD_S ? `${lasting(lag_s)} late` : "");
    const { is, title, text } = this.picture.told;
    const words = is === "degraded" ? title : this.picture.isLive ? "live" : is === "live" ? this.picture.word || "opening" : `${title} ${text}`.trim();
    setAttribute(this.node, "aria-label", `${spoken(this.name)}: ${words}`);
  }

  place({ x, y, width, height }) {
    Object.assign(this.node.style, { left: `${x}px`, top: `${y}px`, width: `${width}px`, height: `${height}px` });
  }

  close() {
    this.picture.close();
    this.node.remove();
  }
}
