// Makes events: one id each, the time they happened, a counter per view; then hands them to the queue and to the publisher's listeners.

import type { EventType } from "./contract.ts";
import { eventId } from "./event_id.ts";
import type { EventQueue } from "./queue.ts";

export type Record = (type: EventType, token: string, tagId: string, id?: string) => void;

export const eventRecorder = (queue: EventQueue, tell: (name: string, detail: unknown) => void): { newView(): void; record: Record } => {
  let seq = 0;
  return {
    newView: () => { seq = 0; },
    record: (type, token, tagId, id = eventId()) => {
      queue.add(type, JSON.stringify({ id, type, token, at: new Date().toISOString(), seq: ++seq }));
      // A click may take the person away at once.
      if (type === "click") queue.flush();
      tell(type, { tag: tagId });
    },
  };
};
