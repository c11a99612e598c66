// The one place that decides what may happen. Each rule answers for one activity; a rule that throws denies.

import type { EventType } from "./contract.ts";

/**
 * tags: choose and show tags for this page (TCF purpose 2). measure: count impression, viewable, click (purpose 7).
 * behaviour: hover and open, which no bill needs, and which Global Privacy Control therefore ends.
 */
export type Activity = "tags" | "measure" | "behaviour";
export type Verdict = "allow" | "hold" | "deny";
export type Rule = (activity: Activity) => Verdict;

export const activityOf = (type: EventType): Activity => (type === "hover" || type === "open" ? "behaviour" : "measure");

export class Consent {
  readonly #rules: Rule[];
  #listener = (): void => undefined;

  constructor(rules: Rule[]) {
    this.#rules = rules;
  }

  /** Calls back whenever an answer may have changed. */
  onChange(listener: () => void): void {
    this.#listener = listener;
  }

  changed(): void {
    this.#listener();
  }

  verdict(activity: Activity): Verdict {
    let worst: Verdict = "allow";
    for (const rule of this.#rules) {
      let said: Verdict;
      try {
        said = rule(activity);
      } catch {
        said = "deny";
      }
      if (said === "deny") return said;
      if (said === "hold") worst = said;
    }
    return worst;
  }
}

/** The publisher's own word: shoplight.consent(true | false | {tags, measure, behaviour}). */
export class PublisherConsent {
  #said: Partial<Record<Activity, boolean>> = {};

  readonly #wait: boolean;

  constructor(wait: boolean) {
    this.#wait = wait;
  }

  set(state: unknown): void {
    if (typeof state === "boolean") this.#said = { tags: state, measure: state, behaviour: state };
    else if (typeof state === "object" && state !== null) this.#said = { ...this.#said, ...(state as Partial<Record<Activity, boolean>>) };
  }

  readonly rule: Rule = (activity) => {
    const said = this.#said[activity];
    if (said === undefined) return this.#wait ? "hold" : "allow";
    return said ? "allow" : "deny";
  };
}

export const globalPrivacyControl: Rule = (activity) =>
  activity === "behaviour" && (navigator as Navigator & { globalPrivacyControl?: boolean }).globalPrivacyControl ? "deny" : "allow";
