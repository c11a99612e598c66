// The media of the current view: which are near enough to ask for, which have tags, what of each is on the screen.

import { Exposure, DISPLAY_MS, VIDEO_MS, browserTimers, neededShare } from "./exposure.ts";
import type { MediaAsked } from "./contract.ts";
import { safe } from "./guard.ts";
import type { Layer } from "./layer.ts";
import { addressOf, identityOf, kindOf, optedOut, type MediaElement } from "./scanner.ts";
import type { Film } from "./video.ts";

export interface Medium {
  readonly el: MediaElement;
  readonly identity: string;
  readonly asked: MediaAsked;
  readonly exposure: Exposure;
  share: number;
  near: boolean;
  layer: Layer | null;
  film: Film | null;
}

/** A medium is asked for before it scrolls into view, so that its tags are there when it does. */
const NEAR = "50% 25%";
const SHARES = [0, 0.15, 0.3, 0.4, 0.5, 0.6, 0.75, 1];

const tabIsWatched = (): boolean => document.visibilityState === "visible" && document.hasFocus();

export class MediaList {
  readonly #media = new Map<Element, Medium>();
  readonly #nearby: IntersectionObserver;
  readonly #onScreen: IntersectionObserver;

  readonly #minSize: number;
  readonly #wanted: (medium: Medium) => void;
  readonly #moved: () => void;

  /** wanted: this medium has come near the viewport and has no tags yet. */
  constructor(minSize: number, wanted: (medium: Medium) => void, moved: () => void) {
    this.#minSize = minSize;
    this.#wanted = wanted;
    this.#moved = moved;
    this.#nearby = new IntersectionObserver(safe((entries: IntersectionObserverEntry[]) => this.#approached(entries)), { rootMargin: NEAR });
    this.#onScreen = new IntersectionObserver(safe((entries: IntersectionObserverEntry[]) => this.#seen(entries)), { threshold: SHARES });
  }

  all(): Medium[] {
    return [...this.#media.values()];
  }

  /** Takes an element in, leaves it, or drops it, as it is now. */
  consider(el: MediaElement): void {
    const known = this.#media.get(el);
    const wanted = el.isConnected && !optedOut(el);
    if (known && (!wanted || known.identity !== identityOf(el))) this.#drop(known);
    if (!wanted || this.#media.has(el)) return;
    const url = addressOf(el);
    const { width, height } = el.getBoundingClientRect();
    if (!url || width < this.#minSize || height < this.#minSize) return;
    const medium = this.#create(el, { url, kind: kindOf(el), width: Math.round(width), height: Math.round(height) });
    this.#media.set(el, medium);
    this.#nearby.observe(el);
    this.#onScreen.observe(el);
  }

  clear(): void {
    for (const medium of this.all()) this.#drop(medium);
  }

  /** Focus, visibility or playback changed: every running clock has to look again. */
  updateExposure(): void {
    for (const { exposure } of this.all()) exposure.update();
  }

  #create(el: MediaElement, asked: MediaAsked): Medium {
    const film = asked.kind === "video";
    const met = (): boolean => {
      const { width, height } = el.getBoundingClientRect();
      return medium.share >= neededShare(width, height, !film) && tabIsWatched() && (!film || medium.film?.playing() === true);
    };
    const exposure = new Exposure(met, film ? VIDEO_MS : DISPLAY_MS, browserTimers);
    const medium: Medium = { el, identity: identityOf(el), asked, exposure, share: 0, near: false, layer: null, film: null };
    return medium;
  }

  #drop(medium: Medium): void {
    this.#media.delete(medium.el);
    this.#nearby.unobserve(medium.el);
    this.#onScreen.unobserve(medium.el);
    medium.exposure.end();
    medium.film?.stop();
    medium.layer?.remove();
    this.#moved();
  }

  #approached(entries: IntersectionObserverEntry[]): void {
    for (const { target, isIntersecting } of entries) {
      const medium = this.#media.get(target);
      if (!medium) continue;
      medium.near = isIntersecting;
      if (isIntersecting && !medium.layer) this.#wanted(medium);
    }
  }

  #seen(entries: IntersectionObserverEntry[]): void {
    for (const { target, isIntersecting, intersectionRatio } of entries) {
      const medium = this.#media.get(target);
      if (!medium) continue;
      medium.share = intersectionRatio;
      if (medium.layer) medium.layer.onScreen = isIntersecting;
      medium.exposure.update();
    }
    this.#moved();
  }
}
