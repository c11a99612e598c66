import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { transport } from "../src/transport.ts";

const world = globalThis as { fetch: unknown; Request: unknown };
const [realFetch, realRequest] = [world.fetch, world.Request];
const calls: { keepalive: boolean }[] = [];
const beacons: string[] = [];

const browser = ({ keepalive = true, answer = async (): Promise<unknown> => ({ status: 202, headers: new Headers() }), beacon = true } = {}): void => {
  world.Request = class { declare keepalive: boolean; };
  if (keepalive) Object.defineProperty((world.Request as { prototype: object }).prototype, "keepalive", { get: () => false });
  world.fetch = (_url: string, init: { keepalive: boolean }) => { calls.push(init); return answer(); };
  Object.defineProperty(globalThis, "navigator", {
    configurable: true,
    value: { sendBeacon: (_url: string, body: string) => { beacons.push(body); return beacon; } },
  });
};

afterEach(() => {
  Object.assign(world, { fetch: realFetch, Request: realRequest });
  calls.length = beacons.length = 0;
});

const answering = (status: number, headers = {}) => async () => ({ status, headers: new Headers(headers) });

test("taken or refused for good is settled; trouble of the server or the network is not", async () => {
  for (const status of [202, 400, 403, 422]) {
    browser({ answer: answering(status) });
    assert.equal(await transport("/e")("{}", false), null);
  }
  for (const status of [408, 429, 500, 503]) {
    browser({ answer: answering(status) });
    assert.equal(await transport("/e")("{}", false), 0);
  }
  browser({ answer: () => Promise.reject(new TypeError("network")) });
  assert.equal(await transport("/e")("{}", false), 0);
});

test("Retry-After is heeded within reason", async () => {
  browser({ answer: answering(503, { "Retry-After": "7" }) });
  assert.equal(await transport("/e")("{}", false), 7000);
  browser({ answer: answering(503, { "Retry-After": "86400" }) });
  assert.equal(await transport("/e")("{}", false), 120_000);
  browser({ answer: answering(503, { "Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT" }) });
  assert.equal(await transport("/e")("{}", false), 0);
});

test("a beacon that the browser refuses is not taken for sent", async () => {
  browser({ keepalive: false, beacon: false });
  assert.equal(await transport("/e")("{}", true), 0);
  browser({ keepalive: false, beacon: true });
  assert.equal(await transport("/e")("{}", true), null);
  assert.equal(calls.length, 0);
});

test("no more is kept alive at once than the browser allows, and room comes back", async () => {
  const finish: (() => void)[] = [];
  browser({ answer: () => new Promise((done) => { finish.push(() => done({ status: 202, headers: new Headers() })); }) });
  const send = transport("/e");
  const first = send("x".repeat(50_000), false);
  void send("y".repeat(20_000), false);
  assert.deepEqual(calls.map((it) => it.keepalive), [true, false]);
  await send("z".repeat(20_000), true);
  assert.equal(beacons.length, 1);
  finish[0]?.();
  await first;
  void send("w".repeat(50_000), true);
  assert.equal(calls.at(-1)?.keepalive, true);
  assert.equal(beacons.length, 1);
});
