// One sentence about the whole: all well, or the worst thing and where it is. No DOM.

import { cause, mending as trouble, tileState } from "./tile_state.js";
import { counted, roughly, sentence, size, spoken } from "./words.js";

const LITTLE_BYTES = 2e9;
const STUCK_S = 5;

/** {level, text, target}: level well, mending or bad; target names what the sentence links to. */
export function summary(state, now_s) {
  for (const find of [byLink, byService, byDisk, byCamera, byQueue, byMending]) {
    const found = find(state, now_s);
    if (found) return found;
  }
  return { level: "well", text: allWell(state), target: null };
}

/** A sentence without what only counts on: it stays the same until something happens. */
export function steady(text) {
  return text.replace(/([\d.]+ (s|min|h|days?|[KMGT]B)\b ?)+/g, "");
}

function byLink(state, now_s) {
  if (state.link.is === "expired") return bad("This link is not valid any more", null);
  if (state.link.is === "open") return null;
  if (!state.link.since_s) return { level: "quiet", text: "Opening", target: null };
  return mending(`No connection to framebus for ${roughly(now_s - state.link.since_s)}; trying again`, null);
}

function byService(state) {
  const broken = [...state.services.values()].filter((service) => service.state === "broken");
  if (!broken.length) return null;
  const [first] = broken;
  const more = broken.length > 1 ? `, and ${broken.length - 1} more` : "";
  return bad(`${first.name} is broken: ${first.reason || "it died too often"}${more}`, `service:${first.name}`);
}

function byDisk(state) {
  const full = [...state.cameras.values()].find((camera) => camera.cause === "no_space");
  const free = state.disk?.free_bytes;
  if (!full && !(free < LITTLE_BYTES)) return null;
  const left = free === undefined ? "" : `: ${size(free)} free`;
  return bad(full ? `Disk full${left}; ${spoken(full.camera)} is not recorded` : `Disk nearly full${left}`, full ? `camera:${full.camera}` : null);
}

function byCamera(state, now_s) {
  const offline = [...state.cameras.values()].filter((camera) => camera.state === "offline" && !camera.stale);
  if (!offline.length) return null;
  offline.sort((a, b) => a.since_at_s - b.since_at_s);
  const [first] = offline;
  const more = offline.length > 1 ? `; ${counted(offline.length - 1, "more camera")} too` : "";
  return bad(`${spoken(first.camera)} offline for ${roughly(now_s - first.since_at_s)}: ${cause(first)}${more}`, `camera:${first.camera}`);
}

function byQueue(state, now_s) {
  for (const board of state.boards.values()) {
    const since_s = board.queue.stuck_since_at_s;
    if (since_s && now_s - since_s > STUCK_S) {
      return bad(`${board.type} jobs wait, and nobody has asked for them for ${roughly(now_s - since_s)}`, "jobs");
    }
  }
  return null;
}

function byMending(state, now_s) {
  const service = [...state.services.values()].find((one) => one.down_s !== null && one.state !== "broken");
  if (service) return mending(`${service.name}: ${trouble(service)}`, `service:${service.name}`);
  for (const name of state.cameras.keys()) {
    const { is, title, text } = tileState(state, name, now_s);
    if (is !== "live" && is !== "upload") return mending(`${spoken(name)}: ${is === "degraded" ? title : `${title} ${text}`.trim()}`, `camera:${name}`);
  }
  return null;
}

function allWell(state) {
  const cameras = state.cameras.size;
  if (!cameras && state.complete.has("camera/")) return "No camera yet";
  const parts = [counted(cameras, "camera"), counted([...state.services.values()].filter((one) => one.state !== "stopped").length, "service")];
  if (state.disk) {
    const days = state.disk.days_left;
    parts.push(`${size(state.disk.free_bytes)} free${days > 0 ? ` (about ${counted(Math.round(days), "day")})` : ""}`);
  }
  return `All well: ${parts.join(", ")}`;
}

function bad(text, target) {
  return { level: "bad", text: sentence(text), target };
}

function mending(text, target) {
  return { level: "mending", text: sentence(text), target };
}
