// The keys: what each does.

/** Listens to the whole page; what is typed into a field stays there. */
export function listenToKeys(app) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches?.("input:not([type=range])")) return;
    const act = ACTS[event.key.toLowerCase()] ?? (/^[1-9]$/.test(event.key) ? openNumber : null);
    if (!act) return;
    const isButton = event.target.matches?.("button, a[href]");
    if (isButton && (event.key === " " || event.key === "Enter")) return;
    if (act(app, event) !== false) event.preventDefault();
  });
}

const ACTS = {
  "?": (app) => app.help.with((help) => help.toggle()),
  " ": (app) => (app.clip.isShown ? app.clip.part.toggle() : app.large ? app.large.toggle() : false),
  arrowleft: (app, event) => step(app, -1, event.shiftKey),
  arrowright: (app, event) => step(app, 1, event.shiftKey),
  "+": (app) => zoom(app, 1 / 1.5),
  "=": (app) => zoom(app, 1 / 1.5),
  "-": (app) => zoom(app, 1.5),
  i: (app) => app.rangePanel.with((panel) => panel.markEnd(app.timeline, "in")),
  o: (app) => app.rangePanel.with((panel) => panel.markEnd(app.timeline, "out")),
  enter: (app) => (app.rangePanel.isShown ? void app.rangePanel.part.make() : false),
  escape: (app) => app.goBack(),
  j: (app) => app.goTo("jobs"),
  l: (app) => (app.large ? app.large.goLive() : app.timeline.goToNow()),
  b: (app) => app.top.toggleBoxes(),
};

function openNumber(app, event) {
  const name = app.cameraNames()[Number(event.key) - 1];
  if (!name) return false;
  app.openCamera(name);
  return true;
}

function step(app, direction, isLong) {
  if (app.clip.isShown) app.clip.part.step(direction);
  else if (app.large) app.large.step(direction, isLong);
  else app.timeline.step(isLong ? 5 * direction : direction);
}

function zoom(app, factor) {
  app.timeline.zoomAt(app.timeline.scale.width_px / 2, factor);
}
