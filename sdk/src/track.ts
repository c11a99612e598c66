// Where a tag is at a moment of a video: keyframes, linear between them. Reads them, too: pages without films need none of it.

import type { Box, Tag } from "./contract.ts";
import { count, list, readBox } from "./json.ts";

/** One place of a tag at one moment of a video: milliseconds, then the box in 0..1. */
type Keyframe = Box & { ms: number };

export interface Timing { from_ms: number; to_ms: number; track: Keyframe[]; box: Box | null }

const MAX_KEYFRAMES = 2000;

const readKeyframe = (raw: unknown): Keyframe[] => {
  const [ms, x, y, w, h] = list(raw, 5);
  const box = readBox({ x, y, w, h });
  return box && count(ms) !== null ? [{ ms: ms as number, ...box }] : [];
};

/** Whatever is malformed is left out. */
export const readTiming = ({ timing: { from_ms, to_ms, track }, box }: Pick<Tag, "timing" | "box">): Timing => ({
  from_ms: count(from_ms) ?? 0,
  to_ms: count(to_ms) ?? Infinity,
  track: list(track, MAX_KEYFRAMES).flatMap(readKeyframe).sort((a, b) => a.ms - b.ms),
  box,
});

const between = (a: number, b: number, share: number): number => a + (b - a) * share;

/** The tag's box at that moment, or null outside its span. */
export const boxAt = ({ from_ms, to_ms, track, box }: Timing, ms: number): Box | null => {
  if (ms < from_ms || ms > to_ms) return null;
  const later = track.findIndex((it) => it.ms > ms);
  const after = later < 0 ? track[track.length - 1] : track[later];
  if (!after) return box;
  const before = later < 0 ? after : track[later - 1] ?? after;
  const share = after === before ? 0 : (ms - before.ms) / (after.ms - before.ms);
  const at = (side: keyof Box): number => between(before[side], after[side], share);
  return { x: at("x"), y: at("y"), w: at("w"), h: at("h") };
};
