// Plays a clip that was made, over the page.

import { address } from "./api.js";
import { el, icon, setText } from "./dom.js";
import { jobTitle } from "./job_words.js";
import { playButton, showPlaying } from "./play_button.js";
import { Veil } from "./veil.js";

export class ClipPlayer {
  constructor(app, parent) {
    this._app = app;
    this._video = el("video", { attrs: { playsinline: "" }, on: { click: () => this.toggle() } });
    this._time = el("span", { class: "quiet" });
    this._seek = el("input", { class: "seek", attrs: { type: "range", min: "0", max: "1000", value: "0", "aria-label": "Place in the clip" }, on: { input: () => this._jump() } });
    this._play = playButton(() => this.toggle());
    this._download = el("a", { class: "icon-button", attrs: { download: "", "aria-label": "Download", title: "Download" } }, icon("download"));
    this._veil = new Veil(parent, "Clip", [" ", "ArrowLeft", "ArrowRight", "?"], () => this.close());
    this._veil.node.append(
      el("div", { class: "floating clip" }, this._veil.head, this._video, el("div", { class: "controls" }, this._play, this._seek, this._time, this._download)),
    );
    for (const name of ["timeupdate", "play", "pause", "loadedmetadata", "ended"]) this._video.addEventListener(name, () => this._render());
    this._video.addEventListener("error", () => this._video.src && setText(this._time, "this browser cannot play it; it can be downloaded"));
  }

  get isShown() {
    return this._veil.isShown;
  }

  open(file, job) {
    const { who, when } = jobTitle(job, this._app.asked.get(job.id), this._app.now_s(), this._app.zone);
    setText(this._veil.title, `${who}  ${when}`);
    this._video.src = address(`api/exports/${file}`);
    this._download.href = address(`api/exports/${file}`, { download: 1 });
    this._veil.open(this._play);
    this._video.play().catch(() => {});
    this._render();
  }

  close() {
    this._video.pause();
    this._video.removeAttribute("src");
    this._video.load();
    this._veil.close();
  }

  toggle() {
    if (this._video.paused) this._video.play().catch(() => {});
    else this._video.pause();
  }

  step(direction) {
    this._video.currentTime += 2 * direction;
  }

  _jump() {
    if (this._video.duration) this._video.currentTime = (Number(this._seek.value) / 1000) * this._video.duration;
  }

  _render() {
    const { currentTime, duration, paused } = this._video;
    showPlaying(this._play, !paused);
    if (!duration) return;
    this._seek.value = String(Math.round((1000 * currentTime) / duration));
    this._seek.style.setProperty("--done", `${(100 * currentTime) / duration}%`);
    setText(this._time, `${currentTime.toFixed(1)} of ${duration.toFixed(1)} s`);
  }
}
