// Where a point of a picture lies in the element that shows it: object-fit, object-position and affine transforms, as pure arithmetic.

import type { Box } from "./contract.ts";

export interface Size { w: number; h: number }
export interface Point { x: number; y: number }
/** Linear part of an affine map, named as in DOMMatrix: x' = a·x + c·y, y' = b·x + d·y. */
export interface Linear { a: number; b: number; c: number; d: number }

/** One component of a computed object-position: percentages count the free space, as CSS has it. */
const offset = (term: string, free: number): number => {
  let sum = 0;
  for (const [, sign, value, unit] of term.matchAll(/([+-])?\s*(-?[\d.]+(?:e-?\d+)?)(%|px)/g)) {
    const length = unit === "%" ? (Number(value) / 100) * free : Number(value);
    sum += sign === "-" ? -length : length;
  }
  return sum;
};

const components = (position: string): [string, string] => {
  const parts = position.match(/calc\((?:[^()]|\([^()]*\))*\)|\S+/g) ?? [];
  return [parts[0] ?? "50%", parts[1] ?? "50%"];
};

/** The rectangle the whole picture takes, in the coordinates of the element's content box; it may reach beyond it (cover, none). */
export const fitted = (frame: Size, natural: Size, fit: string, position: string): Box => {
  const contain = Math.min(frame.w / natural.w, frame.h / natural.h);
  const cover = Math.max(frame.w / natural.w, frame.h / natural.h);
  const scale = fit === "cover" ? cover : fit === "none" ? 1 : fit === "scale-down" ? Math.min(1, contain) : contain;
  const [w, h] = fit === "fill" ? [frame.w, frame.h] : [natural.w * scale, natural.h * scale];
  const [across, down] = components(position);
  return { x: offset(across, frame.w - w), y: offset(down, frame.h - h), w, h };
};

const LEAST_VISIBLE = 0.25;

/** The centre of that part of a tag's box which the element shows, or null where too little of the box is left after cropping. */
export const anchor = (box: Box, picture: Box, frame: Size): Point | null => {
  const [left, top] = [picture.x + box.x * picture.w, picture.y + box.y * picture.h];
  const [w, h] = [box.w * picture.w, box.h * picture.h];
  const [x0, y0] = [Math.max(left, 0), Math.max(top, 0)];
  const [x1, y1] = [Math.min(left + w, frame.w), Math.min(top + h, frame.h)];
  if (x1 <= x0 || y1 <= y0 || (x1 - x0) * (y1 - y0) < LEAST_VISIBLE * w * h) return null;
  return { x: (x0 + x1) / 2, y: (y0 + y1) / 2 };
};

/**
 * Maps a point of the untransformed border box to the viewport. An affine map takes the box's centre to the centre of its
 * bounding rectangle, so origins and translations need not be known; CSS zoom is what remains of the rectangle's width.
 */
export const toViewport = (point: Point, border: Size, linear: Linear, bounds: Pick<DOMRect, "x" | "y" | "width" | "height">): Point => {
  const { a, b, c, d } = linear;
  const width = Math.abs(a) * border.w + Math.abs(c) * border.h;
  const zoom = width > 0 ? bounds.width / width : 1;
  const [x, y] = [point.x - border.w / 2, point.y - border.h / 2];
  return {
    x: bounds.x + bounds.width / 2 + zoom * (a * x + c * y),
    y: bounds.y + bounds.height / 2 + zoom * (b * x + d * y),
  };
};

/** Pushes each point away from better-ranked ones until targets of the given size no longer overlap. */
export const spread = (points: Point[], gap: number): Point[] => {
  const placed: Point[] = [];
  for (const point of points) {
    const moved = { ...point };
    for (const other of placed) {
      const [dx, dy] = [moved.x - other.x, moved.y - other.y];
      const distance = Math.hypot(dx, dy);
      if (distance >= gap) continue;
      const [ux, uy] = distance > 0.5 ? [dx / distance, dy / distance] : [0, 1];
      moved.x = other.x + ux * gap;
      moved.y = other.y + uy * gap;
    }
    placed.push(moved);
  }
  return placed;
};
