// The hotspots of one picture or video: real buttons, placed over what they name. It tells when a tag was drawn; others count.

import type { Box, Tag } from "./contract.ts";
import { make, say } from "./dom.ts";
import { anchor, spread, toViewport, type Point } from "./geometry.ts";
import { clipOf, isShown, project, type Projection } from "./projection.ts";
import { safe } from "./guard.ts";
import { spotName } from "./wording.ts";

/** Targets this far apart never overlap (WCAG 2.2 asks for 24 px), nor does the label of one cover the next. */
const APART = 46;

export interface Spot { tag: Tag; button: HTMLButtonElement; drawn: boolean }

export interface LayerEvents {
  drawn(tag: Tag): void;
  bind(spot: Spot): void;
}

export class Layer {
  readonly node = make("div", "layer");
  readonly spots: Spot[];
  onScreen = false;
  /** Where a tag is right now; the video module puts time into it. Null: not at this moment. */
  boxOf: (tag: Tag) => Box | null = (tag) => tag.box;
  /** Height at the bottom that belongs to the player's controls. */
  reserved = 0;
  #cached: Projection | null = null;

  readonly #limit: number;
  readonly #events: LayerEvents;

  constructor(readonly el: HTMLElement, tags: Tag[], limit: number, events: LayerEvents) {
    this.#limit = limit;
    this.#events = events;
    this.spots = tags.map((tag) => ({ tag, button: make("button", "spot"), drawn: false }));
    for (const spot of this.spots) {
      say(spot.button, {
        type: "button",
        "aria-label": spotName(spot.tag),
        "aria-haspopup": "dialog",
        "aria-expanded": "false",
      });
      // Disclosure belongs to the tag itself, not only to what opens from it.
      if (spot.tag.sponsored) spot.button.append(make("span", "ad", "Ad"));
      spot.button.hidden = true;
      spot.button.addEventListener("keydown", safe((event: KeyboardEvent) => this.#arrows(event, spot)));
      events.bind(spot);
    }
    this.node.append(...this.spots.map((it) => it.button));
  }

  place(toLayer: (at: Point) => Point, fresh: boolean): void {
    const visible = this.onScreen && isShown(this.el);
    this.node.hidden = !visible;
    if (!visible) return this.#hideAll();
    if (fresh || !this.#cached) this.#cached = project(this.el);
    const view = this.#cached;
    this.node.style.zIndex = String(view.level);
    const clip = clipOf(view.clippers);
    const shown: { spot: Spot; at: Point }[] = [];
    for (const spot of this.spots) {
      const at = shown.length < this.#limit || this.#held(spot) ? this.#locate(spot.tag, view) : null;
      const inside = at && at.x >= clip.left && at.x <= clip.right && at.y >= clip.top && at.y <= clip.bottom;
      if (inside) shown.push({ spot, at });
      else if (!this.#held(spot)) spot.button.hidden = true;
    }
    const places = spread(shown.map((it) => it.at), APART);
    shown.forEach(({ spot }, i) => this.#show(spot, toLayer(places[i]!)));
  }

  remove(): void {
    this.node.remove();
  }

  #hideAll(): void {
    for (const spot of this.spots) spot.button.hidden = true;
  }

  /** A hotspot that a person is using stays where it is while the film goes on. */
  #held({ button }: Spot): boolean {
    return !button.hidden && (button.matches(":hover,:focus-visible") || button.getAttribute("aria-expanded") === "true");
  }

  #locate(tag: Tag, view: Projection): Point | null {
    const box = tag.products[0] && this.boxOf(tag);
    const at = box && anchor(box, view.picture, view.frame);
    if (!at) return null;
    at.y = Math.min(at.y, view.frame.h - this.reserved);
    const bounds = this.el.getBoundingClientRect();
    const local = { x: at.x + view.inset.x, y: at.y + view.inset.y };
    return toViewport(local, view.border, view.linear, { x: bounds.x, y: bounds.y, w: bounds.width, h: bounds.height });
  }

  #show(spot: Spot, at: Point): void {
    spot.button.hidden = false;
    spot.button.style.translate = `${at.x.toFixed(1)}px ${at.y.toFixed(1)}px`;
    if (spot.drawn) return;
    spot.drawn = true;
    this.#events.drawn(spot.tag);
  }

  #arrows(event: KeyboardEvent, spot: Spot): void {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!step) return;
    const open = this.spots.filter((it) => !it.button.hidden);
    const next = open[(open.indexOf(spot) + step + open.length) % open.length];
    event.preventDefault();
    next?.button.focus();
  }
}
