// What publishers embed: it holds back until a person looks at the page, then fetches the core from its own origin.
// It owns window.shoplight and nothing else.

import type { Core } from "./core.ts";
import type { Embed } from "./contract.ts";

declare const CORE_FILE: string;

interface Host { shoplight?: unknown }

const embedded = (): HTMLScriptElement | null => {
  const current = document.currentScript;
  // A tag manager may run the text without a current script: look for the element that names us.
  return current instanceof HTMLScriptElement ? current : document.querySelector<HTMLScriptElement>("script[data-key][src*='/shoplight.js']");
};

/** Prerendered and background pages do nothing at all: neither counts anywhere. */
const whenLookedAt = (go: () => void): void => {
  const again = (): void => whenLookedAt(go);
  if ((document as Document & { prerendering?: boolean }).prerendering) document.addEventListener("prerenderingchange", again, { once: true });
  else if (document.visibilityState !== "visible") document.addEventListener("visibilitychange", again, { once: true });
  else go();
};

const whenParsed = (go: () => void): void => {
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", go, { once: true });
  else go();
};

try {
  const script = embedded();
  const host = window as Host;
  if (script?.src && script.dataset.key && !host.shoplight) {
    const source = new URL(script.src);
    const embed: Embed = { origin: source.origin, dataset: { ...script.dataset } };
    const core = new Promise<Core>((resolve) => {
      whenLookedAt(() => whenParsed(() => {
        // import() and not an injected <script>: it needs no Trusted Types policy and passes under nonce-based policies.
        const loaded = import(new URL(CORE_FILE, source).href) as Promise<{ start(embed: Embed): Core }>;
        loaded.then((module) => resolve(module.start(embed))).catch(() => undefined);
      }));
    });
    const withCore = (use: (core: Core) => void): void => void core.then(use).catch(() => undefined);
    host.shoplight = Object.freeze({
      refresh: () => withCore((it) => it.refresh()),
      on: (name: string, listener: (detail: unknown) => void) => withCore((it) => it.on(name, listener)),
      consent: (state: unknown) => withCore((it) => it.consent(state)),
    });
  }
} catch { /* the page goes first: without us it is only without tags */ }
