// Where a tag is at a moment of a video: keyframes, linear between them.

import type { Box, Tag } from "./contract.ts";

const between = (a: number, b: number, share: number): number => a + (b - a) * share;

/** The tag's box at that moment, or null outside its span. */
export const boxAt = ({ from_ms, to_ms, track, box }: Pick<Tag, "from_ms" | "to_ms" | "track" | "box">, ms: number): Box | null => {
  if (ms < from_ms || ms > to_ms) return null;
  const later = track.findIndex((it) => it[0] > ms);
  const after = later < 0 ? track[track.length - 1] : track[later];
  if (!after) return box;
  const before = later < 0 ? after : track[later - 1] ?? after;
  const share = after === before ? 0 : (ms - before[0]) / (after[0] - before[0]);
  const at = (i: 1 | 2 | 3 | 4): number => between(before[i], after[i], share);
  return { x: at(1), y: at(2), w: at(3), h: at(4) };
};
