// The one product card: opened by hover or by choice, dismissible, hoverable, persistent (WCAG 1.4.13), focus returned on Esc.

import type { Product } from "./contract.ts";
import { make, say } from "./dom.ts";
import type { Record } from "./events.ts";
import { listen, safe } from "./guard.ts";
import type { Spot } from "./layer.ts";
import type { Overlay } from "./overlay.ts";
import { fillCard } from "./product_card.ts";

const HOVER_MS = 150;
const LEAVE_MS = 300;
const GAP = 10;
const MARGIN = 8;

/** A product on the open card: what the part that takes shoppers' words works on. */
export interface Shown {
  card: HTMLElement;
  main: HTMLElement;
  spot: Spot;
  product: Product;
  show(product: Product): void;
  close(): void;
  moved(): void;
}

export interface Card {
  bind(spot: Spot): void;
  place(): void;
  close(returnFocus?: boolean): void;
}

const clamp = (value: number, room: number): string => `${Math.max(MARGIN, Math.min(value, room - MARGIN))}px`;

/** Beside the hotspot where there is room, else above or below it, always inside the viewport. */
const placeBeside = (node: HTMLElement, at: DOMRect): void => {
  const { offsetWidth: width, offsetHeight: height, style } = node;
  const [w, h] = [document.documentElement.clientWidth - width, innerHeight - height];
  const right = at.right + GAP;
  const left = right + MARGIN <= w ? right : at.left - GAP - width;
  const below = at.bottom + GAP;
  const beside = left >= MARGIN;
  style.left = clamp(beside ? left : at.left + (at.width - width) / 2, w);
  style.top = clamp(beside ? at.top + (at.height - height) / 2 : below + MARGIN <= h ? below : at.top - GAP - height, h);
};

export const createCard = (overlay: Overlay, api: string, record: Record, moved: () => void, offer: (shown: Shown) => void): Card => {
  const node = make("div", "card");
  let current: Spot | null = null;
  /** Opened on purpose: leaving with the pointer does not close it. */
  let pinned = false;
  let timer: ReturnType<typeof setTimeout> | undefined;

  const after = (ms: number, run: () => void): void => {
    clearTimeout(timer);
    timer = setTimeout(safe(run), ms);
  };

  const close = (returnFocus = false): void => {
    clearTimeout(timer);
    if (!current) return;
    const { button } = current;
    const wasInside = pinned || node.contains(overlay.root.activeElement);
    current = null;
    pinned = false;
    say(button, { "aria-expanded": "false" });
    if (node.popover) node.hidePopover();
    node.hidden = true;
    if (returnFocus && wasInside) button.focus({ preventScroll: true });
    moved();
  };

  const place = (): void => {
    if (!current) return;
    const { button } = current;
    // A card opened on purpose outlives its moment in a film, not its picture.
    const away = button.matches("[hidden],[hidden] *,.out,.out *");
    if (!button.isConnected || (away && !pinned)) close();
    else if (!away) placeBeside(node, button.getBoundingClientRect());
  };

  const show = (spot: Spot): void => {
    if (current !== spot) {
      close();
      const back = (): void => close(true);
      fillCard(node, spot.tag, spot.tag.products[0]!, {
        api,
        clicked: (token, id) => record("click", token, spot.tag.id, id),
        close: back,
        filled: (main, product, show) => offer({ card: node, main, spot, product, show, close: back, moved }),
      });
    }
    current = spot;
    say(spot.button, { "aria-expanded": "true" });
    if (node.hidden) {
      node.hidden = false;
      if (node.popover) node.showPopover();
    }
    placeBeside(node, spot.button.getBoundingClientRect());
  };

  const leave = (event: Event): void => {
    if ((event as PointerEvent).pointerType !== "touch" && !pinned) after(LEAVE_MS, close);
  };

  say(node, { role: "dialog", "aria-labelledby": "title", tabindex: "-1" });
  // The top layer: above everything, and fixed to the viewport even where the body is transformed.
  if ("popover" in node) node.popover = "manual";
  node.hidden = true;
  overlay.root.append(node);
  listen(node, "pointerenter", () => clearTimeout(timer));
  listen(node, "pointerleave", leave);
  // Whoever uses the card finds it still open on coming back from the product's tab.
  listen(node, "pointerdown", () => { pinned = true; });
  listen(document, "keydown", (event) => {
    if ((event as KeyboardEvent).key === "Escape") close(true);
  }, true);
  listen(document, "pointerdown", (event) => {
    if (!event.composedPath().includes(overlay.host)) close();
  }, true);

  return {
    place,
    close,
    bind: (spot) => {
      const { button, tag } = spot;
      listen(button, "pointerenter", (event) => {
        if ((event as PointerEvent).pointerType === "touch" || pinned) return;
        after(HOVER_MS, () => {
          if (spot === current) return;
          record("hover", tag.token, tag.id);
          show(spot);
        });
      });
      listen(button, "pointerleave", leave);
      // click covers pointer, touch, Enter and Space alike.
      listen(button, "click", () => {
        clearTimeout(timer);
        if (pinned && current === spot) return close(true);
        record("open", tag.token, tag.id);
        show(spot);
        pinned = true;
        node.focus({ preventScroll: true });
      });
    },
  };
};
