// What a service said before it broke: under its line, as long as somebody wants to read it.

import { ask } from "./api.js";
import { el, setText } from "./dom.js";

const LINES = 40;

/** Show the last words of a service in its row, or take them away. */
export async function toggle(row, button, service) {
  const old = row.querySelector(".logs");
  button.setAttribute("aria-expanded", String(!old));
  if (old) {
    old.remove();
    return;
  }
  const logs = el("pre", { class: "logs", text: (service.log_tail ?? []).join("\n") });
  row.append(logs);
  if (logs.textContent) return;
  try {
    const told = await ask("GET", `api/services/${service.name}/logs`, { params: { lines: LINES } });
    setText(logs, told.lines.map((line) => line.text ?? line).join("\n") || "It said nothing.");
  } catch (error) {
    setText(logs, error.message);
  }
}
