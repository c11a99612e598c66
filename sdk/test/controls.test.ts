import assert from "node:assert/strict";
import { test } from "node:test";
import { clearOf, type Screen } from "../src/controls.ts";
import type { Point } from "../src/geometry.ts";

const GAP = 46;
const phone: Screen = { bounds: { left: 0, top: 100, width: 390, height: 219 }, scale: 1, native: true, touch: true };
const away = ({ x, y }: Point, other: Point): number => Math.hypot(x - other.x, y - other.y);

test("a place that touches nothing stays", () => {
  assert.deepEqual(clearOf([{ x: 60, y: 200 }], phone, GAP), [{ x: 60, y: 200 }]);
});

test("places at the bottom rise off the strip side by side, the best one straight up", () => {
  const places = clearOf([{ x: 60, y: 310 }, { x: 70, y: 300 }, { x: 50, y: 290 }], phone, GAP);
  assert.equal(places[0]!.x, 60);
  for (const { y } of places) assert.ok(y + 22 <= 319 - 72, `${y}`);
  for (const [i, one] of places.entries()) for (const other of places.slice(0, i)) assert.ok(away(one, other) > GAP - 1);
});

test("on a touch screen a place goes sideways past the play button, dot and label both, and with a mouse it stays", () => {
  const middle = { x: 195, y: 209 };
  const disc = { x: 195, y: 197.5 };
  for (const y of [150, 180, 197, 209, 225]) {
    const [at] = clearOf([{ x: 190, y }], phone, GAP);
    assert.ok(away(at!, disc) >= 36 + 18, `dot at ${y}`);
    const label = { x: at!.x - 13, y: at!.y - 14 };
    assert.ok(away(label, disc) >= 36, `label at ${y}`);
  }
  assert.deepEqual(clearOf([middle], { ...phone, touch: false }, GAP), [middle]);
});

test("nothing leaves the film, and crowded places would sooner touch each other than a control", () => {
  const places = clearOf(Array.from({ length: 10 }, () => ({ x: 385, y: 315 })), phone, GAP);
  for (const { x, y } of places) assert.ok(x >= 22 && x <= 390 && y + 22 <= 319 - 72 && away({ x, y }, { x: 195, y: 197.5 }) > 36 + 18);
});

test("controls grow with a film that is scaled, and a page's own take a lower strip", () => {
  const [scaled] = clearOf([{ x: 60, y: 310 }], { ...phone, scale: 1.5 }, GAP);
  assert.equal(scaled!.y, 319 - 108 - 22);
  const [own] = clearOf([{ x: 195, y: 310 }], { ...phone, native: false }, GAP);
  assert.deepEqual(own, { x: 195, y: 319 - 48 - 22 });
});
