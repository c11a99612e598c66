// The shapes of the HTTP contract that the script speaks; answer.ts turns untrusted JSON into them.

export interface Box { x: number; y: number; w: number; h: number }

export interface Product {
  id: string;
  title: string;
  brand: string;
  price_micros: number | null;
  sale_price_micros: number | null;
  currency: string;
  availability: string;
  match_type: string;
  /** Seals this further offer; the first product is bound by the tag's own token. */
  token: string | null;
}

export interface Tag {
  id: string;
  label: string;
  /** Null where only a film's track says it. */
  box: Box | null;
  /** Not looked at yet: the video module reads the track and its span. */
  timing: Record<string, unknown>;
  products: Product[];
  token: string;
  sponsored: boolean;
  /** Words of the campaign's creative for the first product's link, or "". */
  call_to_action: string;
}

export type MediaKind = "image" | "video";
export type MediaStatus = "ready" | "pending" | "none" | "blocked";

export interface MediaAnswer { url: string; status: MediaStatus; tags: Tag[] }

export interface MediaAsked { url: string; kind: MediaKind; width: number; height: number }

export type EventType = "impression" | "viewable" | "hover" | "open" | "click";

/** What the loader hands over: everything a publisher can set, before it is read. */
export interface Embed { origin: string; dataset: DOMStringMap }
