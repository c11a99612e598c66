import assert from "node:assert/strict";
import { test } from "node:test";
import type { Activity, Verdict } from "../src/consent.ts";
import { WAITING_LIMIT, createQueue } from "../src/queue.ts";
import type { Outcome } from "../src/transport.ts";

const setUp = (outcomes: Outcome[] = []) => {
  let at = 0;
  let planned: { due: number; run: () => void }[] = [];
  const sent: { body: string; leaving: boolean }[] = [];
  const verdicts: Record<Activity, Verdict> = { tags: "allow", measure: "allow", behaviour: "allow" };
  const queue = createQueue("pk_1", async (body, leaving) => {
    sent.push({ body, leaving });
    return outcomes.shift() ?? null;
  }, (activity) => verdicts[activity], { now: () => at, later: (run, ms) => { planned.push({ due: at + ms, run }); } });
  const pass = async (ms: number): Promise<void> => {
    at += ms;
    const due = planned.filter((it) => it.due <= at);
    planned = planned.filter((it) => it.due > at);
    for (const { run } of due) run();
    await new Promise((done) => setImmediate(done));
  };
  const ids = (): string[] => sent.flatMap(({ body }) => (JSON.parse(body) as { events: { id: string }[] }).events.map((it) => it.id));
  return { queue, sent, verdicts, pass, ids };
};

const event = (id: string, padding = 0): string => JSON.stringify({ id, token: "x".repeat(padding) });

test("events are gathered into one batch under the publisher's key", async () => {
  const { queue, sent, pass } = setUp();
  queue.add("impression", event("a"));
  queue.add("viewable", event("b"));
  await pass(600);
  assert.deepEqual(sent, [{ body: '{"key":"pk_1","events":[{"id":"a","token":""},{"id":"b","token":""}]}', leaving: false }]);
});

test("a batch that failed comes again with the same bytes, later each time, and new events never join it", async () => {
  const { queue, sent, pass } = setUp([0, 5000]);
  queue.add("impression", event("a"));
  await pass(600);
  queue.add("click", event("b"));
  await pass(999);
  assert.equal(sent.length, 2);
  await pass(1);
  assert.equal(sent.length, 3);
  assert.equal(sent[2]?.body, sent[0]?.body);
});

test("the server's Retry-After outlasts the backoff, but a page that goes away does not wait for it", async () => {
  const { queue, sent, pass } = setUp([30_000]);
  queue.add("impression", event("a"));
  await pass(600);
  await pass(20_000);
  assert.equal(sent.length, 1);
  queue.flush(true);
  assert.deepEqual(sent[1], { body: sent[0]!.body, leaving: true });
});

test("a batch in flight is not sent twice", async () => {
  const { queue, sent } = setUp();
  queue.add("impression", event("a"));
  queue.flush();
  queue.flush(true);
  assert.equal(sent.length, 1);
});

test("large batches are split so that several fit into what may be in flight", async () => {
  const { queue, sent, pass, ids } = setUp();
  for (let i = 0; i < 30; i += 1) queue.add("impression", event(`e${i}`, 2000));
  await pass(600);
  assert.ok(sent.every(({ body }) => body.length < 16_000));
  assert.deepEqual(ids(), Array.from({ length: 30 }, (_, i) => `e${i}`));
});

test("memory is bounded, and clicks are what is kept", async () => {
  const { queue, verdicts, pass, ids } = setUp();
  verdicts.measure = "hold";
  queue.add("click", event("click"));
  for (let i = 0; i < WAITING_LIMIT + 50; i += 1) queue.add("impression", event(`e${i}`));
  verdicts.measure = "allow";
  await pass(600);
  assert.equal(ids().length, WAITING_LIMIT);
  assert.equal(ids()[0], "click");
});

test("held events wait for the choice; denied ones are forgotten, also those that waited", async () => {
  const { queue, sent, verdicts, pass, ids } = setUp();
  verdicts.measure = "hold";
  queue.add("impression", event("held"));
  await pass(600);
  assert.equal(sent.length, 0);
  verdicts.measure = "allow";
  queue.flush();
  assert.deepEqual(ids(), ["held"]);
  verdicts.measure = "hold";
  queue.add("viewable", event("unwanted"));
  verdicts.measure = "deny";
  queue.flush();
  verdicts.measure = "allow";
  await pass(600);
  assert.deepEqual(ids(), ["held"]);
});
