// The media of the current view: which are near enough to ask for, which have tags, how much of each is on the screen.

import { DISPLAY_MS, Exposure, VIDEO_MS, browserTimers, neededShare } from "./exposure.ts";
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
  wanted?: boolean;
  layer: Layer | null;
  film: Film | null;
}

export interface MediaList {
  all(): Medium[];
  /** Takes an element in, leaves it, or drops it, as it is now. */
  consider(el: MediaElement): void;
  clear(): void;
  /** Focus, visibility or playback changed: every running clock has to look again. */
  update(): void;
}

/** Of compareDocumentPosition: Node.DOCUMENT_POSITION_PRECEDING, shorter. */
const PRECEDING = 2;

/** A medium is asked for before it scrolls into view, so that its tags are there when it does. */
const NEAR = "50% 25%";
const SHARES = [0, 0.15, 0.3, 0.4, 0.5, 0.6, 0.75, 1];

const tabIsWatched = (): boolean => document.visibilityState === "visible" && document.hasFocus();

const createMedium = (el: MediaElement, asked: MediaAsked): Medium => {
  const film = asked.kind === "video";
  const met = (): boolean => {
    const { width, height } = el.getBoundingClientRect();
    return medium.share >= neededShare(width, height, !film) && tabIsWatched() && (!film || !!medium.film?.playing());
  };
  const medium: Medium = {
    el, asked, identity: identityOf(el), exposure: new Exposure(met, film ? VIDEO_MS : DISPLAY_MS, browserTimers),
    share: 0, near: false, layer: null, film: null,
  };
  return medium;
};

/** wanted: this medium has come near the viewport and has no tags yet. */
export const createMediaList = (minSize: number, wanted: (medium: Medium) => void, moved: () => void): MediaList => {
  const media = new Map<Element, Medium>();
  /** In the order of the page. */
  const all = (): Medium[] => [...media.values()].sort((a, b) => (a.el.compareDocumentPosition(b.el) & PRECEDING) - 1);

  const observer = (seen: (medium: Medium, entry: IntersectionObserverEntry) => void, options: IntersectionObserverInit): IntersectionObserver =>
    new IntersectionObserver(safe((entries: IntersectionObserverEntry[]) => {
      for (const entry of entries) {
        const medium = media.get(entry.target);
        if (medium) seen(medium, entry);
      }
      moved();
    }), options);

  const observers = [
    observer((medium, { isIntersecting }) => {
      medium.near = isIntersecting;
      if (isIntersecting && !medium.layer) wanted(medium);
    }, { rootMargin: NEAR }),
    observer((medium, { isIntersecting, intersectionRatio }) => {
      medium.share = intersectionRatio;
      if (medium.layer) medium.layer.onScreen = isIntersecting;
      medium.exposure.update();
    }, { threshold: SHARES }),
  ];

  const drop = (medium: Medium): void => {
    media.delete(medium.el);
    for (const it of observers) it.unobserve(medium.el);
    medium.exposure.end();
    medium.film?.stop();
    medium.layer?.remove();
    moved();
  };

  return {
    all,
    clear: () => all().forEach(drop),
    update: () => all().forEach((it) => it.exposure.update()),
    consider: (el) => {
      const known = media.get(el);
      const usable = el.isConnected && !optedOut(el);
      if (known && (!usable || known.identity !== identityOf(el))) drop(known);
      if (!usable || media.has(el)) return;
      const url = addressOf(el);
      const { width, height } = el.getBoundingClientRect();
      if (!url || width < minSize || height < minSize) return;
      media.set(el, createMedium(el, { url, kind: kindOf(el), width: Math.round(width), height: Math.round(height) }));
      for (const it of observers) it.observe(el);
    },
  };
};
