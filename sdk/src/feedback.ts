// "Not this?": a shopper puts a product away that is not what the picture shows. Fetched when the first card opens. The word leaves
// the page only once Undo is no longer offered (card closed, page hidden), so that taking it back needs no second call.

import type { Shown } from "./card.ts";
import type { Verdict } from "./consent.ts";
import type { Product, Tag } from "./contract.ts";
import { createDelivery } from "./delivery.ts";
import { make, say } from "./dom.ts";
import STYLE from "./feedback.css";
import { listen, safe } from "./guard.ts";
import { putAway } from "./put_away.ts";
import { transport, type Send } from "./transport.ts";
import { feedbackWords as words, spotName } from "./wording.ts";

/** A product that is away and can still be had back. `focus`: the person who sent it away has not been led to Undo yet. */
interface Away { shown: Shown; token: string; restore(): void; strip: HTMLElement; focus: boolean }

const nameOf = ({ spot: { tag } }: Shown, product: Product): string => product.title || tag.label;

const button = (className: string, text: string, label: string, press: () => void): HTMLButtonElement => {
  const node = make("button", className, text);
  say(node, { type: "button", "aria-label": label });
  node.addEventListener("click", safe(press));
  return node;
};

/** The hotspot says what its tag holds now. */
const rename = ({ spot: { tag, button: spot } }: Shown): void => {
  say(spot, { "aria-label": spotName(tag) });
  const ad = spot.querySelector<HTMLElement>(".ad");
  if (ad) ad.hidden = !tag.sponsored;
};

/** Returns what speaks to those who listen. */
const furnish = (root: ShadowRoot): ((text: string) => void) => {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(STYLE);
  root.adoptedStyleSheets = [...root.adoptedStyleSheets, sheet];
  // Stands in the page before it speaks: a region that comes with its text is not read.
  const region = make("div", "said");
  say(region, { role: "status" });
  root.append(region);
  return (text) => { region.textContent = text; };
};

/** Nothing is sent against the reader's consent; a word that has to wait for it is tried again like one that found no network. */
const asAllowed = (send: Send, allowed: () => Verdict): Send => async (body, leaving) =>
  ({ allow: () => send(body, leaving), hold: () => 0, deny: () => null })[allowed()]();

const ASK_MS = 5000;

/** Whether the site takes words at all. Where that cannot be learnt the button is offered: the server decides on the word itself. */
const isOpen = (api: string, key: string): Promise<boolean> =>
  fetch(`${api}/v1/feedback?key=${encodeURIComponent(key)}`, { credentials: "omit", signal: AbortSignal.timeout(ASK_MS) })
    .then((answer) => answer.json())
    .then((said: { open?: unknown } | null) => said?.open !== false, () => true);

export const start = (api: string, key: string, allowed: () => Verdict): ((shown: Shown) => Promise<void>) => {
  const open = isOpen(api, key);
  const delivery = createDelivery(asAllowed(transport(`${api}/v1/feedback`), allowed), {
    now: () => performance.now(),
    later: (run, ms) => void setTimeout(safe(run), ms),
  });
  /** One word a tag and view: a new view comes with new tags. */
  const voted = new WeakSet<Tag>();
  let tell: ((text: string) => void) | undefined;
  let away: Away | null = null;

  /** Undo is over: the word is sent. */
  const settle = (): void => {
    if (!away) return;
    const { token, strip, shown: { card, spot, close, moved } } = away;
    const { activeElement } = card.getRootNode() as ShadowRoot;
    const wasHere = strip.contains(activeElement);
    const onCard = strip.isConnected;
    away = null;
    voted.add(spot.tag);
    delivery.push(JSON.stringify({ key, token, verdict: "not_this" }));
    delivery.flush();
    strip.remove();
    if (spot.tag.products[0]) return wasHere ? card.focus({ preventScroll: true }) : undefined;
    if (onCard) close();
    spot.button.hidden = true;
    if (wasHere || activeElement === spot.button) spot.button.parentElement?.querySelector<HTMLElement>(".spot:not([hidden])")?.focus({ preventScroll: true });
    moved();
  };

  const undo = (): void => {
    if (!away) return;
    const { shown, restore } = away;
    away = null;
    restore();
    rename(shown);
    tell?.(words.back(nameOf(shown, shown.product)));
    shown.show(shown.product);
    shown.card.focus({ preventScroll: true });
    shown.moved();
  };

  /** In place of the question: what happened, and the way back. */
  const offerUndo = (place: (strip: HTMLElement) => void): void => {
    if (!away) return;
    const { shown, focus } = away;
    const text = make("span", "", shown.spot.tag.products[0] ? words.away : words.last);
    const back = button("undo", words.undo, words.undoLabel(nameOf(shown, shown.product)), undo);
    away.strip = make("div", "away");
    away.strip.append(text, back);
    away.focus = false;
    // Alone on the card it is what names the dialog.
    if (!shown.spot.tag.products[0]) text.id = "title";
    place(away.strip);
    if (focus) back.focus({ preventScroll: true });
    shown.moved();
  };

  const press = (shown: Shown): void => {
    const { main, spot: { tag }, product, show } = shown;
    away = { shown, ...putAway(tag, product), strip: main, focus: true };
    rename(shown);
    const [next] = tag.products;
    tell?.(words.told(nameOf(shown, product), next && nameOf(shown, next)));
    if (next) show(next);
    else offerUndo((strip) => main.replaceWith(strip));
  };

  const leave = (): void => {
    settle();
    delivery.flush(true);
  };
  listen(window, "pagehide", leave);
  listen(document, "visibilitychange", () => {
    if (document.visibilityState === "hidden") leave();
  });
  listen(window, "online", () => delivery.flush(true));

  return async (shown) => {
    const { card, main, spot: { tag } } = shown;
    // Meanwhile the card may show something else.
    if (!(await open) || !main.isConnected) return;
    if (!tell) {
      tell = furnish(card.getRootNode() as ShadowRoot);
      new MutationObserver(safe(() => { if (card.hidden) settle(); })).observe(card, { attributeFilter: ["hidden"] });
    }
    if (away?.shown.spot.tag !== tag) settle();
    if (away) offerUndo((strip) => main.after(strip));
    else if (!voted.has(tag)) main.append(button("vote", words.ask, words.askLabel(nameOf(shown, shown.product)), () => press(shown)));
  };
};
