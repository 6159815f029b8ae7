// Pages for when there is nothing to show: no camera, a link that does not hold, a gateway that is away from the start.

import { ask } from "./api.js";
import { el, setText } from "./dom.js";

/** Where cameras would be: fields that make the first, and the command that does the same. */
export function noCamera(isAdmin) {
  return notice("No camera yet", [
    ...(isAdmin ? [addForm(), "Or in a terminal:"] : ["An administrator adds one here, or in a terminal:"]),
    el("pre", { text: "framebus add NAME URL" }),
  ]);
}

function addForm() {
  const field = (name, label, placeholder) => el("input", { class: "field", attrs: { name, placeholder, "aria-label": label, required: "", autocomplete: "off", autocapitalize: "none", spellcheck: "false" } });
  const fields = { name: field("name", "Name of the camera", "front_door"), source: field("source", "Address of the camera", "rtsp://user:password@10.0.0.5/stream1") };
  const button = el("button", { class: "primary", text: "Add camera" });
  const said = el("p", { class: "said", attrs: { role: "status" } });
  const send = async (event) => {
    event.preventDefault();
    button.disabled = true;
    setText(said, "");
    for (const one of Object.values(fields)) one.removeAttribute("aria-invalid");
    try {
      await ask("POST", "api/cameras", { body: { name: fields.name.value.trim(), source: fields.source.value.trim() } });
      setText(said, "It connects; its picture comes here.");
    } catch (error) {
      setText(said, error.message);
      const wrong = fields[error.path];
      wrong?.setAttribute("aria-invalid", "true");
      wrong?.focus();
      button.disabled = false;
    }
  };
  return el("form", { class: "add-camera", on: { submit: send } }, fields.name, fields.source, button, said);
}

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

function notice(title, parts) {
  return el("div", { class: "page-notice", attrs: { role: "alert" } }, el("h2", { text: title }), ...parts.map((part) => (typeof part === "string" ? el("p", { text: part }) : part)));
}
