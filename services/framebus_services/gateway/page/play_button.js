// A button that plays, or pauses what plays.

import { icon, iconButton } from "./dom.js";

export function playButton(click) {
  return iconButton("play", "Play", click);
}

/** What a press would do now. */
export function showPlaying(button, isPlaying) {
  const label = isPlaying ? "Pause" : "Play";
  if (button.title === label) return;
  button.replaceChildren(icon(isPlaying ? "pause" : "play"));
  button.setAttribute("aria-label", label);
  button.title = label;
}
