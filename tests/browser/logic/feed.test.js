import assert from "node:assert/strict";
import test from "node:test";
import { Feed } from "../page/api.js";

/** As much of a browser as the feed needs. */
class Socket extends EventTarget {
  static made = [];
  constructor() {
    super();
    Socket.made.push(this);
  }
  send() {}
  close() {
    this.isClosed = true;
  }
  hear(data) {
    this.dispatchEvent(Object.assign(new Event("message"), { data: JSON.stringify(data) }));
  }
}

test("however often somebody looks again, there is one line, and only it is heard", () => {
  globalThis.document = { baseURI: "http://127.0.0.1/" };
  globalThis.WebSocket = Socket;
  const heard = [];
  const feed = new Feed(["camera/"], { onNews: (told) => heard.push(told), onLine: () => {}, onRefused: async () => false });
  feed.open();
  Socket.made[0].dispatchEvent(Object.assign(new Event("close"), { code: 1006 }));
  feed.hurry();
  feed.hurry();
  feed.hurry();
  assert.equal(Socket.made.length, 2);

  Socket.made[0].hear("old");
  Socket.made[1].hear("new");
  assert.deepEqual(heard, ["new"]);
  clearTimeout(feed._quiet);
});
