// Delivers events: bounded memory, batches whose bytes never change between attempts, backoff. Nothing is stored on the device.

import { activityOf, type Activity, type Verdict } from "./consent.ts";
import type { EventType } from "./contract.ts";
import type { Send } from "./transport.ts";

interface Waiting { json: string; type: EventType }
interface Batch { body: string; attempts: number; due: number; flying: boolean }

export interface Timing { now(): number; later(run: () => void, ms: number): void }

export interface EventQueue {
  add(type: EventType, json: string): void;
  /** leaving: the page may be gone the next moment, so whatever waits for a retry goes out now too. */
  flush(leaving?: boolean): void;
}

export const WAITING_LIMIT = 200;
const BATCH_LIMIT = 20;
/** A few batches fit into the 64 KiB that may be in flight when the page goes away. */
const BATCH_BYTES = 14_000;
const BATCHES_LIMIT = 50;
const GATHER_MS = 500;
const FIRST_RETRY_MS = 1000;
const LAST_RETRY_MS = 60_000;
const ATTEMPTS = 10;

export const createQueue = (key: string, send: Send, allowed: (activity: Activity) => Verdict, { now, later }: Timing): EventQueue => {
  let waiting: Waiting[] = [];
  let batches: Batch[] = [];
  let gathering = false;

  const seal = (): void => {
    const held: Waiting[] = [];
    let events: string[] = [];
    let bytes = 0;
    const close = (): void => {
      if (events.length) batches.push({ body: `{"key":${JSON.stringify(key)},"events":[${events}]}`, attempts: 0, due: 0, flying: false });
      events = [];
      bytes = 0;
    };
    for (const event of waiting) {
      const verdict = allowed(activityOf(event.type));
      if (verdict === "hold") held.push(event);
      if (verdict !== "allow") continue;
      if (events.length >= BATCH_LIMIT || bytes + event.json.length > BATCH_BYTES) close();
      events.push(event.json);
      bytes += event.json.length;
    }
    close();
    waiting = held;
    // Full only when the collector has been away for long: the oldest have had their attempts.
    batches = batches.slice(-BATCHES_LIMIT);
  };

  const deliver = async (batch: Batch, leaving: boolean): Promise<void> => {
    batch.flying = true;
    batch.attempts += 1;
    const retryIn = await send(batch.body, leaving);
    batch.flying = false;
    if (retryIn === null || batch.attempts >= ATTEMPTS) {
      batches = batches.filter((it) => it !== batch);
      return;
    }
    const wait = Math.max(Math.min(FIRST_RETRY_MS * 2 ** (batch.attempts - 1), LAST_RETRY_MS), retryIn);
    batch.due = now() + wait;
    later(flush, wait);
  };

  const flush = (leaving = false): void => {
    gathering = false;
    seal();
    for (const batch of batches) {
      if (!batch.flying && (leaving || batch.due <= now())) void deliver(batch, leaving);
    }
  };

  return {
    flush,
    add: (type, json) => {
      if (allowed(activityOf(type)) === "deny") return;
      // A click is worth more than what led to it.
      if (waiting.length >= WAITING_LIMIT) waiting.splice(Math.max(waiting.findIndex((it) => it.type !== "click"), 0), 1);
      waiting.push({ json, type });
      if (!gathering) later(flush, GATHER_MS);
      gathering = true;
    },
  };
};
