// Keeps hotspots, and the word "Ad" above them, off what a film is played with. Controls cannot be asked where they are, so their room
// is kept free whether they show or not.

import type { Point } from "./geometry.ts";

/** Native controls in Chromium, in CSS px: buttons of 48 over a scrubber of 24. Other browsers' are lower, and so are most pages' own. */
const STRIP_PX = 72;
const OWN_STRIP_PX = 48;
/** The round button on touch screens, a little above the middle. */
const PLAY_RADIUS_PX = 36;
const PLAY_RISE_PX = 12;
/** How far a hotspot under the pointer reaches down and to its sides, and up with its label. */
const REACH_PX = 22;
const RISE_PX = 36;

export interface Screen {
  bounds: Pick<DOMRect, "left" | "top" | "width" | "height">;
  /** CSS px on the screen for one of the film's own. */
  scale: number;
  /** The browser's own controls, not the page's. */
  native: boolean;
  touch: boolean;
}

interface Taken { x: number; y: number; radius: number }

/** A circle round the button for the dot, and one lower for the label above it. */
const playButton = ({ bounds, scale }: Screen): Taken[] => {
  const [x, y] = [bounds.left + bounds.width / 2, bounds.top + bounds.height / 2 - PLAY_RISE_PX * scale];
  const radius = PLAY_RADIUS_PX * scale + REACH_PX;
  return [{ x, y, radius }, { x, y: y + REACH_PX, radius }];
};

/** Half the width that something taken keeps free at this height. */
const room = (it: Taken, y: number): number => Math.sqrt(Math.max(it.radius ** 2 - (y - it.y) ** 2, 0));

/** Places, best first: up from the strip at the bottom, then sideways past the play button and better ones; higher where all is taken. */
export const clearOf = (places: Point[], screen: Screen, gap: number): Point[] => {
  const { bounds: { left, top, width, height }, scale, native, touch } = screen;
  const lowest = top + height - (native ? STRIP_PX : OWN_STRIP_PX) * scale - REACH_PX;
  const button = native && touch ? playButton(screen) : [];
  const inFilm = (x: number): boolean => x >= left + REACH_PX && x <= left + width - REACH_PX;
  const taken: Taken[] = [];

  const nearest = (wanted: number, y: number, others: Taken[]): Point[] =>
    [wanted, ...others.flatMap((it) => [it.x - room(it, y), it.x + room(it, y)])]
      .filter((x) => inFilm(x) && others.every((it) => Math.abs(x - it.x) > room(it, y) - 0.1))
      .sort((a, b) => Math.abs(a - wanted) - Math.abs(b - wanted))
      .slice(0, 1).map((x) => ({ x, y }));

  return places.map((place) => {
    const y = Math.min(Math.max(place.y, top + RISE_PX), lowest);
    const rows = [y, y - gap, y - 2 * gap].filter((it) => it === y || it >= top + RISE_PX);
    const [at = { x: place.x, y }] = [...rows.flatMap((row) => nearest(place.x, row, [...button, ...taken])), ...nearest(place.x, y, button)];
    taken.push({ ...at, radius: gap });
    return at;
  });
};
