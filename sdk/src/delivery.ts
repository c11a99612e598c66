// Bodies on their way to the server: kept in memory until it took them, sent again with the same bytes, later each time.

import type { Send } from "./transport.ts";

export interface Timing { now(): number; later(run: () => void, ms: number): void }

export interface Delivery {
  push(body: string): void;
  /** leaving: the page may be gone the next moment, so whatever waits for a retry goes out now too. */
  flush(leaving?: boolean): void;
}

interface Parcel { body: string; attempts: number; due: number; flying: boolean }

const LIMIT = 50;
const FIRST_RETRY_MS = 1000;
const LAST_RETRY_MS = 60_000;
const ATTEMPTS = 10;

export const createDelivery = (send: Send, { now, later }: Timing): Delivery => {
  let parcels: Parcel[] = [];

  const deliver = async (parcel: Parcel, leaving: boolean): Promise<void> => {
    parcel.flying = true;
    parcel.attempts += 1;
    const retryIn = await send(parcel.body, leaving);
    parcel.flying = false;
    if (retryIn === null || parcel.attempts >= ATTEMPTS) {
      parcels = parcels.filter((it) => it !== parcel);
      return;
    }
    const wait = Math.max(Math.min(FIRST_RETRY_MS * 2 ** (parcel.attempts - 1), LAST_RETRY_MS), retryIn);
    parcel.due = now() + wait;
    later(flush, wait);
  };

  const flush = (leaving = false): void => {
    for (const parcel of parcels) {
      if (!parcel.flying && (leaving || parcel.due <= now())) void deliver(parcel, leaving);
    }
  };

  return {
    flush,
    push: (body) => {
      parcels.push({ body, attempts: 0, due: 0, flying: false });
      // Full only when the server has been away for long: the oldest have had their attempts.
      parcels = parcels.slice(-LIMIT);
    },
  };
};
