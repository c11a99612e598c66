// The hotspots of one picture or video: real buttons, placed over what they name. It tells when a tag was drawn; others count.

import type { Box, Tag } from "./contract.ts";
import { make, say } from "./dom.ts";
import { anchor, spread, toViewport, type Point } from "./geometry.ts";
import { listen, safe } from "./guard.ts";
import { WINDOW, away, isShown, project, reach, type Projection } from "./projection.ts";
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
  /** Where hotspots go that would touch each other; those of a film also stay off its controls. */
  arrange: (places: Point[], gap: number) => Point[] = spread;
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
      listen(spot.button, "keyup", (event) => this.#reveal(event as KeyboardEvent, spot));
      events.bind(spot);
    }
    // Far from its picture in the page's order: whoever listens hears which one it is.
    say(this.node, { role: "group", "aria-label": (el as HTMLImageElement).alt ?? el.ariaLabel ?? "" });
    this.node.append(...this.spots.map((it) => it.button));
  }

  place(toLayer: (at: Point) => Point, fresh: boolean): void {
    const { el, node } = this;
    // Not seen, and in the Tab order all the same.
    node.classList.toggle("out", !this.onScreen);
    if (!fresh && !this.onScreen) return;
    node.hidden = !isShown(el);
    if (node.hidden) return;
    if (fresh || !this.#cached) this.#cached = project(el);
    const { level, clippers } = this.#cached;
    node.style.zIndex = String(level);
    let free = this.#limit;
    const shown: Spot[] = [];
    const places: Point[] = [];
    for (const spot of this.spots) {
      const held = this.#held(spot);
      const at = free > 0 || held ? this.#locate(spot.tag) : null;
      if (!at && held) continue;
      const there = at && reach(at, clippers);
      spot.button.hidden = !there;
      if (!there) continue;
      free -= 1;
      if (spot.button.classList.toggle("out", there !== at)) this.#put(spot, toLayer(there));
      else {
        shown.push(spot);
        places.push(at);
      }
    }
    this.arrange(places, APART).forEach((at, i) => {
      const spot = shown[i]!;
      this.#put(spot, toLayer(at));
      // The browser knows more than we do: clip paths, and the window around an iframe.
      if (spot.drawn || !this.onScreen || !reach(at, [WINDOW])) return;
      spot.drawn = true;
      this.#events.drawn(spot.tag);
    });
  }

  remove(): void {
    this.node.remove();
  }

  /** A hotspot that a person is using stays where it is while the film goes on. */
  #held({ button }: Spot): boolean {
    return !button.hidden && (button.matches(":hover,:focus-visible") || button.getAttribute("aria-expanded") === "true");
  }

  #locate(tag: Tag): Point | null {
    const { picture, frame, inset, border, linear } = this.#cached!;
    const box = tag.products[0] && this.boxOf(tag);
    const at = box && anchor(box, picture, frame);
    return at ? toViewport({ x: at.x + inset.x, y: at.y + inset.y }, border, linear, this.el.getBoundingClientRect()) : null;
  }

  #put({ button }: Spot, { x, y }: Point): void {
    button.style.translate = `${x.toFixed(1)}px ${y.toFixed(1)}px`;
  }

  /** The keyboard has come to a hotspot that is out of view, or under something: all that scrolls brings it to its middle. */
  #reveal({ key, ctrlKey, altKey }: KeyboardEvent, { button, tag }: Spot): void {
    const { x, y, width } = button.getBoundingClientRect();
    const root = button.getRootNode() as ShadowRoot;
    // With Ctrl or Alt it is the window that was changed; Escape in the card gives the focus back and moves nothing.
    if (!/Tab|Arrow/.test(key) || ctrlKey || altKey || root.elementFromPoint(x + width / 2, y + width / 2) === button) return;
    for (const it of this.#cached!.clippers) {
      const at = this.#locate(tag);
      if (!at) return;
      const { x: left, y: top } = away(at, it, it.y);
      (it.el ?? window).scrollBy({ left, top, behavior: "instant" });
    }
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
