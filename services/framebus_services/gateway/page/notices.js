// Pages for when there is nothing to show: a link that does not hold, a gateway that is away from the start.

import { el } from "./dom.js";

export function expired() {
  return notice("This link does not hold any more", [
    "It was revoked, or the page was opened without one. A new one is printed by:",
    el("pre", { text: "framebus link" }),
  ]);
}

/** `error`: with its own words where something answered. */
export function unreachable({ status, message }) {
  return notice(status ? "framebus does not let this page in yet" : "framebus does not answer", [...(status ? [`${message}.`] : []), "This page tries again by itself."]);
}

export function notice(title, parts) {
  return el("div", { class: "page-notice", attrs: { role: "alert" } }, el("h2", { text: title }), ...parts.map((part) => (typeof part === "string" ? el("p", { text: part }) : part)));
}
