// The words a shopper reads on cards. Maps, as an answer may name anything, "constructor" included.

const MATCH = new Map([["exact", "Exactly this"], ["similar", "Looks similar"], ["complement", "Goes with it"]]);

const AVAILABILITY = new Map([
  ["in_stock", "In stock"],
  ["out_of_stock", "Out of stock"],
  ["preorder", "Pre-order"],
  ["backorder", "Back soon"],
]);

export const matchWords = (type: string): string => MATCH.get(type) ?? "";
export const availabilityWords = (state: string): string => AVAILABILITY.get(state.toLowerCase().replace(/[\s-]+/g, "_")) ?? "";
