// The words a shopper reads on hotspots and cards.

const MATCH: Record<string, string> = { exact: "Exactly this", similar: "Looks similar", complement: "Goes with it" };

const AVAILABILITY: Record<string, string> = {
  in_stock: "In stock",
  out_of_stock: "Out of stock",
  preorder: "Pre-order",
  backorder: "Back soon",
};

export const matchWords = (type: string): string => MATCH[type] ?? "";
export const availabilityWords = (state: string): string => AVAILABILITY[state.toLowerCase().replace(/[\s-]+/g, "_")] ?? "";
