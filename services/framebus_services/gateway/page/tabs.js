// The bar of a phone: which part of the page is shown.

import { el, icon } from "./dom.js";

const TABS = [["live", "Live"], ["timeline", "Timeline"], ["jobs", "Jobs"]];

export class Tabs {
  constructor(node, onShow) {
    this._node = node;
    this._onShow = onShow;
    node.append(...TABS.map(([name, text]) => el("button", { class: "tab", attrs: { "data-tab": name }, on: { click: () => this.show(name) } }, icon(name), el("span", { text }))));
  }

  show(name) {
    document.body.dataset.tab = name;
    for (const tab of this._node.children) tab.setAttribute("aria-pressed", String(tab.dataset.tab === name));
    this._onShow(name);
  }
}
