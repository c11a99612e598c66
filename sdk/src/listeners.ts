// What a publisher's page hears about: shoplight.on("click", …). A listener that throws harms nobody.

import { safe } from "./guard.ts";

type Listener = (detail: unknown) => void;

export class Listeners {
  readonly #byName = new Map<string, Listener[]>();

  add(name: string, listener: Listener): void {
    if (typeof listener === "function") this.#byName.set(name, [...(this.#byName.get(name) ?? []), listener]);
  }

  tell(name: string, detail: unknown): void {
    for (const listener of this.#byName.get(name) ?? []) safe(listener)(detail);
  }
}
