import assert from "node:assert/strict";
import { test } from "node:test";
import { readAnswer } from "../src/answer.ts";
import { price } from "../src/money.ts";
import { viewAddress } from "../src/routes.ts";
import { boxAt } from "../src/track.ts";
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
  assert.equal(viewAddress("https://a.example/x?b=1#top"), "https://a.example/x?b=1");
  assert.notEqual(viewAddress("https://a.example/#/one"), viewAddress("https://a.example/#/two"));
});

const span = { from_ms: 1000, to_ms: 3000, box: { x: 0, y: 0, w: 0.1, h: 0.1 } };

test("a track is linear between keyframes, holds at its ends and is silent outside its span", () => {
  const track = [[1000, 0, 0.5, 0.25, 0.5], [2000, 0.5, 0.5, 0.25, 0.5]] as const;
  const at = (ms: number) => boxAt({ ...span, track: [...track] }, ms);
  assert.deepEqual(at(1500), { x: 0.25, y: 0.5, w: 0.25, h: 0.5 });
  assert.deepEqual(at(2900), { x: 0.5, y: 0.5, w: 0.25, h: 0.5 });
  assert.equal(at(999), null);
  assert.equal(at(3001), null);
  assert.deepEqual(boxAt({ ...span, track: [] }, 2000), span.box);
});

const product = { id: "prd_1", title: "Mug", price_micros: 1 };
const tag = { id: "tag_1", box: { x: 0, y: 0, w: 1, h: 1 }, token: "t", products: [product] };
const read = (tags: unknown) => readAnswer({ media: [{ url: "u", status: "ready", tags }] })[0]?.tags ?? [];

test("a sound tag is read, its track in order of time", () => {
  const [one] = read([{ ...tag, track: [[20, 0, 0, 1, 1], [10, 0, 0, 1, 1], [5, 0, 0, 9, 1], "x"] }]);
  assert.deepEqual(one?.track.map((it) => it[0]), [10, 20]);
  assert.equal(one?.to_ms, Infinity);
  assert.equal(one?.sponsored, false);
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
