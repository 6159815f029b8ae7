// The processes on their bus: how each is, and how a death is mended.

import { el, keepRows, setAttribute, setClass, setText, show } from "./dom.js";
import { mending } from "./tile_state.js";
import { lasting, size } from "./words.js";

const TOLD_S = 60;
const TENTH_MS = 100;
const CALM = matchMedia("(prefers-reduced-motion: reduce)");

/** How a service died, in words. */
function death(service) {
  if (service.hung_s) return `hung: no beat for ${lasting(service.hung_s)}`;
  if (service.signal) return `signal ${service.signal}`;
  if (service.exit_code != null) return `exit ${service.exit_code}`;
  return service.reason;
}

class Capsule {
  constructor(app, name) {
    this._app = app;
    this.name = name;
    this._wire = el("span", { class: "wire", attrs: { "aria-hidden": "true" } });
    this._label = el("span", { class: "capsule-name", text: name });
    this._counter = el("span", { class: "counter" });
    this._note = el("span", { class: "note" });
    this._use = el("span", { class: "use" });
    this._more = el("button", { class: "link-button", text: "last words", attrs: { "aria-expanded": "false" }, on: { click: () => app.lastWords.with((words) => words.toggle(this.node, this._more, app.state.services.get(name))) } });
    this.node = el("li", { class: "service" }, this._wire, el("span", { class: "capsule" }, this._label, this._counter), this._note, this._more, this._use);
  }

  render(service) {
    const now_s = this._app.now_s();
    const isDown = service.down_s !== null;
    const word = mending(service);
    const back = backWords(service, now_s);
    const isDegraded = service.state === "ready" && service.reason && !back;
    setClass(this.node, `service is-${service.state}${isDown && service.state !== "broken" ? " is-down" : ""}${back ? " is-back" : ""}${isDegraded ? " is-complaining" : ""}`);
    setText(this._note, isDown ? [word, death(service)].filter(Boolean).join(", ") : back || (isDegraded ? service.reason : word));
    setText(this._use, service.state === "ready" && !back && !isDegraded ? `${service.cpu_percent.toFixed(0)} %  ${size(service.rss_bytes)}` : "");
    this.count(service);
    show(this._more, service.state === "broken" || this._more.ariaExpanded === "true");
    const whole = `${this.name}: ${this._note.textContent || "well"}`; // there may be no room for it
    for (const name of ["aria-label", "title"]) setAttribute(this.node, name, whole);
  }

  /** Tenths of a second since it went down. */
  count(service) {
    const isCounting = service.down_s !== null && service.state !== "broken";
    setText(this._counter, isCounting ? `${Math.max(0, this._app.now_s() - service.down_s).toFixed(1)} s` : "");
  }

  /** Line weight: what was heard of it a second, on a scale where each step is ten times as much. */
  weigh(rate_hz) {
    const px = Math.min(5, 1 + Math.round(1.6 * Math.log10(1 + rate_hz)));
    if (this._px === px) return;
    this._px = px;
    this._wire.style.height = `${px}px`;
  }
}

function backWords(service, now_s) {
  if (service.state !== "ready" || !service.back_after_s || now_s - service.since_at_s > TOLD_S) return "";
  return `back after ${lasting(service.back_after_s)}, ${death(service)}`;
}

export class Services {
  constructor(app, node) {
    this._app = app;
    this._capsules = new Map();
    this._list = el("ul", { class: "bus" });
    this._aside = el("span", { class: "aside" });
    node.append(el("header", {}, el("h2", { text: "Services", attrs: { id: "services-title" } }), this._aside), this._list);
    this._heard = new Map();
    this._timer = 0;
    setInterval(() => this._weigh(), 1000);
  }

  /** Something was heard of a process. */
  note(src) {
    this._heard.set(src, (this._heard.get(src) ?? 0) + 1);
  }

  render() {
    const services = [...this._app.state.services.values()];
    keepRows(this._list, this._capsules, this._inOrder(), (name) => new Capsule(this._app, name));
    for (const service of services) this._capsules.get(service.name).render(service);
    const ready = services.filter((service) => service.state === "ready").length;
    setText(this._aside, services.length ? `${ready} of ${services.length} ready` : "");
    this._count(services.some((service) => service.down_s !== null && service.state !== "broken"));
  }

  _inOrder() {
    const cameras = this._app.cameraNames();
    const rank = (name) => (name === "dispatcher" ? 0 : name.startsWith("capture@") ? 3 : name === "gateway" ? 2 : 1);
    const place = (name) => cameras.indexOf(name.split("@")[1]);
    return [...this._app.state.services.keys()].sort((a, b) => rank(a) - rank(b) || place(a) - place(b) || a.localeCompare(b));
  }

  /** A counter in tenths runs only while something is down, and somebody likes it to run. */
  _count(isNeeded) {
    clearInterval(this._timer);
    if (!isNeeded || CALM.matches) return;
    this._timer = setInterval(() => {
      for (const [name, capsule] of this._capsules) capsule.count(this._app.state.services.get(name));
    }, TENTH_MS);
  }

  _weigh() {
    for (const [name, capsule] of this._capsules) capsule.weigh(this._heard.get(name) ?? 0);
    this._heard.clear();
  }
}
