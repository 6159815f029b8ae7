// What this browser remembers of the page: whether boxes are drawn, and the like.

const NAME = "framebus";
const USUAL = { boxes: true };

/** What is remembered; where that is nothing, or cannot be read, the usual. */
export function readSettings() {
  try {
    return { ...USUAL, ...JSON.parse(localStorage.getItem(NAME) ?? "{}") };
  } catch {
    return { ...USUAL };
  }
}

/** Remember them; a browser that keeps nothing is no trouble. */
export function writeSettings(settings) {
  try {
    localStorage.setItem(NAME, JSON.stringify(settings));
  } catch {
    // Its storage is full or closed: they hold until the page is left.
  }
}
