// Reads the answer of POST /v1/tags. Whatever is malformed is left out, so that nothing later has to doubt a number or a string.

import type { Box, Keyframe, MediaAnswer, MediaStatus, Product, Tag } from "./contract.ts";

type Json = Record<string, unknown>;

const MAX_TAGS = 300;
const MAX_PRODUCTS = 12;
const MAX_KEYFRAMES = 2000;
const STATUSES: readonly string[] = ["ready", "pending", "none", "blocked"];

const isObject = (value: unknown): value is Json => typeof value === "object" && value !== null;
const list = (value: unknown, limit: number): unknown[] => (Array.isArray(value) ? value.slice(0, limit) : []);
const text = (value: unknown, limit: number): string => (typeof value === "string" ? value.slice(0, limit) : "");
const count = (value: unknown): number | null => (typeof value === "number" && Number.isFinite(value) && value >= 0 ? value : null);
const within = (value: unknown): value is number => typeof value === "number" && value >= -0.01 && value <= 1.01;

const readBox = (raw: unknown): Box | null => {
  if (!isObject(raw)) return null;
  const { x, y, w, h } = raw;
  return within(x) && within(y) && within(w) && within(h) && w > 0 && h > 0 ? { x, y, w, h } : null;
};

const readKeyframe = (raw: unknown): Keyframe[] => {
  if (!Array.isArray(raw) || raw.length < 5 || count(raw[0]) === null || !raw.slice(1, 5).every(within)) return [];
  return [raw as unknown as Keyframe];
};

const readProduct = (raw: unknown): Product[] => {
  if (!isObject(raw) || !text(raw.id, 100)) return [];
  return [{
    id: text(raw.id, 100),
    title: text(raw.title, 300),
    brand: text(raw.brand, 100),
    price_micros: count(raw.price_micros),
    sale_price_micros: count(raw.sale_price_micros),
    currency: text(raw.currency, 3),
    availability: text(raw.availability, 40),
    match_type: text(raw.match_type, 20),
    token: text(raw.token, 4000) || null,
  }];
};

const readTag = (raw: unknown): Tag[] => {
  if (!isObject(raw)) return [];
  const track = list(raw.track, MAX_KEYFRAMES).flatMap(readKeyframe).sort((a, b) => a[0] - b[0]);
  const first = track[0];
  const box = readBox(raw.box) ?? (first ? { x: first[1], y: first[2], w: first[3], h: first[4] } : null);
  const products = list(raw.products, MAX_PRODUCTS).flatMap(readProduct);
  const token = text(raw.token, 4000);
  if (!box || !products.length || !token) return [];
  return [{
    id: text(raw.id, 100),
    label: text(raw.label, 100),
    box,
    from_ms: count(raw.from_ms) ?? 0,
    to_ms: count(raw.to_ms) ?? Infinity,
    track,
    products,
    token,
    sponsored: raw.sponsored === true,
    call_to_action: isObject(raw.creative) ? text(raw.creative.call_to_action, 40) : "",
  }];
};

const readMedia = (raw: unknown): MediaAnswer[] => {
  if (!isObject(raw) || typeof raw.url !== "string" || !STATUSES.includes(String(raw.status))) return [];
  return [{ url: raw.url, status: raw.status as MediaStatus, tags: list(raw.tags, MAX_TAGS).flatMap(readTag) }];
};

export const readAnswer = (raw: unknown): MediaAnswer[] => (isObject(raw) ? list(raw.media, 100).flatMap(readMedia) : []);
