// Reads from the page what geometry.ts needs to know about one picture: sizes, transforms, clipping ancestors, stacking level.

import type { Box } from "./contract.ts";
import { fitted, type Linear, type Point, type Size } from "./geometry.ts";

export type Clipper = Element | undefined;

export interface Projection {
  /** Content box, the picture's place in it, and the border box around, all in the element's own untransformed pixels. */
  frame: Size;
  picture: Box;
  border: Size;
  inset: { x: number; y: number };
  linear: Linear;
  /** Ancestors that clip it, undefined for the viewport. What a scroller hides is scrolled to; what a wall hides is gone. */
  scrollers: Clipper[];
  walls: Clipper[];
  /** z-index that stands for the picture's level in the page, so that what covers the picture covers its hotspots too. */
  level: number;
}

const px = (value: string): number => Number.parseFloat(value) || 0;

const naturalSize = (el: HTMLElement): Size =>
  el instanceof HTMLVideoElement
    ? { w: el.videoWidth, h: el.videoHeight }
    : { w: (el as HTMLImageElement).naturalWidth, h: (el as HTMLImageElement).naturalHeight };

/** The parent in the flat tree, through slots and shadow roots. */
const parentOf = (el: Element): Element | null => {
  const root = el.getRootNode();
  return el.assignedSlot ?? el.parentElement ?? (root instanceof ShadowRoot ? root.host : null);
};

const ownTransform = (style: CSSStyleDeclaration): DOMMatrix | null => {
  const { transform, rotate, scale } = style;
  if (transform === "none" && rotate === "none" && scale === "none") return null;
  const matrix = new DOMMatrix();
  if (/^-?[\d.]+deg$/.test(rotate)) matrix.rotateSelf(px(rotate));
  if (scale && scale !== "none") {
    const [x = "1", y = x] = scale.split(" ");
    matrix.scaleSelf(px(x), px(y));
  }
  return transform && transform !== "none" ? matrix.multiply(new DOMMatrix(transform)) : matrix;
};

const content = (el: HTMLElement, style: CSSStyleDeclaration): Pick<Projection, "frame" | "border" | "inset"> => {
  const left = px(style.paddingLeft) + px(style.borderLeftWidth);
  const top = px(style.paddingTop) + px(style.borderTopWidth);
  const across = left + px(style.paddingRight) + px(style.borderRightWidth);
  const down = top + px(style.paddingBottom) + px(style.borderBottomWidth);
  const inner = style.boxSizing === "border-box" ? { w: px(style.width) - across, h: px(style.height) - down } : { w: px(style.width), h: px(style.height) };
  const frame = inner.w > 0 ? inner : { w: el.clientWidth - across, h: el.clientHeight - down };
  return { frame, border: { w: frame.w + across, h: frame.h + down }, inset: { x: left, y: top } };
};

export const project = (el: HTMLElement): Projection => {
  const style = getComputedStyle(el);
  const box = content(el, style);
  const scrollers: Clipper[] = [];
  const walls: Clipper[] = [];
  let matrix = new DOMMatrix();
  let level = 0;
  for (let at: Element | null = el; at; at = parentOf(at)) {
    const look = at === el ? style : getComputedStyle(at);
    const own = ownTransform(look);
    if (own) matrix = own.multiply(matrix);
    if (look.zIndex !== "auto") level = px(look.zIndex);
    else if (own || look.position === "fixed" || look.position === "sticky" || look.opacity !== "1") level = 0;
    if (look.position === "fixed") walls.push(undefined);
    if (at === el || at === document.body || at === document.documentElement || look.overflow === "visible") continue;
    (/auto|scroll/.test(look.overflow) ? scrollers : walls).push(at);
  }
  return {
    ...box,
    picture: fitted(box.frame, naturalSize(el), style.objectFit, style.objectPosition),
    linear: matrix,
    scrollers,
    walls,
    level: Math.max(level, 0),
  };
};

/** Whether a point, in coordinates of the viewport, is inside all of these. */
export const isIn = ({ x, y }: Point, clippers: Clipper[]): boolean => clippers.every((el) => {
  const { left, top, right, bottom } = el?.getBoundingClientRect() ?? { left: 0, top: 0, right: innerWidth, bottom: innerHeight };
  return x >= left && x <= right && y >= top && y <= bottom;
});

/**
 * False also for a picture that has not loaded: there is nothing to point at yet. Nothing can lie over a <video> that is
 * fullscreen itself, nor is anything seen outside of a fullscreen element.
 */
export const isShown = (el: HTMLElement): boolean => {
  const full = document.fullscreenElement;
  if (!naturalSize(el).w || (full && (full === el || !full.contains(el)))) return false;
  return el.checkVisibility?.({ opacityProperty: true, visibilityProperty: true }) ?? true;
};
