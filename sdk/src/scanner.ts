// Finds the pictures and videos of a page, also those that come, load, grow or change later. It asks and draws nothing.

import type { MediaKind } from "./contract.ts";
import { listen, safe } from "./guard.ts";

export type MediaElement = HTMLImageElement | HTMLVideoElement;

export const kindOf = (el: MediaElement): MediaKind => (el instanceof HTMLVideoElement ? "video" : "image");

/** The absolute address that names the medium, or "" where there is none a server could fetch (data:, blob:). */
export const addressOf = (el: MediaElement): string => {
  const source = el instanceof HTMLVideoElement ? el.querySelector("source")?.getAttribute("src") : null;
  const raw = el.dataset.shoplightSrc || el.currentSrc || el.src || source;
  if (!raw) return "";
  try {
    const url = new URL(raw, document.baseURI);
    url.hash = "";
    return /^https?:$/.test(url.protocol) && url.href.length <= 2000 ? url.href : "";
  } catch {
    return "";
  }
};

/** What makes an element show another picture. A srcset that merely picks another width leaves it as it is. */
export const identityOf = (el: MediaElement): string => {
  const sources = el instanceof HTMLVideoElement ? el.querySelectorAll("source") : el.closest("picture")?.querySelectorAll("source") ?? [];
  const attributes = [el, ...sources].flatMap((it) => [it.getAttribute("src"), it.getAttribute("srcset"), it.getAttribute("data-shoplight-src")]);
  return attributes.join("\n");
};

export const optedOut = (el: Element): boolean => el.closest("[data-shoplight='off']") !== null;

const WATCHED = ["src", "srcset", "style", "class", "hidden", "open", "data-shoplight", "data-shoplight-src"];
const isMedia = (node: unknown): node is MediaElement => node instanceof HTMLImageElement || node instanceof HTMLVideoElement;

export class Scanner {
  readonly #sizes: ResizeObserver;

  /** changed: this medium is new, gone, or may be another one now. moved: the page changed in a way that may move pictures. */
  readonly #changed: (el: MediaElement) => void;
  readonly #moved: () => void;

  constructor(changed: (el: MediaElement) => void, moved: () => void) {
    this.#changed = changed;
    this.#moved = moved;
    this.#sizes = new ResizeObserver(safe((entries: ResizeObserverEntry[]) => {
      for (const { target } of entries) if (isMedia(target)) this.#changed(target);
      this.#moved();
    }));
    this.#sizes.observe(document.documentElement);
    this.#sizes.observe(document.body);
    new MutationObserver(safe((records: MutationRecord[]) => this.#mutated(records)))
      .observe(document.documentElement, { subtree: true, childList: true, attributes: true, attributeFilter: WATCHED });
    // load does not bubble but is captured: lazy pictures, srcset swaps.
    listen(document, "load loadedmetadata emptied", (event) => {
      if (!isMedia(event.target)) return;
      this.#changed(event.target);
      this.#moved();
    }, true);
  }

  scan(root: ParentNode = document): void {
    for (const el of root.querySelectorAll<MediaElement>("img, video")) this.#found(el);
  }

  #found(el: MediaElement): void {
    this.#sizes.observe(el);
    this.#changed(el);
  }

  #mutated(records: MutationRecord[]): void {
    const touched = new Set<Node>();
    for (const { type, target, attributeName, addedNodes, removedNodes } of records) {
      // Styles of a container may move or reveal its pictures, which the observers of size see; only an opt-out needs a search.
      if (type === "attributes" && (attributeName === "data-shoplight" || isMedia(target) || target instanceof HTMLSourceElement)) touched.add(target);
      for (const node of addedNodes) touched.add(node);
      for (const node of removedNodes) if (node instanceof Element) this.#gone(node);
    }
    for (const node of touched) {
      if (!(node instanceof Element)) continue;
      const sibling = node instanceof HTMLSourceElement ? node.parentElement?.querySelector<MediaElement>("img") ?? node.closest("video") : null;
      if (sibling) this.#found(sibling);
      if (isMedia(node)) this.#found(node);
      else if (node.childElementCount) this.scan(node);
    }
    this.#moved();
  }

  #gone(node: Element): void {
    const inside = isMedia(node) ? [node] : node.querySelectorAll<MediaElement>("img, video");
    for (const el of inside) {
      if (el.isConnected) continue;
      this.#sizes.unobserve(el);
      this.#changed(el);
    }
  }
}
