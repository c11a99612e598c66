// Puts time into a layer: hotspots of an HTML5 video follow its track. Fetched only when a page has a tagged video.

import type { Box, Tag } from "./contract.ts";
import { clearOf } from "./controls.ts";
import type { Point } from "./geometry.ts";
import { boxAt, readTiming, type Timing } from "./track.ts";

/** What this module needs of a layer: where a tag is now, and where hotspots that would touch something go. */
interface TimedLayer {
  boxOf: (tag: Tag) => Box | null;
  arrange: (places: Point[], gap: number) => Point[];
  readonly onScreen: boolean;
}

export interface Stage {
  el: HTMLVideoElement;
  layer: TimedLayer;
  moved(): void;
  resized(): void;
  played(): void;
}

export interface Film { playing(): boolean; stop(): void }

export const attach = ({ el, layer, moved, resized, played }: Stage): Film => {
  let stopped = false;
  let playedOnce = !el.paused || el.currentTime > 0;
  const playing = (): boolean => !el.paused && !el.ended && !el.seeking && el.readyState >= HTMLMediaElement.HAVE_FUTURE_DATA;

  const timings = new Map<Tag, Timing>();
  const timingOf = (tag: Tag): Timing => {
    const timing = timings.get(tag) ?? readTiming(tag);
    timings.set(tag, timing);
    return timing;
  };

  layer.boxOf = (tag) => (el.poster && !playedOnce ? null : boxAt(timingOf(tag), el.currentTime * 1000));
  layer.arrange = (places, gap) => {
    const bounds = el.getBoundingClientRect();
    const scale = bounds.height / el.offsetHeight || 1;
    return clearOf(places, { bounds, scale, native: el.controls, touch: matchMedia("(pointer: coarse)").matches }, gap);
  };

  // One callback for each presented frame; timeupdate (4 Hz) keeps hotspots honest where frames cannot be heard.
  const everyFrame = (): void => {
    if (stopped) return;
    if (layer.onScreen) moved();
    el.requestVideoFrameCallback(everyFrame);
  };
  if ("requestVideoFrameCallback" in el) el.requestVideoFrameCallback(everyFrame);

  const changed = (): void => {
    playedOnce ||= !el.paused;
    played();
    moved();
  };
  const states = ["play", "playing", "pause", "seeking", "seeked", "waiting", "stalled", "ended", "ratechange"];
  for (const state of states) el.addEventListener(state, changed);
  el.addEventListener("timeupdate", moved);
  el.addEventListener("loadedmetadata", resized);
  el.addEventListener("resize", resized);

  return {
    playing,
    stop: () => {
      stopped = true;
      for (const state of states) el.removeEventListener(state, changed);
      el.removeEventListener("timeupdate", moved);
      el.removeEventListener("loadedmetadata", resized);
      el.removeEventListener("resize", resized);
    },
  };
};
