// Plays a clip that was made, over the page.

import { address } from "./api.js";
import { coverPage, el, icon, iconButton, setIcon, setText } from "./dom.js";
import { jobTitle } from "./job_words.js";

export class ClipPlayer {
  constructor(app, parent) {
    this._app = app;
    this._video = el("video", { attrs: { playsinline: "" }, on: { click: () => this.toggle() } });
    this._title = el("strong");
    this._time = el("span", { class: "quiet" });
    this._seek = el("input", { class: "seek", attrs: { type: "range", min: "0", max: "1000", value: "0", "aria-label": "Place in the clip" }, on: { input: () => this._jump() } });
    this._play = iconButton("play", "Play", () => this.toggle());
    this._download = el("a", { class: "icon-button", attrs: { download: "", "aria-label": "Download", title: "Download" } }, icon("download"));
    this.node = el(
      "div",
      { class: "veil", attrs: { role: "dialog", "aria-modal": "true", "aria-label": "Clip" }, on: { click: (event) => event.target === this.node && this.close() } },
      el(
        "div",
        { class: "floating clip" },
        el("div", { class: "panel-head" }, this._title, iconButton("cancel", "Close", () => this.close())),
        this._video,
        el("div", { class: "controls" }, this._play, this._seek, this._time, this._download),
      ),
    );
    this.node.hidden = true;
    for (const name of ["timeupdate", "play", "pause", "loadedmetadata", "ended"]) this._video.addEventListener(name, () => this._render());
    this._video.addEventListener("error", () => this._video.src && setText(this._time, "this browser cannot play it; it can be downloaded"));
    parent.append(this.node);
  }

  get isShown() {
    return !this.node.hidden;
  }

  open(file, job) {
    this._before = document.activeElement;
    const { who, when } = jobTitle(job, this._app.asked.get(job.id), this._app.now_s(), this._app.zone);
    setText(this._title, `${who}  ${when}`);
    this._video.src = address(`api/exports/${file}`);
    this._download.href = address(`api/exports/${file}`, { download: 1 });
    this.node.hidden = false;
    coverPage(true);
    this._play.focus();
    this._video.play().catch(() => {});
    this._render();
  }

  close() {
    this._video.pause();
    this._video.removeAttribute("src");
    this._video.load();
    this.node.hidden = true;
    coverPage(false);
    this._before?.focus?.();
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
    setIcon(this._play, paused ? "play" : "pause", paused ? "Play" : "Pause");
    if (!duration) return;
    this._seek.value = String(Math.round((1000 * currentTime) / duration));
    this._seek.style.setProperty("--done", `${(100 * currentTime) / duration}%`);
    setText(this._time, `${currentTime.toFixed(1)} of ${duration.toFixed(1)} s`);
  }
}
