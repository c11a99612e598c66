// Guards for values of an answer that nobody has looked at yet.

import type { Box } from "./contract.ts";

export type Json = Record<string, unknown>;

export const isObject = (value: unknown): value is Json => typeof value === "object" && value !== null;
export const list = (value: unknown, limit: number): unknown[] => (Array.isArray(value) ? value.slice(0, limit) : []);
export const count = (value: unknown): number | null => (Number.isFinite(value) && (value as number) >= 0 ? (value as number) : null);

/** 0..1 with room for rounding. */
const within = (value: unknown): value is number => typeof value === "number" && value >= -0.01 && value <= 1.01;

export const readBox = (raw: unknown): Box | null => {
  if (!isObject(raw)) return null;
  const { x, y, w, h } = raw;
  return within(x) && within(y) && within(w) && within(h) && w > 0 && h > 0 ? { x, y, w, h } : null;
};
