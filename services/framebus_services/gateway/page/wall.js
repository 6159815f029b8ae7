// The wall of cameras: pictures edge to edge; who is out of sight sends nothing.

import { el, keepRows, show } from "./dom.js";
import { fitColumn, fitWall } from "./wall_layout.js";
import { Tile } from "./tile.js";

export class Wall {
  constructor(app, node) {
    this._app = app;
    this.node = node;
    this._tiles = new Map();
    this._field = el("div", { class: "wall-field" });
    this._empty = el("div");
    node.append(this._field, this._empty);
    this._seen = new IntersectionObserver((entries) => {
      for (const entry of entries) entry.target.dataset.seen = entry.isIntersecting ? "yes" : "";
      this._look();
    }, { rootMargin: "64px" });
    new ResizeObserver(() => this.layout()).observe(node);
    document.addEventListener("visibilitychange", () => this._look());
  }

  get tiles() {
    return [...this._tiles.values()];
  }

  pictureOf(name) {
    return this._tiles.get(name)?.picture;
  }

  render() {
    const names = this._app.cameraNames();
    keepRows(this._field, this._tiles, names, (name) => this._make(name));
    for (const tile of this._tiles.values()) tile.render();
    const shape = this.tiles.map((tile) => `${tile.name} ${tile.picture.ratio.toFixed(3)}`).join();
    if (shape !== this._shape) this.layout();
    this._shape = shape;
    this._renderEmpty(names);
  }

  _make(name) {
    const tile = new Tile(this._app, name);
    this._seen.observe(tile.node);
    return tile;
  }

  _renderEmpty(names) {
    const isEmpty = !names.length && this._app.state.complete.has("camera/");
    show(this._empty, isEmpty);
    if (!isEmpty) this._empty.replaceChildren();
    else if (!this._empty.firstChild) this._app.firstCamera.fetch().then(({ noCamera }) => this._empty.firstChild || this._empty.append(noCamera(this._app.state.me?.role === "admin")), () => {}); // the next drawing asks again
  }

  layout() {
    const { clientWidth, clientHeight } = this.node;
    if (!clientWidth) return;
    const ratios = this.tiles.map((tile) => tile.picture.ratio);
    const isColumn = this._app.isNarrow();
    const places = isColumn ? fitColumn(ratios, clientWidth) : fitWall(ratios, clientWidth, clientHeight);
    this.tiles.forEach((tile, n) => tile.place(places[n]));
    const last = places.at(-1);
    this._field.style.height = isColumn && last ? `${last.y + last.height}px` : "";
  }

  /** Only what is in view, in a tab that is looked at, may stream. */
  _look() {
    const isLooked = !document.hidden && !this.node.hidden;
    for (const tile of this._tiles.values()) tile.picture.look(isLooked && tile.node.dataset.seen === "yes");
  }

  hide(isHidden) {
    this.node.hidden = isHidden;
    this._look();
  }
}
