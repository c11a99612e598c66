import assert from "node:assert/strict";
import { test } from "node:test";
import { anchor, fitted, spread, toViewport } from "../src/geometry.ts";

const landscape = { w: 600, h: 400 };
const square = { w: 300, h: 300 };

test("contain leaves bars, cover reaches beyond, fill distorts", () => {
  assert.deepEqual(fitted(square, landscape, "contain", "50% 50%"), { x: 0, y: 50, w: 300, h: 200 });
  assert.deepEqual(fitted(square, landscape, "cover", "50% 50%"), { x: -75, y: 0, w: 450, h: 300 });
  assert.deepEqual(fitted(square, landscape, "fill", "10% 90%"), { x: 0, y: 0, w: 300, h: 300 });
});

test("scale-down never enlarges, none keeps the picture's own pixels", () => {
  assert.deepEqual(fitted({ w: 800, h: 800 }, landscape, "scale-down", "0% 100%"), { x: 0, y: 400, w: 600, h: 400 });
  assert.deepEqual(fitted(square, landscape, "none", "-20px 15px"), { x: -20, y: 15, w: 600, h: 400 });
});

test("object-position mixes percentages of the free space with pixels", () => {
  const box = fitted(square, landscape, "contain", "50% calc(100% - 10px)");
  assert.equal(box.y, 90);
  assert.equal(fitted(square, landscape, "contain", "0% calc(25% + 4px)").y, 29);
});

test("a box that cropping leaves in part is anchored in what is left, and one that is mostly gone is not shown", () => {
  const picture = { x: -75, y: 0, w: 450, h: 300 };
  assert.deepEqual(anchor({ x: 0, y: 0, w: 0.5, h: 1 }, picture, square), { x: 75, y: 150 });
  assert.equal(anchor({ x: 0, y: 0, w: 0.18, h: 1 }, picture, square), null);
  assert.equal(anchor({ x: 0, y: 0, w: 0.1, h: 1 }, picture, square), null);
});

test("a quarter turn takes the right edge to the bottom", () => {
  const bounds = { x: 100, y: 100, width: 200, height: 400 };
  const turned = toViewport({ x: 400, y: 100 }, { w: 400, h: 200 }, { a: 0, b: 1, c: -1, d: 0 }, bounds);
  assert.deepEqual(turned, { x: 200, y: 500 });
});

test("what is left of the rectangle's width is zoom", () => {
  const point = toViewport({ x: 0, y: 0 }, { w: 100, h: 50 }, { a: 1, b: 0, c: 0, d: 1 }, { x: 10, y: 20, width: 150, height: 75 });
  assert.deepEqual(point, { x: 10, y: 20 });
});

test("points that coincide end up a target apart, the better-ranked one where it was", () => {
  const [first, second, third] = spread([{ x: 5, y: 5 }, { x: 5, y: 5 }, { x: 300, y: 5 }], 30);
  assert.deepEqual(first, { x: 5, y: 5 });
  assert.equal(Math.hypot(second!.x - 5, second!.y - 5), 30);
  assert.deepEqual(third, { x: 300, y: 5 });
});
