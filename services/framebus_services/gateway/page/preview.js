// Pictures once a second, of a camera whose video does not play in this browser.

import { address } from "./api.js";

const PERIOD_MS = 1_000;
const AWAY_MS = 5_000; // of a camera that has no picture now

export class Preview {
  constructor(camera, image) {
    this._address = address(`api/cameras/${camera}/snapshot.jpg`);
    this._image = image;
    this._isOpen = true;
    this.isThere = false; // whether the last picture that was asked for came
    this._refresh();
  }

  async _refresh() {
    try {
      const response = await fetch(this._address, { cache: "no-store" });
      const picture = response.ok ? await response.blob() : null;
      if (picture && this._isOpen) this._show(URL.createObjectURL(picture));
      this.isThere = response.ok;
    } catch {
      this.isThere = false;
    }
    if (this._isOpen) setTimeout(() => this._isOpen && this._refresh(), this.isThere ? PERIOD_MS : AWAY_MS);
  }

  _show(url) {
    this._release();
    this._image.src = url;
  }

  _release() {
    if (this._image.src.startsWith("blob:")) URL.revokeObjectURL(this._image.src); // the picture itself stays
  }

  close() {
    this._isOpen = false;
    this._release();
  }
}
