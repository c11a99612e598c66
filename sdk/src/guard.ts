// The promise that the page never breaks: everything the browser calls into passes through here.

let debug = false;
export const showErrors = (on: boolean): void => { debug = on; };

export const report = (error: unknown): void => {
  if (debug) console.warn("[shoplight]", error);
};

export const safe = <A extends unknown[]>(run: (...args: A) => void) => (...args: A): void => {
  try {
    run(...args);
  } catch (error) {
    report(error);
  }
};

/** addEventListener whose listener cannot throw into the page. */
export const listen = (target: EventTarget, types: string, run: (event: Event) => void, capture = false): void => {
  for (const type of types.split(" ")) target.addEventListener(type, safe(run), { capture, passive: true });
};
