// Prices as a shopper reads them: integer micros in, the page's own notation out.

export const price = (micros: number, currency: string, lang: string | undefined): string => {
  const amount = micros / 1e6;
  try {
    return new Intl.NumberFormat(lang || undefined, { style: "currency", currency }).format(amount);
  } catch {
    // An unknown currency or language tag: the plain figure is still true.
    return `${amount.toFixed(2)} ${currency}`.trim();
  }
};
