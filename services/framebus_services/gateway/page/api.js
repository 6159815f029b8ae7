// The gateway's door: requests with a limit, errors as sentences, and the feed of news that comes back by itself.

const LIMIT_MS = 15_000;
const AGAIN_MS = 250; // then twice that
const LATEST_MS = 4_000;
const QUIET_MS = 8_000;

function problem(status, code, message, more) {
  return Object.assign(new Error(message), { status, code, ...more });
}

/** An address beside the page, so that it works behind any prefix. */
export function address(path, params = {}) {
  const url = new URL(path, document.baseURI);
  url.hash = "";
  url.search = "";
  for (const [name, value] of Object.entries(params)) if (value !== undefined && value !== null) url.searchParams.set(name, value);
  return url.href;
}

export function socketAddress(path, params = {}) {
  return address(path, params).replace(/^http/, "ws");
}

/** JSON of a request; raises an error with the gateway's own words: status, code, message, retry_after_s, path. */
export async function ask(method, path, { params, body } = {}) {
  let response;
  try {
    response = await fetch(address(path, params), {
      method,
      credentials: "same-origin",
      headers: body === undefined ? {} : { "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(LIMIT_MS),
    });
  } catch {
    throw problem(0, "unavailable", "framebus does not answer");
  }
  const told = await response.json().catch(() => null);
  if (response.ok) return told;
  const error = told?.error ?? told ?? {};
  throw problem(response.status, error.code ?? "internal", error.message ?? `the gateway answered ${response.status}`, { retry_after_s: error.retry_after_s, path: error.details?.path });
}

/** News by WebSocket; opens itself again, and tells how the line is: opening, open, away or expired. */
export class Feed {
  constructor(prefixes, { onNews, onLine, onRefused }) {
    this._prefixes = prefixes;
    this._onNews = onNews;
    this._onLine = onLine;
    this._onRefused = onRefused;
    this._failures = 0;
    this._socket = null;
    this._quiet = 0;
    this._timer = 0;
  }

  open() {
    clearTimeout(this._timer);
    this._timer = 0;
    const socket = new WebSocket(socketAddress("ws"));
    this._socket = socket;
    this._listen();
    socket.addEventListener("open", () => socket.send(JSON.stringify({ subscribe: this._prefixes })));
    socket.addEventListener("message", (event) => {
      if (socket !== this._socket) return;
      this._listen();
      this._failures = 0;
      this._onNews(JSON.parse(event.data));
    });
    socket.addEventListener("close", (event) => this._closed(socket, event));
  }

  /** Try now: somebody looks again, or the network is back. */
  hurry() {
    if (this._timer) this.open();
  }

  _listen() {
    clearTimeout(this._quiet);
    const socket = this._socket;
    this._quiet = setTimeout(() => this._closed(socket, { code: 4000 }), QUIET_MS);
  }

  _closed(socket, event) {
    if (socket !== this._socket) return;
    clearTimeout(this._quiet);
    this._socket = null;
    socket.close();
    this._onLine("away");
    const wait_ms = Math.min(LATEST_MS, AGAIN_MS * 2 ** this._failures);
    this._failures += 1;
    this._timer = setTimeout(async () => {
      this._timer = 0;
      if (await this._onRefused(event)) return;
      this.open();
    }, wait_ms * (0.8 + 0.4 * Math.random()));
  }
}
