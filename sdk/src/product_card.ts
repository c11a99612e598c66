// Fills a card with one tag: product, price, link, further products. It decides nothing about when a card is seen.

import type { Product, Tag } from "./contract.ts";
import { make, say } from "./dom.ts";
import { eventId } from "./event_id.ts";
import { listen } from "./guard.ts";
import { price } from "./money.ts";
import { availabilityWords, matchWords } from "./wording.ts";

export interface CardContext {
  api: string;
  /** A person goes to the product: the id that both the event and the redirect carry. */
  clicked(token: string, id: string): void;
  close(): void;
  /** This product is shown now; show puts another one of the tag in its place. */
  filled(main: HTMLElement, product: Product, show: (product: Product) => void): void;
}

const pageLang = (): string => document.documentElement.lang || navigator.language;

const picture = (context: CardContext, product: Product): HTMLImageElement => {
  const img = make("img");
  // Our own host only: a brand's host would see the shopper's address.
  img.src = `${context.api}/i/${encodeURIComponent(product.id)}/320`;
  img.alt = "";
  listen(img, "error", () => { img.hidden = true; });
  return img;
};

const money = (product: Product): HTMLElement => {
  const row = make("div", "money");
  const { price_micros: full, sale_price_micros: sale, currency } = product;
  const now = sale !== null && (full === null || sale < full) ? sale : full;
  if (now !== null) row.append(make("span", "price", price(now, currency, pageLang())));
  if (full !== null && now !== full) {
    const was = make("s", "was", price(full, currency, pageLang()));
    was.prepend(make("span", "said", "instead of "));
    row.append(was);
  }
  const stock = availabilityWords(product.availability);
  if (stock) row.append(make("span", "stock", stock));
  return row;
};

/**
 * The link gets a new event id each time it is used: a second click is another decision. The address is set before the
 * browser follows it, so event and redirect name the same id. Opening it from the context menu is counted by the redirect alone.
 */
const link = (context: CardContext, product: Product, token: string, words: string): HTMLAnchorElement => {
  const a = make("a", "go", words);
  a.setAttribute("aria-label", `${words}: ${product.title} (opens in a new tab)`);
  const renew = (): string => {
    const id = eventId();
    a.href = `${context.api}/c/${encodeURIComponent(token)}?e=${id}`;
    return id;
  };
  renew();
  a.target = "_blank";
  a.rel = "noopener sponsored";
  listen(a, "click auxclick", (event) => {
    if (event.type === "click" || (event as MouseEvent).button === 1) context.clicked(token, renew());
  });
  listen(a, "contextmenu", renew);
  return a;
};

const thumbnails = (context: CardContext, tag: Tag, current: Product, choose: (product: Product) => void): HTMLElement => {
  const more = make("div", "more");
  const row = make("div", "row");
  for (const product of tag.products) {
    const thumb = make("button", "thumb");
    say(thumb, { type: "button", "aria-label": `${matchWords(product.match_type) || "Product"}: ${product.title}`, "aria-pressed": String(product === current) });
    thumb.append(picture(context, product));
    listen(thumb, "click", () => choose(product));
    row.append(thumb);
  }
  more.append(make("h3", "", "More to see"), row);
  return more;
};

export const fillCard = (card: HTMLElement, tag: Tag, product: Product, context: CardContext): void => {
  const [main, stage, facts] = [make("div", "main"), make("div", "stage"), make("div", "facts")];
  stage.append(picture(context, product));
  if (tag.sponsored) stage.append(make("span", "sponsored", "Sponsored"));
  const match = matchWords(product.match_type);
  if (match) facts.append(make("span", "match", match));
  if (product.brand) facts.append(make("span", "brand", product.brand));
  const title = make("h2", "title", product.title);
  title.id = "title";
  // The tag's own token and creative speak of its first product; further offers bring their own.
  const words = (product === tag.products[0] && tag.call_to_action) || "View product";
  facts.append(title, money(product), link(context, product, product.token ?? tag.token, words));
  const close = make("button", "close", "\u2715");
  say(close, { type: "button", "aria-label": "Close" });
  listen(close, "click", () => context.close());
  main.append(stage, facts);
  card.replaceChildren(main, close);
  const show = (chosen: Product): void => fillCard(card, tag, chosen, context);
  if (tag.products[1]) {
    card.append(thumbnails(context, tag, product, (chosen) => {
      show(chosen);
      card.querySelector<HTMLElement>("[aria-pressed=true]")?.focus({ preventScroll: true });
    }));
  }
  context.filled(main, product, show);
};
