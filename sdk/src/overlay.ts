// The one element we add to the page: a host of no size with a shadow root. It knows where it stands, so that layers can be placed
// against any picture wherever the body itself happens to be.

import type { Point } from "./geometry.ts";
import STYLE from "./style.css";

/** The host's own width: what is left of it on screen tells the scale of the body around it. */
const HOST_WIDTH = 100;

export class Overlay {
  readonly host = document.createElement("shoplight-tags");
  readonly root = this.host.attachShadow({ mode: "open" });

  constructor() {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(STYLE);
    this.root.adoptedStyleSheets = [sheet];
    this.attach();
  }

  /**
   * Again after a framework has put a new body in place of the old one, and into a player's own fullscreen element, as all
   * outside of it is inert. A <video> that is itself fullscreen cannot hold anything: its hotspots wait.
   */
  attach(): void {
    const full = document.fullscreenElement;
    const parent = full && !(full instanceof HTMLVideoElement) ? full : document.body;
    if (this.host.parentNode !== parent) parent.append(this.host);
  }

  /** Turns viewport coordinates into those of the layers. */
  frame(): (at: Point) => Point {
    const { left, top, width } = this.host.getBoundingClientRect();
    const scale = width / HOST_WIDTH || 1;
    return ({ x, y }) => ({ x: (x - left) / scale, y: (y - top) / scale });
  }
}
