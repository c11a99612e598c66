// The answers of one view, so that a picture shown twice is asked for once and counted once.

import type { MediaAnswer } from "./contract.ts";

/** Tokens are billable for 30 minutes: a picture met later than this is asked for anew. */
const FRESH_MS = 25 * 60_000;

export class Answers {
  readonly #byUrl = new Map<string, { answer: MediaAnswer; until: number }>();
  readonly #counted = new Set<string>();

  keep(answer: MediaAnswer): void {
    this.#byUrl.set(answer.url, { answer, until: performance.now() + FRESH_MS });
  }

  fresh(url: string): MediaAnswer | undefined {
    const kept = this.#byUrl.get(url);
    return kept && kept.until > performance.now() ? kept.answer : undefined;
  }

  /** True once for each kind of count and token. */
  first(type: string, token: string): boolean {
    const name = `${type} ${token}`;
    return !this.#counted.has(name) && !!this.#counted.add(name);
  }

  clear(): void {
    this.#byUrl.clear();
    this.#counted.clear();
  }
}
