// The page: it opens with a token or a cookie, hears the news, and shows the parts.

import { ask, Feed } from "./api.js";
import { el, part, setText, show } from "./dom.js";
import { Drawing } from "./drawing.js";
import { Jobs } from "./jobs.js";
import { listenToKeys } from "./keys.js";
import { Later } from "./later.js";
import { expired, unreachable } from "./notices.js";
import { Services } from "./services.js";
import { readSettings } from "./settings.js";
import { makeState, take, takeJob, takeStale } from "./store.js";
import { Tabs } from "./tabs.js";
import { Timeline } from "./timeline.js";
import { TopLine } from "./topline.js";
import { Wall } from "./wall.js";

const TICK_MS = 1000;
const DISK_MS = 60_000;
const TOPICS = ["camera/", "service/", "stats/", "job_state/", "object/", "recording/"];
const NARROW = matchMedia("(max-width: 760px)");
const EXPIRED = 4401;
const SAID_MS = 6000;

class App {
  constructor() {
    this.state = makeState();
    this.settings = readSettings();
    this.asked = new Map();
    this.large = null;
    this.zone = "";
    this._ahead_s = 0;
    this._drawing = new Drawing((changed) => this._draw(changed));
    this._build();
  }

  _build() {
    const float = part("float");
    const later = (load) => new Later(this, load);
    this.shot = later(() => import("./shot.js").then(({ Shot }) => new Shot(this, float)));
    this.rangePanel = later(() => import("./range_panel.js").then(({ RangePanel }) => new RangePanel(this, float)));
    this.clip = later(() => import("./clip_player.js").then(({ ClipPlayer }) => new ClipPlayer(this, float)));
    this.help = later(() => import("./help.js").then(({ Help }) => new Help(float)));
    this.firstCamera = later(() => import("./first_camera.js"));
    this.lastWords = later(() => import("./last_words.js"));
    this._largeView = later(() => import("./large.js"));
    this._renewal = later(() => import("./renewal.js"));
    this._said = el("div", { class: "floating said-line", attrs: { role: "status" } });
    this._said.hidden = true;
    float.append(this._said);
    this.top = new TopLine(this);
    this.wall = new Wall(this, part("wall"));
    this.jobs = new Jobs(this, part("jobs"));
    this.services = new Services(this, part("services"));
    this.timeline = new Timeline(this, part("timeline"));
    this.onScale = () => this.rangePanel.part?.place();
    this._tabs = new Tabs(part("tabs"), () => (this.wall.layout(), this.timeline.tick()));
    this.showTab("live");
    listenToKeys(this);
    addEventListener("resize", this.onScale);
  }

  // Opening ---

  async start() {
    const token = new URLSearchParams(location.hash.slice(1)).get("token");
    if (token) history.replaceState(null, "", location.pathname + location.search);
    addEventListener("hashchange", () => location.hash.includes("token=") && location.reload());
    while (!(await this._enter(token))) await new Promise((done) => setTimeout(done, 1500));
  }

  async _enter(token) {
    try {
      if (token) await ask("POST", "api/session", { body: { token } });
      this._met(await ask("GET", "api/me"));
    } catch (error) {
      const isExpired = error.status === 401;
      this._cover(isExpired ? expired() : unreachable(error));
      this.state.link = { is: isExpired ? "expired" : "away", since_s: this.state.link.since_s || this.now_s() };
      this.top.render();
      return isExpired;
    }
    this._cover(null);
    this._listen();
    return true;
  }

  _met(me) {
    this.state.me = me;
    this.zone = me.timezone;
    this._ahead_s = me.now_at_s - Date.now() / 1000;
  }

  _listen() {
    this._feed = new Feed(TOPICS, {
      onNews: (told) => (Array.isArray(told) ? told : [told]).forEach((one) => this._take(one)),
      onLine: (is) => this._line(is),
      onRefused: ({ code }) => this._isRefused(code),
    });
    this._feed.open();
    this.fetchJobs();
    this._fetchDisk();
    setInterval(() => this._tick(), TICK_MS);
    setInterval(() => !document.hidden && this._fetchDisk(), DISK_MS);
    for (const name of ["online", "focus"]) addEventListener(name, () => this._feed.hurry());
    document.addEventListener("visibilitychange", () => !document.hidden && (this._feed.hurry(), this._tick()));
    this._tick();
  }

  _line(is) {
    if (this.state.link.is === is) return;
    this.state.link = { is, since_s: this.now_s() };
    document.body.classList.toggle("is-away", is !== "open");
    if (is === "open") {
      this.fetchJobs();
      this._eachTimeline((timeline) => timeline.recall.refresh());
    }
    this.touch("camera", "service", "job");
  }

  async _isRefused(code) {
    let isRefused = code === EXPIRED;
    if (!isRefused) await ask("GET", "api/me").then((me) => this._met(me), (error) => (isRefused = error.status === 401));
    if (isRefused) {
      this._line("expired");
      this._cover(expired());
    }
    return isRefused;
  }

  _cover(notice) {
    this._notice?.remove();
    this._notice = notice;
    if (notice) document.querySelector("main").prepend(notice);
    document.body.classList.toggle("is-covered", Boolean(notice));
  }

  // News ---

  _take(told) {
    if (told.hello) {
      const { now_at_s, version } = told.hello;
      this._ahead_s = now_at_s - Date.now() / 1000;
      if (version !== (this._version ??= version)) this._renewal.with(({ renew }) => renew(this));
      this._line("open");
    } else if (told.snapshot_done) {
      told.snapshot_done.forEach((prefix) => this.state.complete.add(prefix));
      this.touch("camera", "service", "job");
    } else if (told.stale) {
      takeStale(this.state, told.stale);
      this.touch("camera", "object");
    } else if (told.topic) {
      const { camera, captured_at_s } = told.body;
      const picture = this.camera === camera ? this.large?.picture : this.wall.pictureOf(camera);
      const wait_s = told.topic.startsWith("object/") ? picture?.untilShown_s(captured_at_s) : 0;
      if (wait_s > 0) this._drawing.later(() => this._takeNews(told), wait_s);
      else this._takeNews(told);
    }
  }

  _takeNews(news) {
    this.services.note(news.src);
    const what = take(this.state, news, this.now_s());
    if (what) this.touch(what);
    if (what === "service" && news.body.state !== "ready") this._drawing.now();
    if (what === "recording") this.timeline.recall.note(news.body);
    if (what === "object" && news.body.phase === "end") this._eachTimeline((timeline) => timeline.recall.noteObject(news.body));
  }

  _eachTimeline(act) {
    act(this.timeline);
    if (this.large) act(this.large.strip);
  }

  touch(...words) {
    this._drawing.touch(...words);
  }

  _draw(changed) {
    const has = (...words) => words.some((word) => changed.has(word));
    if (has("camera", "service", "object")) (this.large ?? this.wall).render();
    if (has("camera", "service", "job")) this.top.render();
    if (has("job")) this.jobs.render();
    if (has("service")) this.services.render();
  }

  _tick() {
    if (document.hidden) return;
    this.touch("camera", "service", "job");
    this._eachTimeline((timeline) => timeline.tick());
  }

  // Asked for ---

  async fetchJobs() {
    try {
      const params = [{ limit: 50 }, { type: "export", limit: 30 }, { type: "analysis", state: "succeeded", limit: 20 }]; // older, too
      const told = await Promise.all(params.map((one) => ask("GET", "api/jobs", { params: one })));
      told.flatMap(({ jobs }) => jobs).sort((a, b) => a.created_at_s - b.created_at_s).forEach((job) => takeJob(this.state, job, this.now_s()));
      this.touch("job");
    } catch {
      // the line tells by itself that the gateway is away
    }
  }

  async _fetchDisk() {
    this.state.disk = await ask("GET", "api/system").catch(() => this.state.disk);
  }

  // Words for the parts ---

  now_s() {
    return Date.now() / 1000 + this._ahead_s;
  }

  cameraNames() {
    const known = this.state.me?.cameras ?? [];
    const more = [...this.state.cameras.keys()].filter((name) => !known.includes(name)).sort();
    return [...known, ...more];
  }

  isNarrow() {
    return NARROW.matches;
  }

  say(text) {
    setText(this._said, text);
    show(this._said, true);
    clearTimeout(this._saidTimer);
    this._saidTimer = setTimeout(() => show(this._said, false), SAID_MS);
  }

  // Going about ---

  get camera() {
    return this.large?.name ?? null;
  }

  openCamera(name, at_s = null) {
    this._wanted = name;
    this._largeView.with(({ Large }) => {
      if (this._wanted !== name) return; // another one by now, or none
      if (this.large?.name !== name) {
        this.large?.close();
        this.wall.hide(true);
        part("large").hidden = false;
        this.large = new Large(this, part("large"), name);
      }
      if (at_s) this.large.seek(at_s);
      else this.large.goLive();
      this.showTab("live");
    });
  }

  closeCamera() {
    this._wanted = null;
    this.large?.close();
    this.large = null;
    part("large").hidden = true;
    this.wall.hide(false);
    this.wall.render();
    this.wall.layout();
  }

  /** Escape: the topmost thing goes; a card over the page goes by itself. */
  goBack() {
    if (this.rangePanel.isShown) this._eachTimeline((timeline) => timeline.setMarked(null));
    else if (this._wanted) this.closeCamera();
  }

  goTo(target) {
    const [what, name] = target.split(":");
    if (what === "camera") this.openCamera(name);
    else {
      this.showTab("jobs");
      const region = part(what === "service" ? "services" : "jobs");
      region.scrollIntoView({ block: "nearest" });
      region.querySelector("button, a")?.focus();
    }
  }

  showTab(name) {
    this._tabs.show(name);
  }
}

new App().start();
