import assert from "node:assert/strict";
import { test } from "node:test";
import type { Product, Tag } from "../src/contract.ts";
import { putAway } from "../src/put_away.ts";

const product = (id: string, token: string | null): Product => ({
  id, token, title: id, brand: "", price_micros: null, sale_price_micros: null, currency: "EUR", availability: "", match_type: "exact",
});

const tagOf = (...products: Product[]): Tag => ({
  id: "tag_1", label: "top", box: { x: 0, y: 0, w: 1, h: 1 }, timing: {}, products,
  token: "campaign", sponsored: true, call_to_action: "Shop the sale",
});

test("the first product is named by the tag's token, and takes campaign and call to action with it", () => {
  const [shirt, bag] = [product("shirt", null), product("bag", "own")];
  const tag = tagOf(shirt, bag);
  assert.equal(putAway(tag, shirt).token, "campaign");
  assert.deepEqual({ products: tag.products, token: tag.token, sponsored: tag.sponsored, words: tag.call_to_action },
    { products: [bag], token: "own", sponsored: false, words: "" });
});

test("a further product is named by its own token and leaves the rest alone", () => {
  const [shirt, bag] = [product("shirt", null), product("bag", "own")];
  const tag = tagOf(shirt, bag);
  assert.equal(putAway(tag, bag).token, "own");
  assert.deepEqual(tag, tagOf(shirt));
});

test("what was put away comes back as it was, also where nothing was left", () => {
  for (const products of [[product("shirt", null)], [product("shirt", null), product("bag", "own")]]) {
    const tag = tagOf(...products);
    putAway(tag, products[0]!).restore();
    assert.deepEqual(tag, tagOf(...products));
  }
});
