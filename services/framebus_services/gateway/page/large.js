// One camera, large: live or a recorded moment, with its own strip of time, a picture to keep, and why it is as it is.

import { address } from "./api.js";
import { el, iconButton, setClass, setText, show } from "./dom.js";
import { playButton, showPlaying } from "./play_button.js";
import { Recorded } from "./recorded.js";
import { Picture } from "./tile.js";
import { tileState } from "./tile_state.js";
import { Timeline } from "./timeline.js";
import { why } from "./why.js";
import { moment, spoken } from "./words.js";

const STRIP_S = 300;
const STRIP_PX = 34;
const LONG_STEP_S = 60;
const STEP_S = 5;

export class Large {
  constructor(app, node, name) {
    this._app = app;
    this.name = name;
    this.node = node;
    this.picture = new Picture(app, name);
    this._past = el("video", { class: "past", attrs: { playsinline: "", "aria-label": `Recording of ${spoken(name)}` } });
    this._recorded = new Recorded(app, name, this._past, { onState: (is) => this._note(is) });
    this._state = el("span", { class: "tag where" });
    this._why = el("p", { class: "why" });
    this._play = playButton(() => this.toggle());
    this._live = el("button", { class: "chip", text: "Live", on: { click: () => this.goLive() } });
    this._strip = el("div", { class: "strip" });
    this._build();
    this.strip = new Timeline(app, this._strip, name, STRIP_PX);
    this.strip.show(STRIP_S);
    this._isLive = true;
    this._onHidden = () => this._look();
    document.addEventListener("visibilitychange", this._onHidden);
    this.goLive();
  }

  _build() {
    const stage = el("div", { class: "stage" }, this.picture.node, this._past, el("span", { class: "tag name", text: spoken(this.name) }), this._state);
    this._stage = stage;
    const tools = el(
      "div",
      { class: "controls" },
      iconButton("back", "Back to all cameras", () => this._app.closeCamera()),
      this._play, this._live,
      el("span", { class: "spring" }),
      iconButton("snapshot", "Keep this picture", () => this._keep()),
    );
    this.node.replaceChildren(stage, this._strip, el("div", { class: "large-foot" }, tools, this._why));
    this._past.addEventListener("timeupdate", () => this._tell());
    new ResizeObserver(() => this._shape()).observe(stage);
    this.picture.video.addEventListener("loadedmetadata", () => this._shape());
  }

  /** The picture stands in its own shape; boxes are drawn over it and nothing beside it. */
  _shape() {
    const { clientWidth: wide, clientHeight: tall } = this._stage;
    const ratio = this.picture.ratio;
    const width = Math.round(Math.min(wide, tall * ratio));
    this._stage.style.setProperty("--picture-width", `${width}px`);
    this._stage.style.setProperty("--picture-height", `${Math.round(width / ratio)}px`);
  }

  // Live or recorded ---

  goLive() {
    this._isLive = true;
    this._recorded.close();
    this._shown(null);
    this.strip.goToNow();
    this._look();
    this.render();
  }

  /** Play what was recorded at a moment. */
  async seek(at_s) {
    if (this.picture.isUpload || at_s > this._app.now_s() - 1) {
      this.goLive();
      return;
    }
    this._isLive = false;
    this._look();
    this.render();
    this._shown(at_s);
    await this._recorded.seek(at_s);
    this.render();
  }

  step(direction, isLong) {
    const at_s = this._isLive ? this._app.now_s() : (this._recorded.at_s ?? this._app.now_s());
    this.seek(at_s + direction * (isLong ? LONG_STEP_S : STEP_S));
  }

  toggle() {
    if (this._isLive) this.seek(this._app.now_s() - STEP_S);
    else if (this._past.paused) this._past.play().catch(() => {});
    else this._past.pause();
  }

  get at_s() {
    return this._isLive ? null : this._recorded.at_s;
  }

  _note(is) {
    if (is === "end") this.goLive();
    this._nothing = is === "nothing";
    this.render();
  }

  _tell() {
    if (this._isLive) return;
    this._shown(this._recorded.at_s);
    this.render();
  }

  _shown(at_s) {
    for (const timeline of [this.strip, this._app.timeline]) {
      timeline.played_s = at_s;
      if (at_s && timeline === this.strip) timeline.reveal(at_s);
      timeline.redraw();
    }
  }

  _look() {
    this.picture.look(this._isLive && !document.hidden);
  }

  // What is said ---

  render() {
    this.picture.render();
    this.node.classList.toggle("is-files", this.picture.isUpload);
    const told = tileState(this._app.state, this.name, this._app.now_s());
    const live = this.picture.isLive ? "live" : told.is === "live" ? this.picture.word || "opening" : told.title;
    const past = this._nothing ? "nothing was recorded here" : `recorded ${moment(this._recorded.at_s ?? 0, this._app.now_s(), this._app.zone)}`;
    setText(this._state, this._isLive ? live : past);
    setClass(this._stage, `stage ${this._isLive ? "shows-live" : "shows-past"}`);
    this._live.setAttribute("aria-pressed", String(this._isLive));
    showPlaying(this._play, this._isLive || !this._past.paused);
    const preview = this._isLive && this.picture.stream.is === "preview" ? "Preview pictures, one a second: the video does not play in this browser · " : "";
    setText(this._why, preview + why(this._app.state, this.name, this._app.now_s()));
    show(this._past, !this._isLive);
    this._shape();
  }

  /** The picture as it is shown, as a file. */
  _keep() {
    const video = this._isLive ? this.picture.video : this._past;
    const at = new Date(1000 * (this.at_s ?? this._app.now_s())).toISOString().slice(0, 19).replaceAll(":", "-");
    const name = `${this.name}_${at}.jpg`;
    if (!video.videoWidth) {
      el("a", { attrs: { href: address(`api/cameras/${this.name}/snapshot.jpg`), download: name } }).click();
      return;
    }
    const canvas = el("canvas");
    Object.assign(canvas, { width: video.videoWidth, height: video.videoHeight });
    canvas.getContext("2d").drawImage(video, 0, 0);
    canvas.toBlob((blob) => {
      const url = URL.createObjectURL(blob);
      el("a", { attrs: { href: url, download: name } }).click();
      setTimeout(() => URL.revokeObjectURL(url), 10_000);
    }, "image/jpeg", 0.92);
  }

  close() {
    this.node.classList.remove("is-files");
    document.removeEventListener("visibilitychange", this._onHidden);
    this._recorded.close();
    this._shown(null);
    if (this.strip.marked) this.strip.setMarked(null);
    this.strip.close();
    this.picture.close();
    this.node.replaceChildren();
  }
}
