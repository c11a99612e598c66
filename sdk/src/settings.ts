// What a publisher can set through data attributes, read once, each value bounded.

import type { Embed } from "./contract.ts";

export interface Settings {
  key: string;
  api: string;
  maxImage: number;
  maxVideo: number;
  minSize: number;
  tcfVendor: number;
  wait: boolean;
  /** Whether cards offer "Not this?". */
  votes: boolean;
  debug: boolean;
}

const whole = (raw: string | undefined, fallback: number, low: number, high: number): number => {
  const value = parseInt(raw ?? "");
  return isNaN(value) ? fallback : Math.min(Math.max(value, low), high);
};

const apiOrigin = (raw: string | undefined, origin: string): string => {
  try {
    const url = new URL(raw || origin, location.href);
    if (/^https?:$/.test(url.protocol)) return url.origin;
  } catch { /* an unreadable address falls back to the script's own host */ }
  return origin;
};

export const readSettings = ({ origin, dataset }: Embed): Settings => ({
  key: dataset.key ?? "",
  api: apiOrigin(dataset.api, origin),
  maxImage: whole(dataset.maxImage, 5, 0, 20),
  maxVideo: whole(dataset.maxVideo, 3, 0, 10),
  minSize: whole(dataset.minSize, 150, 40, 2000),
  tcfVendor: whole(dataset.tcfVendor, 0, 0, 65535),
  wait: dataset.consent === "wait",
  votes: dataset.notThis !== "off",
  debug: dataset.debug !== undefined,
});
