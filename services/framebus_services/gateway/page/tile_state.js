// What may be said of a camera's picture: it is called live only while it is. No DOM.

import { newestUpload } from "./store.js";
import { roughly } from "./words.js";

const QUIET_S = 3;
const MENDING = { restarting: "restarting", suspected: "does not answer", starting: "starting", stopped: "switched off", broken: "broken" };
const CAUSES = {
  auth: "wrong user or password",
  dns: "its name is not found",
  refused: "refuses the connection",
  timeout: "does not answer",
  codec: "sends what cannot be read",
  stalled: "sends no pictures",
  ended: "its stream ended",
  no_space: "disk full",
  not_found: "not found at its address",
};

/** The cause in a few words; the detail is for the large view. */
export function cause(camera) {
  return CAUSES[camera.cause] ?? (camera.detail || "no picture");
}

/** What is not well with a service, if anything: a start after a death is said to be one. */
export function mending({ state, down_s }) {
  return state === "starting" && down_s !== null ? MENDING.restarting : (MENDING[state] ?? "");
}

/**
 * {is, title, text}: `is` one of live, degraded, connecting, offline, restarting, quiet, away, upload.
 * `text` says since when, and what comes next.
 */
export function tileState(state, name, now_s) {
  if (state.link.is !== "open") return { is: "away", title: "No connection", text: "to framebus" };
  const camera = state.cameras.get(name);
  if (isUpload(camera)) return ofUpload(state, camera, now_s);
  const service = state.services.get(`capture@${name}`);
  const broken = service && service.state === "broken";
  if (service && mending(service)) {
    const since = service.down_s ? `for ${roughly(now_s - service.down_s)}` : "";
    return { is: broken ? "offline" : "restarting", title: mending(service), text: broken ? "see services" : since };
  }
  if (!camera) return { is: "connecting", title: "starting", text: "" };
  if (camera.stale) return { is: "restarting", title: "restarting", text: "" };
  if (now_s - camera.heard_s > QUIET_S) {
    return { is: "quiet", title: "no word", text: `for ${roughly(now_s - camera.heard_s)}` };
  }
  return ofCamera(camera, now_s);
}

function ofCamera(camera, now_s) {
  if (camera.state === "offline") {
    return { is: "offline", title: cause(camera), text: `for ${roughly(now_s - camera.since_at_s)}${nextTry(camera, now_s)}` };
  }
  if (camera.state === "connecting") return { is: "connecting", title: "connecting", text: "" };
  if (camera.state === "degraded") return { is: "degraded", title: cause(camera), text: camera.detail, needsYou: camera.cause === "no_space" };
  return { is: "live", title: "", text: "" };
}

/** A camera that sends files now and then, and has no picture between them. */
export function isUpload(camera) {
  return camera?.state === "upload";
}

function ofUpload(state, camera, now_s) {
  const ingest = state.services.get("ingest");
  const isAway = camera.stale || (ingest && ingest.state !== "ready");
  if (isAway) return { is: "upload", title: "uploads wait", text: `ingest: ${MENDING[ingest?.state] ?? MENDING.restarting}` };
  return { is: "upload", title: "uploads", text: lastUpload(state, camera, now_s) };
}

export function lastUpload(state, camera, now_s) {
  const last_s = Math.max(camera.last_frame_at_s ?? 0, newestUpload(state, camera.camera)?.at_s ?? 0);
  return last_s ? `last file ${roughly(now_s - last_s)} ago` : "waits for files";
}

function nextTry(camera, now_s) {
  if (!camera.retry_at_s) return "";
  const left_s = camera.retry_at_s - now_s;
  return left_s < 0.5 ? ", trying now" : `, next try in ${Math.ceil(left_s)} s`;
}
