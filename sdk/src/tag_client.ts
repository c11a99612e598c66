// Asks POST /v1/tags: gathers what is wanted into few requests and asks again, more and more slowly, for what is still being analysed.

import { readAnswer } from "./answer.ts";
import type { MediaAnswer, MediaAsked } from "./contract.ts";
import { report, safe } from "./guard.ts";

const GATHER_MS = 60;
const BATCH = 20;
const TIMEOUT_MS = 15_000;
const LAST_WAIT_MS = 60_000;
const ATTEMPTS = 12;

interface Wanted { asked: MediaAsked; attempts: number; due: number }

export interface TagClient {
  want(asked: MediaAsked): void;
  /** A new view: what an earlier one asked for must not be drawn in this one, its tokens name another nonce. */
  forget(): void;
  /** Also to be called when the page is seen again: a hidden page asks nothing. */
  plan(): void;
}

/** null: to be asked again; an empty list: refused, and asking again would not help. */
const post = async (api: string, key: string, media: MediaAsked[]): Promise<MediaAnswer[] | null> => {
  const page = { url: location.href.split("#")[0]!.slice(0, 2000), title: document.title.slice(0, 300), lang: document.documentElement.lang.slice(0, 35) };
  try {
    // A string goes out as text/plain, which needs no preflight.
    const response = await fetch(`${api}/v1/tags`, {
      method: "POST",
      body: JSON.stringify({ key, page, media }),
      credentials: "omit",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    if (response.ok) return readAnswer(await response.json());
    report(await response.text());
    return response.status >= 500 || response.status === 429 ? null : [];
  } catch (error) {
    report(error);
    return null;
  }
};

export const createTagClient = (api: string, key: string, answered: (answer: MediaAnswer) => void): TagClient => {
  let wanted = new Map<string, Wanted>();
  let timer: ReturnType<typeof setTimeout> | undefined;

  const ask = async (batch: Wanted[]): Promise<void> => {
    const view = wanted;
    for (const it of batch) {
      it.attempts += 1;
      it.due = Infinity;
    }
    const answers = await post(api, key, batch.map((it) => it.asked));
    if (view !== wanted) return;
    for (const it of batch) {
      const { url } = it.asked;
      const answer = answers?.find((one) => one.url === url);
      const open = !answers || answer?.status === "pending";
      if (open && it.attempts < ATTEMPTS) it.due = performance.now() + Math.min(1000 * 2 ** (it.attempts - 1), LAST_WAIT_MS);
      else wanted.delete(url);
      if (answer && !open) safe(answered)(answer);
    }
    plan();
  };

  const plan = (): void => {
    clearTimeout(timer);
    const next = Math.min(...[...wanted.values()].map((it) => it.due));
    if (next === Infinity || document.visibilityState !== "visible") return;
    timer = setTimeout(() => {
      const due = [...wanted.values()].filter((it) => it.due <= performance.now());
      for (let i = 0; i < due.length; i += BATCH) ask(due.slice(i, i + BATCH)).catch(report);
      plan();
    }, Math.max(next - performance.now(), GATHER_MS));
  };

  return {
    plan,
    forget: () => { wanted = new Map(); },
    want: (asked) => {
      if (wanted.has(asked.url)) return;
      wanted.set(asked.url, { asked, attempts: 0, due: 0 });
      plan();
    },
  };
};
