// Elements, made from values: text always goes in as text.

const SVG = "http://www.w3.org/2000/svg";

/** The part of the page with this id. */
export const part = (id) => document.getElementById(id);

/** el("button", {class, text, on: {click}, attrs: {"aria-label": ..}}, child, child) */
export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  if (tag === "button") node.type = "button";
  if (props.class) node.className = props.class;
  if (props.text !== undefined) node.textContent = props.text;
  for (const [name, value] of Object.entries(props.attrs ?? {})) if (value !== null) node.setAttribute(name, value);
  for (const [name, listener] of Object.entries(props.on ?? {})) node.addEventListener(name, listener);
  node.append(...children.filter(Boolean));
  return node;
}

/** Writes only what differs: most ticks change nothing. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function setClass(node, name) {
  if (node.className !== name) node.className = name;
}

export function show(node, isShown) {
  if (node.hidden === isShown) node.hidden = !isShown;
}

/** Exchange an attribute, as a name for screen readers. */
export function setAttribute(node, name, value) {
  if (node.getAttribute(name) !== value) node.setAttribute(name, value);
}

/** `list` shows a row for each key, in this order; `rows` keeps them, and who has the focus keeps it. */
export function keepRows(list, rows, keys, make) {
  const focused = document.activeElement;
  for (const [key, row] of rows) {
    if (keys.includes(key)) continue;
    if (row.close) row.close();
    else row.node.remove();
    rows.delete(key);
  }
  let before = list.firstChild;
  for (const key of keys) {
    const row = rows.get(key) ?? make(key);
    rows.delete(key);
    rows.set(key, row);
    if (row.node === before) before = before.nextSibling;
    else list.insertBefore(row.node, before);
  }
  if (list.contains(focused)) focused.focus({ preventScroll: true });
}

/** Icons of one stroke on a 16 px square. */
const ICONS = {
  back: "M10 3 5 8l5 5",
  boxes: "M2 5V2h3M11 2h3v3M14 11v3h-3M5 14H2v-3M5.5 6h5v4.5h-5z",
  cancel: "M4 4l8 8M12 4l-8 8",
  clip: "M2 3.5h12v9H2zM5 3.5v9M11 3.5v9M5 8h6",
  download: "M8 2v8M4.5 7 8 10.5 11.5 7M3 13.5h10",
  help: "M5.5 6a2.5 2.5 0 1 1 3.6 2.2C8.4 8.6 8 9 8 10M8 12.6v.4",
  jobs: "M2 4h12M2 8h8M2 12h5",
  live: "M8 6.2a1.8 1.8 0 1 1 0 3.6 1.8 1.8 0 0 1 0-3.6M4.2 4.2a5.4 5.4 0 0 0 0 7.6M11.8 4.2a5.4 5.4 0 0 1 0 7.6",
  pause: "M5.5 3v10M10.5 3v10",
  play: "M5 3l8 5-8 5z",
  retry: "M13 8a5 5 0 1 1-1.6-3.7M13 2v3h-3",
  snapshot: "M2 5h3l1-2h4l1 2h3v8H2zM8 7a2 2 0 1 1 0 4 2 2 0 0 1 0-4",
  timeline: "M2 13V9M5 13V5M8 13V7M11 13V3M14 13v-3",
  warning: "M8 2.5 14.5 13.5h-13zM8 7v3M8 11.8v.2",
};

export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  for (const [key, value] of [["viewBox", "0 0 16 16"], ["class", "icon"], ["aria-hidden", "true"]]) svg.setAttribute(key, value);
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

/** A button with an icon; `label` is its name for screen readers, and its hint. */
export function iconButton(name, label, click) {
  return el("button", { class: "icon-button", attrs: { "aria-label": label, title: label }, on: { click } }, icon(name));
}
