// For when framebus was upgraded while the page was open: its script is that of before.

import { el, part } from "./dom.js";

let line = null;

/** Loads the page anew where nothing is open that would be lost, else offers to. */
export function renew(app) {
  if (!isInUse(app)) return location.reload();
  line ??= el("div", { class: "floating said-line", attrs: { role: "status" } }, "framebus was upgraded. ", el("button", { class: "link-button", text: "Reload the page", on: { click: () => location.reload() } }));
  part("float").prepend(line); // what is said for a moment stands over it
}

function isInUse(app) {
  const isOpen = [...part("float").children].some((node) => node.checkVisibility());
  return Boolean(app.camera) || isOpen || document.activeElement.matches("input");
}
