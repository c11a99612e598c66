// Gathers events into batches: bounded memory, and nothing leaves before consent is known. Nothing is stored on the device.

import { activityOf, type Activity, type Verdict } from "./consent.ts";
import type { EventType } from "./contract.ts";
import { createDelivery, type Timing } from "./delivery.ts";
import type { Send } from "./transport.ts";

interface Waiting { json: string; type: EventType }

export interface EventQueue {
  add(type: EventType, json: string): void;
  /** leaving: the page may be gone the next moment. */
  flush(leaving?: boolean): void;
}

export const WAITING_LIMIT = 200;
const BATCH_LIMIT = 20;
/** A few batches fit into the 64 KiB that may be in flight when the page goes away. */
const BATCH_BYTES = 14_000;
const GATHER_MS = 500;

export const createQueue = (key: string, send: Send, allowed: (activity: Activity) => Verdict, timing: Timing): EventQueue => {
  const batches = createDelivery(send, timing);
  let waiting: Waiting[] = [];
  let gathering = false;

  const seal = (): void => {
    const held: Waiting[] = [];
    let events: string[] = [];
    let bytes = 0;
    const close = (): void => {
      if (events.length) batches.push(`{"key":${JSON.stringify(key)},"events":[${events}]}`);
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
  };

  const flush = (leaving = false): void => {
    gathering = false;
    seal();
    batches.flush(leaving);
  };

  return {
    flush,
    add: (type, json) => {
      if (allowed(activityOf(type)) === "deny") return;
      // A click is worth more than what led to it.
      if (waiting.length >= WAITING_LIMIT) waiting.splice(Math.max(waiting.findIndex((it) => it.type !== "click"), 0), 1);
      waiting.push({ json, type });
      if (!gathering) timing.later(flush, GATHER_MS);
      gathering = true;
    },
  };
};
