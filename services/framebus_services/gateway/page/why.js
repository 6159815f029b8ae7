// Why a picture is as it is, in words, for who looks at it large. No DOM.

import { cause, isUpload, lastUpload } from "./tile_state.js";
import { spoken } from "./words.js";

/** Why the picture is as it is, in words: what comes in, what is looked at, how late, what was lost. */
export function why(state, name, now_s) {
  const camera = state.cameras.get(name);
  if (!camera) return `${spoken(name)} has not said a word yet`;
  if (isUpload(camera)) return `files from ${camera.source} · ${lastUpload(state, camera, now_s)} · no video, no recording`;
  const said = [];
  if (camera.state === "offline" || camera.state === "degraded") said.push(camera.detail || cause(camera));
  if (camera.state === "offline") return `${said[0]} · not recording`;
  if (camera.codec) said.push(`${camera.codec} ${camera.width} × ${camera.height}, ${camera.fps_in.toFixed(1)} frames/s in`);
  said.push(...looking(state, name));
  const lost = Object.values(camera.drops ?? {}).reduce((sum, count) => sum + count, 0);
  said.push(`${lost} dropped`, camera.is_recording ? "recording" : "not recording");
  return said.join(" · ");
}

function looking(state, name) {
  const enrich = state.stats.get("enrich");
  const service = state.services.get("enrich");
  if (service && service.state !== "ready") return ["objects: enrich is restarting"];
  const counter = `frames.${name}`;
  const said = [];
  if (enrich?.was && counter in enrich.counters) {
    const took_s = enrich.heard_s - enrich.was.heard_s;
    const rate = (enrich.counters[counter] - (enrich.was.counters[counter] ?? 0)) / took_s;
    if (took_s > 0.2 && rate >= 0) said.push(`${rate.toFixed(1)} looked at`);
  }
  const latency = enrich?.latencies?.[`frame.${name}`] ?? enrich?.latencies?.capture_to_enrich;
  if (latency) said.push(`seen after ${latency.p99_ms.toFixed(latency.p99_ms < 10 ? 1 : 0)} ms (p99)`);
  return said;
}
