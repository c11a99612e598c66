// Finds the pictures and videos of a page, also those that come, load, grow or change later. It asks and draws nothing.

import type { MediaKind } from "./contract.ts";
import { listen, safe } from "./guard.ts";

export type MediaElement = HTMLImageElement | HTMLVideoElement;

export const kindOf = (el: MediaElement): MediaKind => (el instanceof HTMLVideoElement ? "video" : "image");

/** The absolute address that names the medium, or "" where there is none a server could fetch (data:, blob:). */
export const addressOf = (el: MediaElement): string => {
  const raw = el.dataset.shoplightSrc || el.currentSrc || el.src || el.querySelector("source")?.getAttribute("src");
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
  const sources = (el.closest("picture") ?? el).querySelectorAll("source");
  const attributes = [el, ...sources].flatMap((it) => [it.getAttribute("src"), it.getAttribute("srcset"), it.getAttribute("data-shoplight-src")]);
  return attributes.join("\n");
};

export const optedOut = (el: Element): boolean => !!el.closest("[data-shoplight=off]");

const WATCHED = ["src", "srcset", "style", "class", "hidden", "open", "data-shoplight", "data-shoplight-src"];
const isMedia = (node: unknown): node is MediaElement => node instanceof HTMLImageElement || node instanceof HTMLVideoElement;

/**
 * Returns what searches a part of the page. changed: this medium is new, gone, or may be another one now.
 * moved: the page changed in a way that may move pictures.
 */
export const watchMedia = (changed: (el: MediaElement) => void, moved: () => void): ((root: ParentNode) => void) => {
  const sizes = new ResizeObserver(safe((entries: ResizeObserverEntry[]) => {
    for (const { target } of entries) if (isMedia(target)) changed(target);
    moved();
  }));

  const found = (el: MediaElement): void => {
    sizes.observe(el);
    changed(el);
  };

  const scan = (root: ParentNode): void => root.querySelectorAll<MediaElement>("img,video").forEach(found);

  const touched = (node: Node): void => {
    if (isMedia(node)) found(node);
    else if (node instanceof HTMLSourceElement) touched(node.parentElement?.querySelector("img") ?? node.parentNode!);
    else if (node instanceof Element) scan(node);
  };

  const gone = (node: Node): void => {
    if (isMedia(node) && !node.isConnected) {
      sizes.unobserve(node);
      changed(node);
    } else if (node instanceof Element) {
      node.querySelectorAll("img,video").forEach(gone);
    }
  };

  sizes.observe(document.documentElement);
  sizes.observe(document.body);
  new MutationObserver(safe((records: MutationRecord[]) => {
    for (const { target, attributeName, addedNodes, removedNodes } of records) {
      removedNodes.forEach(gone);
      addedNodes.forEach(touched);
      // Styles of a container may move or reveal its pictures, which the observers of size see; only an opt-out needs a search.
      if (attributeName === "data-shoplight" || isMedia(target) || target instanceof HTMLSourceElement) touched(target);
    }
    moved();
  })).observe(document.documentElement, { subtree: true, childList: true, attributes: true, attributeFilter: WATCHED });
  // load does not bubble but is captured: lazy pictures, srcset swaps.
  listen(document, "load loadedmetadata emptied", ({ target }) => {
    if (!isMedia(target)) return;
    changed(target);
    moved();
  }, true);
  return scan;
};
