// One animation frame for everything that has to be placed anew; while something moves by itself, a bounded run of frames.

import { listen, safe } from "./guard.ts";

const FOLLOW_MS = 1500;

export interface Frames {
  /** fresh: styles may have changed; with false only scrolling happened and cached projections hold. */
  ask(fresh?: boolean): void;
  follow(): void;
}

export const createFrames = (place: (fresh: boolean) => void): Frames => {
  let asked = false;
  let stale = false;
  let followUntil = 0;

  const ask = (fresh = true): void => {
    stale ||= fresh;
    if (asked) return;
    asked = true;
    requestAnimationFrame(safe((now: number) => {
      const wanted = stale;
      asked = stale = false;
      place(wanted);
      if (now < followUntil) ask();
    }));
  };

  const follow = (): void => {
    followUntil = performance.now() + FOLLOW_MS;
    ask();
  };

  listen(document, "scroll", () => ask(false), true);
  listen(window, "resize", () => ask());
  // A transition or animation of an ancestor moves pictures without any other sign.
  listen(document, "transitionrun animationstart animationiteration", follow, true);
  listen(document, "transitionend animationend", () => ask(), true);
  return { ask, follow };
};
