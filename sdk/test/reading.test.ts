import assert from "node:assert/strict";
import { test } from "node:test";
import { readAnswer } from "../src/answer.ts";
import { price } from "../src/money.ts";
import { viewAddress } from "../src/routes.ts";
import { boxAt, readTiming } from "../src/track.ts";
import { availabilityWords, matchWords } from "../src/wording.ts";

const plain = (text: string): string => text.replace(/\u00a0|\u202f/g, " ");

test("prices are written as the page's language has them", () => {
  assert.equal(plain(price(19_900_000, "EUR", "de")), "19,90 €");
  assert.equal(plain(price(1_299_000_000, "USD", "en")), "$1,299.00");
  assert.equal(plain(price(1_500_000_000, "JPY", "en")), "¥1,500");
});

test("an unknown currency or language still shows the figure", () => {
  assert.equal(price(19_900_000, "<>", "en"), "19.90 <>");
  assert.equal(price(19_900_000, "EUR", "no such language"), "19.90 EUR");
});

test("words for what feeds write in several ways, none for what nobody knows", () => {
  assert.equal(availabilityWords("in stock"), "In stock");
  assert.equal(availabilityWords("OUT_OF_STOCK"), "Out of stock");
  assert.equal(availabilityWords("constructor"), "");
  assert.equal(matchWords("__proto__"), "");
});

test("a fragment is a place on the page unless a router lives in it", () => {
  assert.equal(viewAddress(new URL("https://a.example/x?b=1#top")), "https://a.example/x?b=1");
  assert.notEqual(viewAddress(new URL("https://a.example/#/one")), viewAddress(new URL("https://a.example/#/two")));
});

const box = { x: 0, y: 0, w: 0.1, h: 0.1 };
const timed = (timing: Record<string, unknown>) => readTiming({ timing, box });

test("a track is linear between keyframes, holds at its ends and is silent outside its span", () => {
  const timing = timed({ from_ms: 1000, to_ms: 3000, track: [[1000, 0, 0.5, 0.25, 0.5], [2000, 0.5, 0.5, 0.25, 0.5]] });
  const at = (ms: number) => boxAt(timing, ms);
  assert.deepEqual(at(1500), { x: 0.25, y: 0.5, w: 0.25, h: 0.5 });
  assert.deepEqual(at(2900), { x: 0.5, y: 0.5, w: 0.25, h: 0.5 });
  assert.equal(at(999), null);
  assert.equal(at(3001), null);
  assert.deepEqual(boxAt(timed({ from_ms: 1000 }), 2000), box);
});

test("a track is read in order of time, without what is malformed in it", () => {
  const { track, from_ms, to_ms } = timed({ from_ms: "x", track: [[20, 0, 0, 1, 1], [10, 0, 0, 1, 1], [5, 0, 0, 9, 1], [NaN, 0, 0, 1, 1], "x"] });
  assert.deepEqual(track.map((it) => it.ms), [10, 20]);
  assert.deepEqual([from_ms, to_ms], [0, Infinity]);
  assert.deepEqual(timed({ track: { length: 2 } }).track, []);
});

const product = { id: "prd_1", title: "Mug", price_micros: 1 };
const tag = { id: "tag_1", box: { x: 0, y: 0, w: 1, h: 1 }, token: "t", products: [product] };
const read = (tags: unknown) => readAnswer({ media: [{ url: "u", status: "ready", tags }] })[0]?.tags ?? [];

test("a sound tag is read; one of a film may have its place in a track alone", () => {
  const [one, two] = read([tag, { ...tag, box: null, track: [[10, 0, 0, 1, 1]] }]);
  assert.deepEqual(one?.box, tag.box);
  assert.equal(one?.sponsored, false);
  assert.equal(two?.box, null);
});

test("malformed tags, boxes and products are left out, whatever they are", () => {
  const broken = [null, 7, "x", [], { ...tag, box: { x: "0", y: 0, w: 1, h: 1 } }, { ...tag, box: { x: 0, y: 0, w: NaN, h: 1 } },
    { ...tag, box: { x: 0, y: 0, w: 0, h: 1 } }, { ...tag, token: 5 }, { ...tag, products: [{ title: "no id" }] }];
  assert.deepEqual(read(broken), []);
  assert.deepEqual(read({ length: 3 }), []);
  for (const answer of [null, 1, {}, { media: 5 }, { media: [{ url: 1, status: "ready" }, { url: "u", status: "odd" }] }]) {
    assert.deepEqual(readAnswer(answer), []);
  }
});
