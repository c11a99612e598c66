// One POST of a batch: keepalive fetch, so that it outlives the page, or sendBeacon where keepalive is not known.

/** Least milliseconds to wait before the same bytes are sent again; null: settled, one way or the other. */
export type Outcome = number | null;
export type Send = (body: string, leaving: boolean) => Promise<Outcome>;

/** keepalive requests and beacons of a page share 64 KiB in flight; the rest is left to the page itself. */
const IN_FLIGHT = 60 * 1024;

const judge = ({ status, headers }: Response): Outcome =>
  status < 500 && status !== 429 && status !== 408 ? null : Math.min(Number(headers.get("Retry-After")) || 0, 120) * 1000;

export const transport = (url: string): Send => {
  let flying = 0;
  const canOutlive = "keepalive" in Request.prototype;
  return async (body, leaving) => {
    // Ids, tokens and times are ASCII, so length is bytes.
    const size = body.length;
    const keepalive = canOutlive && flying + size <= IN_FLIGHT;
    if (leaving && !keepalive) return navigator.sendBeacon(url, body) ? null : 0;
    if (keepalive) flying += size;
    try {
      // A string goes out as text/plain, which needs no preflight.
      return judge(await fetch(url, { method: "POST", body, keepalive, credentials: "omit" }));
    } catch {
      return 0;
    } finally {
      if (keepalive) flying -= size;
    }
  };
};
