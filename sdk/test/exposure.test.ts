import assert from "node:assert/strict";
import { test } from "node:test";
import { Exposure, neededShare } from "../src/exposure.ts";

const setUp = () => {
  let at = 0;
  let next = 1;
  const running = new Map<number, { due: number; run: () => void }>();
  const state = { met: true };
  const exposure = new Exposure(() => state.met, 1000, {
    start: (run, ms) => { running.set(next, { due: at + ms, run }); return next++; },
    stop: (timer) => { running.delete(timer); },
  });
  const pass = (ms: number): void => {
    at += ms;
    for (const [timer, { due, run }] of [...running]) if (due <= at && running.delete(timer)) run();
  };
  return { exposure, state, pass };
};

test("half of the pixels, or 30 % of a large display; a video is never large", () => {
  assert.equal(neededShare(400, 300, true), 0.5);
  assert.equal(neededShare(970, 250, true), 0.3);
  assert.equal(neededShare(1920, 1080, false), 0.5);
});

test("a full second counts once", () => {
  const { exposure, pass } = setUp();
  let viewed = 0;
  exposure.drawn(() => { viewed += 1; });
  pass(999);
  assert.equal(viewed, 0);
  pass(1);
  pass(5000);
  assert.equal(viewed, 1);
});

test("an interruption starts the clock anew", () => {
  const { exposure, state, pass } = setUp();
  let viewed = 0;
  exposure.drawn(() => { viewed += 1; });
  pass(900);
  state.met = false;
  exposure.update();
  pass(300);
  state.met = true;
  exposure.update();
  pass(900);
  assert.equal(viewed, 0);
  pass(100);
  assert.equal(viewed, 1);
});

test("a break that nobody reported does not count", () => {
  const { exposure, state, pass } = setUp();
  let viewed = 0;
  exposure.drawn(() => { viewed += 1; });
  pass(500);
  state.met = false;
  pass(5000);
  assert.equal(viewed, 0);
});

test("a tag drawn later has its own second, and nothing counts after the end", () => {
  const { exposure, pass } = setUp();
  const viewed: string[] = [];
  exposure.drawn(() => viewed.push("first"));
  pass(600);
  exposure.drawn(() => viewed.push("second"));
  pass(400);
  assert.deepEqual(viewed, ["first"]);
  exposure.end();
  pass(5000);
  assert.deepEqual(viewed, ["first"]);
});
