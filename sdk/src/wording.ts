// The words a shopper reads and hears on hotspots and cards. Maps, as an answer may name anything, "constructor" included.

import type { Tag } from "./contract.ts";

const MATCH = new Map([["exact", "Exactly this"], ["similar", "Looks similar"], ["complement", "Goes with it"]]);

const AVAILABILITY = new Map([
  ["in_stock", "In stock"],
  ["out_of_stock", "Out of stock"],
  ["preorder", "Pre-order"],
  ["backorder", "Back soon"],
]);

export const matchWords = (type: string): string => MATCH.get(type) ?? "";
export const availabilityWords = (state: string): string => AVAILABILITY.get(state.toLowerCase().replace(/[\s-]+/g, "_")) ?? "";

/** The name of a hotspot. A tag whose products were all put away has none, and is not drawn. */
export const spotName = ({ products, label, sponsored }: Tag): string => `Show product: ${products[0]?.title || label}${sponsored ? " (sponsored)" : ""}`;

/** Labels begin with what is seen, so that a spoken command finds the button. */
export const feedbackWords = {
  ask: "Not this?",
  askLabel: (title: string): string => `Not this? Put away: ${title}`,
  away: "Put away on this page.",
  last: "Put away. Nothing else was found here.",
  undo: "Undo",
  undoLabel: (title: string): string => `Undo: bring back ${title}`,
  told: (title: string, next: string | undefined): string => `Put away: ${title}. ${next ? `Now showing: ${next}.` : "Nothing else was found here."}`,
  back: (title: string): string => `Brought back: ${title}.`,
};
