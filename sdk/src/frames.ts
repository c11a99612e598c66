// One animation frame for everything that has to be placed anew; while something moves by itself, a bounded run of frames.

import { listen, safe } from "./guard.ts";

const FOLLOW_MS = 1500;

export class Frames {
  #asked = 0;
  #fresh = false;
  #followUntil = 0;

  readonly #place: (fresh: boolean) => void;
  readonly #needed: () => boolean;

  constructor(place: (fresh: boolean) => void, needed: () => boolean) {
    this.#place = place;
    this.#needed = needed;
    listen(document, "scroll", () => this.ask(false), true);
    listen(window, "resize", () => this.ask());
    // A transition or animation of an ancestor moves pictures without any other sign.
    listen(document, "transitionrun animationstart animationiteration", () => this.follow(), true);
    listen(document, "transitionend animationend", () => this.ask(), true);
  }

  /** fresh: styles may have changed; without it only scrolling happened and cached projections hold. */
  ask(fresh = true): void {
    this.#fresh ||= fresh;
    if (this.#asked || !this.#needed()) return;
    this.#asked = requestAnimationFrame(safe(() => {
      const [now, wanted] = [performance.now(), this.#fresh];
      this.#asked = 0;
      this.#fresh = false;
      this.#place(wanted);
      if (now < this.#followUntil) this.ask();
    }));
  }

  follow(): void {
    this.#followUntil = performance.now() + FOLLOW_MS;
    this.ask();
  }
}
