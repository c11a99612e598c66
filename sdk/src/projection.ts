// Reads from the page what geometry.ts needs to know about one picture: sizes, transforms, clipping ancestors, stacking level.

import type { Box } from "./contract.ts";
import { fitted, type Linear, type Point, type Size } from "./geometry.ts";

/** What clips a picture. Along each axis it either scrolls or is a wall: what lies behind that is gone. */
export interface Clipper {
  /** Missing for the window. */
  el?: Element | undefined;
  x: boolean;
  y: boolean;
}

export const WINDOW: Clipper = { x: false, y: false };

export interface Projection {
  /** Content box, the picture's place in it, and the border box around, all in the element's own untransformed pixels. */
  frame: Size;
  picture: Box;
  border: Size;
  inset: { x: number; y: number };
  linear: Linear;
  /** From the inside out. */
  clippers: Clipper[];
  /** z-index that stands for the picture's level in the page, so that what covers the picture covers its hotspots too. */
  level: number;
}

const px = (value: string): number => parseFloat(value) || 0;

const naturalSize = (el: HTMLElement): Size => {
  const { videoWidth, videoHeight, naturalWidth, naturalHeight } = el as HTMLVideoElement & HTMLImageElement;
  return { w: videoWidth ?? naturalWidth, h: videoHeight ?? naturalHeight };
};

/** The parent in the flat tree, through slots and shadow roots. */
const parentOf = (el: Element): Element | null => {
  const root = el.getRootNode();
  return el.assignedSlot ?? el.parentElement ?? (root instanceof ShadowRoot ? root.host : null);
};

const ownTransform = ({ transform, rotate, scale }: CSSStyleDeclaration): DOMMatrix | null => {
  if (transform + rotate + scale === "nonenonenone") return null;
  const [x, y = x] = scale.split(" ").map(px);
  return new DOMMatrix().rotateSelf(px(rotate)).scaleSelf(x || 1, y || 1).multiply(new DOMMatrix(transform));
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
  const clippers: Clipper[] = [];
  const { body, documentElement } = document;
  // Whose overflow is the window's, as CSS has it; the other one's is its own.
  const page = getComputedStyle(documentElement).overflow === "visible" ? body : documentElement;
  let list = clippers;
  let matrix = new DOMMatrix();
  let level = 0;
  for (let at: Element | null = el; at; at = parentOf(at)) {
    const look = at === el ? style : getComputedStyle(at);
    const own = ownTransform(look);
    if (own) matrix = own.multiply(matrix);
    if (look.zIndex !== "auto") level = px(look.zIndex);
    else if (own || look.position === "fixed" || look.position === "sticky" || look.opacity !== "1") level = 0;
    const scrolls = (overflow: string): boolean => !/hidden|clip/.test(overflow);
    if (at === page || look.overflow !== "visible") {
      list.push({ el: at === page ? undefined : at, x: scrolls(look.overflowX), y: scrolls(look.overflowY) });
    }
    if (look.position === "fixed") {
      list.push(WINDOW);
      // Nothing around it moves or clips it.
      list = [];
    }
  }
  return {
    ...box,
    picture: fitted(box.frame, naturalSize(el), style.objectFit, style.objectPosition),
    linear: matrix,
    clippers,
    level: Math.max(level, 0),
  };
};

/** How far a point of the viewport is from the middle of what clips it, and 0 along an axis on which it is inside already. */
export const away = (at: Point, { el }: Clipper, centred = false): Point => {
  const { left = 0, top = 0, width = innerWidth, height = innerHeight }: Partial<DOMRect> = el?.getBoundingClientRect() ?? {};
  const [x, y] = [at.x - left - width / 2, at.y - top - height / 2];
  return { x: Math.abs(x) > width / 2 ? x : 0, y: centred || Math.abs(y) > height / 2 ? y : 0 };
};

/** Where a point is seen once boxes that hide it were scrolled to have it in their middle; null where no scrolling shows it. */
export const reach = (at: Point, clippers: Clipper[]): Point | null => {
  for (const it of clippers) {
    const { x, y } = away(at, it);
    if ((x && !it.x) || (y && !it.y)) return null;
    // What stands on the page itself goes along with it.
    if (it.el && (x || y)) at = { x: at.x - x, y: at.y - y };
  }
  return at;
};

/**
 * False also for a picture that has not loaded: there is nothing to point at yet. Nothing can lie over a <video> that is
 * fullscreen itself, nor is anything seen outside of a fullscreen element.
 */
export const isShown = (el: HTMLElement): boolean => {
  const full = document.fullscreenElement;
  if (!naturalSize(el).w || (full && (full === el || !full.contains(el)))) return false;
  return el.checkVisibility?.({ opacityProperty: true, visibilityProperty: true }) ?? true;
};
