// Viewable impressions by MRC's rules on the media box: the pixel test first, then an unbroken clock in a visible, focused tab.

/** Displays of at least this many CSS pixels count at 30 % instead of 50 %. */
const LARGE_AREA = 242_500;
export const DISPLAY_MS = 1000;
export const VIDEO_MS = 2000;

export const neededShare = (width: number, height: number, large: boolean): number =>
  large && width * height >= LARGE_AREA ? 0.3 : 0.5;

export interface Timers { start(run: () => void, ms: number): number; stop(timer: number): void }

export const browserTimers: Timers = {
  start: (run, ms) => window.setTimeout(run, ms),
  stop: (timer) => window.clearTimeout(timer),
};

interface Watch { done: () => void; timer: number | null }

export class Exposure {
  readonly #watches = new Set<Watch>();

  /** met: the pixel test and the state of the tab, at this moment. */
  readonly #met: () => boolean;
  readonly #ms: number;
  readonly #timers: Timers;

  constructor(met: () => boolean, ms: number, timers: Timers) {
    this.#met = met;
    this.#ms = ms;
    this.#timers = timers;
  }

  /** Starts to watch a tag that has just been drawn. */
  drawn(done: () => void): void {
    this.#watches.add({ done, timer: null });
    this.update();
  }

  /** To be called whenever anything that `met` reads may have changed: each break starts the clock anew. */
  update(): void {
    const met = this.#met();
    for (const watch of this.#watches) {
      if (!met && watch.timer !== null) {
        this.#timers.stop(watch.timer);
        watch.timer = null;
      } else if (met && watch.timer === null) {
        watch.timer = this.#timers.start(() => this.#ripe(watch), this.#ms);
      }
    }
  }

  end(): void {
    for (const { timer } of this.#watches) if (timer !== null) this.#timers.stop(timer);
    this.#watches.clear();
  }

  #ripe(watch: Watch): void {
    watch.timer = null;
    // A change that raised no event must not count: look again before saying so.
    if (!this.#met() || !this.#watches.has(watch)) return this.update();
    this.#watches.delete(watch);
    watch.done();
  }
}
