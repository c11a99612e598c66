import assert from "node:assert/strict";
import { test } from "node:test";
import { createDelivery } from "../src/delivery.ts";

test("a server that never comes back costs bounded memory and a bounded number of tries", async () => {
  const tries = new Map<string, number>();
  const planned: (() => void)[] = [];
  let at = 0;
  const delivery = createDelivery(async (body) => {
    tries.set(body, (tries.get(body) ?? 0) + 1);
    return 0;
  }, { now: () => at, later: (run) => { planned.push(run); } });
  for (let i = 0; i < 60; i += 1) delivery.push(`${i}`);
  for (let hour = 0; hour < 30; hour += 1) {
    at += 3_600_000;
    delivery.flush();
    for (const run of planned.splice(0)) run();
    await new Promise((done) => setImmediate(done));
  }
  assert.equal(tries.size, 50);
  assert.equal(tries.has("9"), false);
  assert.deepEqual(new Set(tries.values()), new Set([10]));
});
