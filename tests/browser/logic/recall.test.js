import assert from "node:assert/strict";
import test from "node:test";
import { Recall } from "../page/recall.js";
import { makeScale } from "../page/scale.js";

const NOW_S = 1_800_000_000;
const SCALE = makeScale(NOW_S - 900, NOW_S, 900);
const LATER = makeScale(NOW_S - 895, NOW_S + 5, 900);
const ENDED = { camera: "garden", id: "7f", label: "car", since_at_s: NOW_S - 9, captured_at_s: NOW_S - 2, zones: [] };

/** A gateway that knows nothing of the past; `asked` are its requests. */
function recall() {
  const asked = [];
  globalThis.document = { baseURI: "http://127.0.0.1/" };
  globalThis.fetch = async (url) => {
    asked.push(url);
    return { ok: true, json: async () => (url.includes("recordings") ? { spans: [], oldest_at_s: null } : { events: [], more: false }) };
  };
  return { asked, past: new Recall({ now_s: () => NOW_S }, () => {}) };
}

test("an object that ends is known from its news, and nothing is asked for", async () => {
  const { asked, past } = recall();
  await past._load("garden", SCALE);
  const before = asked.length;

  past.noteObject(ENDED);
  await past._load("garden", LATER);

  assert.deepEqual(past.of("garden").events.map(({ label, start_at_s, end_at_s, picture_url }) => [label, start_at_s, end_at_s, picture_url]), [["car", NOW_S - 9, NOW_S - 2, "api/events/garden/7f.jpg"]]);
  assert.equal(asked.length, before);
});

test("one that ends while the past is asked for is asked for again", async () => {
  const { asked, past } = recall();
  const asking = past._load("garden", SCALE);
  past.noteObject(ENDED);
  await asking;
  const before = asked.length;

  await past._load("garden", LATER);

  assert.equal(asked.length, 2 * before);
});
