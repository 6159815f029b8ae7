// The page of a group without a camera: fields that make the first, and the command that does the same.

import { ask } from "./api.js";
import { el, setText } from "./dom.js";
import { notice } from "./notices.js";

/** Where pictures would be: fields that make the first, and the command that does the same. */
export function noCamera(isAdmin) {
  return notice("No camera yet", [
    ...(isAdmin ? [addForm(), "Or in a terminal:"] : ["An administrator adds one here, or in a terminal:"]),
    el("pre", { text: "framebus add NAME URL" }),
  ]);
}

function addForm() {
  const field = (name, label, placeholder) => el("input", { class: "field", attrs: { name, placeholder, "aria-label": label, required: "", autocomplete: "off", autocapitalize: "none", spellcheck: "false" } });
  const fields = { name: field("name", "Name of the camera", "front_door"), source: field("source", "Address of the camera", "rtsp://user:password@10.0.0.5/stream1") };
  const button = el("button", { class: "primary", text: "Add camera", attrs: { type: "submit" } });
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
