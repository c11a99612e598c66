import assert from "node:assert/strict";
import { test } from "node:test";
import { eventId } from "../src/event_id.ts";

test("an id is a UUIDv7 of the time it was made", () => {
  const before = Date.now();
  const id = eventId();
  assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  const at = parseInt(id.slice(0, 8) + id.slice(9, 13), 16);
  assert.ok(at >= before && at <= Date.now());
});

test("later ids sort behind earlier ones", (t) => {
  const ids = [0, 1, 255, 0x10_0000, 1_700_000_000_000, 1_700_000_000_001, 4_102_444_800_000].map((now) => {
    t.mock.timers.enable({ apis: ["Date"], now });
    const id = eventId();
    t.mock.timers.reset();
    return id;
  });
  assert.deepEqual([...ids].sort(), ids);
});

test("what follows the time is random: ids of one moment share none of their four random parts", (t) => {
  t.mock.timers.enable({ apis: ["Date"], now: 1_700_000_000_000 });
  const ids = Array.from({ length: 2000 }, eventId);
  assert.equal(new Set(ids).size, ids.length);
  assert.equal(new Set(ids.map((id) => id.slice(0, 15))).size, 1);
  // Every bit behind the time but the version's and the variant's takes both values.
  const bits = ids.map((id) => BigInt(`0x${id.slice(15).replaceAll("-", "")}`));
  const ever = bits.reduce((all, one) => all | one);
  const always = bits.reduce((all, one) => all & one);
  const random = (ever & ~always).toString(2).split("").filter((bit) => bit === "1").length;
  assert.equal(random, 74);
});
