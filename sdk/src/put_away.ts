// What "Not this?" does to a tag of the page: its product goes, the next one stands in its place, and both can be had back.

import type { Product, Tag } from "./contract.ts";

/** Takes a product off the tag. Returns what brings it back, and the token that names it to the server. */
export const putAway = (tag: Tag, product: Product): { token: string; restore(): void } => {
  const before = { ...tag };
  const products = tag.products.filter((it) => it !== product);
  const [next] = products;
  // The tag's own token, label and creative speak of its first product: a further one brings its own token, and no campaign.
  const speaksOfNext = next && product === tag.products[0] && { token: next.token ?? tag.token, sponsored: false, call_to_action: "" };
  Object.assign(tag, { products, ...speaksOfNext });
  return { token: product.token ?? before.token, restore: () => void Object.assign(tag, before) };
};
