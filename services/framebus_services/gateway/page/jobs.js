// The list of jobs: where each is, honestly, and what can be done about it.

import { address, ask } from "./api.js";
import { el, icon, iconButton, keepRows, setAttribute, setClass, setText, show } from "./dom.js";
import { jobState, jobTitle } from "./job_words.js";
import { FINAL, jobsListed } from "./store.js";
import { counted } from "./words.js";

const SHOWN = 40;
const SHOWN_WHOLE = 120;

class JobRow {
  constructor(app, id) {
    this._app = app;
    this.id = id;
    this._picture = el("img", { attrs: { alt: "", loading: "lazy" } });
    this._who = el("strong");
    this._when = el("span", { class: "when" });
    this._text = el("span", { class: "state" });
    this._percent = el("span", { class: "percent" });
    this._code = el("span", { class: "code" });
    this._fill = el("div", { class: "fill" });
    this._bar = el("div", { class: "bar", attrs: { role: "progressbar", "aria-valuemin": "0", "aria-valuemax": "100" } }, this._fill);
    this._actions = el("div", { class: "actions" });
    this.node = el(
      "li",
      { class: "job" },
      el("div", { class: "thumb" }, this._picture, icon("clip")),
      el("div", {}, el("div", { class: "job-line" }, this._who, this._when, this._code), el("div", { class: "job-line" }, this._text, this._percent), this._bar),
      this._actions,
    );
    this._shown = "";
  }

  render(job, board) {
    const now_s = this._app.now_s();
    const told = jobState(job, board, now_s, this._app.zone);
    const { who, when } = jobTitle(job, this._app.asked.get(job.id), now_s, this._app.zone);
    setText(this._who, who);
    setText(this._when, when);
    setText(this._text, told.text);
    setText(this._percent, told.percent === null ? "" : `${Math.round(told.percent)} %`);
    setText(this._code, job.state === "failed" || job.state === "dead" ? (job.error?.code ?? "") : "");
    setClass(this.node, `job tone-${told.tone}${told.isSilent ? " is-silent" : ""} state-${job.state}`);
    show(this._bar, told.percent !== null);
    if (told.percent !== null) this._renderBar(told.percent, `${who} ${when}: ${told.text}`);
    this._renderPicture(job);
    this._renderActions(job);
  }

  _renderBar(percent, label) {
    setAttribute(this._bar, "aria-valuenow", String(Math.round(percent)));
    setAttribute(this._bar, "aria-label", label);
    this._fill.style.transform = `scaleX(${percent / 100})`;
  }

  _renderPicture(job) {
    const name = (job.result?.files ?? []).find((file) => file.endsWith(".jpg"));
    const url = name ? address(`api/exports/${name}`) : "";
    if (this._url === url) return;
    this._url = url;
    if (url) this._picture.src = url;
    else this._picture.removeAttribute("src");
  }

  _renderActions(job) {
    const can = this._app.state.me?.can_export;
    const wanted = `${job.state} ${job.cancelling} ${can}`;
    if (this._shown === wanted) return;
    this._shown = wanted;
    this._actions.replaceChildren(...this._buttons(job, can));
  }

  _buttons(job, can) {
    const name = job.camera ?? job.type;
    if (job.state === "succeeded") {
      const clip = (job.result?.files ?? []).find((file) => file.endsWith(".mp4"));
      if (!clip) return [];
      const download = el("a", { class: "icon-button", attrs: { href: address(`api/exports/${clip}`, { download: 1 }), download: "", "aria-label": `Download the clip of ${name}`, title: "Download" } }, icon("download"));
      return [iconButton("play", `Play the clip of ${name}`, () => this._app.clip.with((player) => player.open(clip, job))), download];
    }
    if (!can) return [];
    if (FINAL.has(job.state)) return [iconButton("retry", `Try the job of ${name} again`, () => this._do("POST", `api/jobs/${job.id}/retry`, {}))];
    if (job.cancelling || job.state === "publishing") return [];
    return [iconButton("cancel", `Cancel the job of ${name}`, () => this._do("DELETE", `api/jobs/${job.id}`, {}))];
  }

  async _do(method, path, body) {
    try {
      const told = await ask(method, path, { body });
      if (method === "POST" && told?.id) this._app.asked.set(told.id, this._app.asked.get(this.id));
      this._app.fetchJobs();
    } catch (error) {
      this._app.say(error.message);
    }
  }
}

export class Jobs {
  constructor(app, node) {
    this._app = app;
    this._rows = new Map();
    this._queue = el("span", { class: "aside" });
    this._isWhole = false;
    this._more = el("button", { class: "more link-button", on: { click: () => this._toggle() } });
    this._list = el("ul");
    this._empty = el("p", { class: "empty" });
    node.append(el("header", {}, el("h2", { text: "Jobs", attrs: { id: "jobs-title" } }), this._queue), this._more, this._list, this._empty);
  }

  _toggle() {
    this._isWhole = !this._isWhole;
    this.render();
  }

  render() {
    const { jobs: listed, more } = jobsListed(this._app.state, this._isWhole);
    const jobs = listed.slice(0, this._isWhole ? SHOWN_WHOLE : SHOWN);
    keepRows(this._list, this._rows, jobs.map((job) => job.id), (id) => new JobRow(this._app, id));
    for (const job of jobs) this._rows.get(job.id).render(job, this._app.state.boards.get(job.type));
    this._renderMore(more);
    this._renderQueue();
    show(this._empty, !jobs.length);
    const can = this._app.state.me?.can_export;
    setText(this._empty, can === false ? "No jobs. Your link may look; clips are made by an administrator." : "No jobs yet. Drag over the timeline to make a clip.");
  }

  /** Who wants to see or cancel the rest of a long line. */
  _renderMore(more) {
    show(this._more, more > 0);
    setText(this._more, this._isWhole ? "Only those that come next" : `${more} more wait: list them`);
  }

  _renderQueue() {
    const said = [];
    for (const board of this._app.state.boards.values()) {
      const { running, waiting, free, resting_until_at_s } = board.queue;
      if (running) said.push(`${running} at work`);
      if (waiting) said.push(`${counted(waiting, "waits", "wait")}`);
      if (free === 0) said.push("the queue is full");
      if (resting_until_at_s > this._app.now_s()) said.push("resting");
    }
    setText(this._queue, said.join(" · "));
  }
}
