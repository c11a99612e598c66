// The answers of one view, so that a picture shown twice is asked for once and counted once.

import type { Answered } from "./tag_client.ts";

export class Answers {
  readonly #byUrl = new Map<string, Answered>();
  readonly #counted = new Set<string>();

  keep(answer: Answered): void {
    this.#byUrl.set(answer.url, answer);
  }

  fresh(url: string): Answered | undefined {
    const answer = this.#byUrl.get(url);
    return answer && answer.expires > performance.now() ? answer : undefined;
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
