// Builds elements. Data enters as text or as a checked property, never as markup.

export const make = <K extends keyof HTMLElementTagNameMap>(name: K, className = "", text = ""): HTMLElementTagNameMap[K] => {
  const el = document.createElement(name);
  if (className) el.className = className;
  if (text) el.textContent = text;
  return el;
};

export const say = (el: Element, attributes: Record<string, string>): void => {
  for (const [name, value] of Object.entries(attributes)) el.setAttribute(name, value);
};
