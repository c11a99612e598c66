// Tells when a page becomes another view: a route of a single-page app, or a return from the back/forward cache.

import { listen, safe } from "./guard.ts";

/** Fragments are places on a page, except where a router keeps its routes in them. */
export const viewAddress = ({ origin, pathname, search, hash }: Location | URL): string =>
  origin + pathname + search + (/^#[/!]/.test(hash) ? hash : "");

type HistoryMethod = "pushState" | "replaceState";

/** For browsers without the Navigation API: wraps the methods on the object, hands everything through, never throws itself. */
const hookHistory = (look: () => void): void => {
  for (const name of ["pushState", "replaceState"] as HistoryMethod[]) {
    const original = history[name];
    history[name] = function (this: History, ...args: Parameters<History[HistoryMethod]>): void {
      original.apply(this, args);
      look();
    };
  }
};

export const watchRoutes = (changed: () => void): void => {
  let address = viewAddress(location);
  const look = safe(() => {
    const now = viewAddress(location);
    // The same address replaced is the same view: frameworks do that for scroll positions.
    if (now === address) return;
    address = now;
    changed();
  });
  const { navigation } = window as { navigation?: EventTarget };
  if (navigation) listen(navigation, "currententrychange", look);
  else hookHistory(look);
  listen(window, "popstate hashchange", look);
  listen(window, "pageshow", (event) => {
    if ((event as PageTransitionEvent).persisted) changed();
  });
};
