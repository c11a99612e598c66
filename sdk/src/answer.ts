// Reads the answer of POST /v1/tags. Whatever is malformed is left out, so that nothing later has to doubt a number or a string.

import type { MediaAnswer, MediaStatus, Product, Tag } from "./contract.ts";
import { count, isObject, list, readBox } from "./json.ts";

const MAX_TAGS = 300;
const MAX_PRODUCTS = 12;
const STATUSES: readonly string[] = ["ready", "pending", "none", "blocked"];

const text = (value: unknown, limit: number): string => (typeof value === "string" ? value.slice(0, limit) : "");

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
  const box = readBox(raw.box);
  const products = list(raw.products, MAX_PRODUCTS).flatMap(readProduct);
  const token = text(raw.token, 4000);
  if (!(box || raw.track) || !products.length || !token) return [];
  return [{
    id: text(raw.id, 100),
    label: text(raw.label, 100),
    box,
    timing: raw,
    products,
    token,
    sponsored: raw.sponsored === true,
    call_to_action: isObject(raw.creative) ? text(raw.creative.call_to_action, 40) : "",
  }];
};

const readMedia = (raw: unknown): MediaAnswer[] => {
  if (!isObject(raw) || typeof raw.url !== "string" || !STATUSES.includes(raw.status as string)) return [];
  return [{ url: raw.url, status: raw.status as MediaStatus, tags: list(raw.tags, MAX_TAGS).flatMap(readTag) }];
};

export const readAnswer = (raw: unknown): MediaAnswer[] => (isObject(raw) ? list(raw.media, 100).flatMap(readMedia) : []);
