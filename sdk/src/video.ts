// Puts time into a layer: hotspots of an HTML5 video follow its track. Fetched only when a page has a tagged video.

import { boxAt } from "./track.ts";
import type { Box, Tag } from "./contract.ts";

/** What this module needs of a layer: where a tag is now, and the strip that belongs to the player's controls. */
interface TimedLayer { boxOf: (tag: Tag) => Box | null; reserved: number; readonly onScreen: boolean }

export interface Stage {
  el: HTMLVideoElement;
  layer: TimedLayer;
  moved(): void;
  resized(): void;
  played(): void;
}

export interface Film { playing(): boolean; stop(): void }

/** Height of the native controls with their scrubber, in CSS px. */
const CONTROLS_PX = 72;

export const attach = ({ el, layer, moved, resized, played }: Stage): Film => {
  let stopped = false;
  let playedOnce = !el.paused || el.currentTime > 0;
  const playing = (): boolean => !el.paused && !el.ended && !el.seeking && el.readyState >= HTMLMediaElement.HAVE_FUTURE_DATA;

  layer.boxOf = (tag) => (el.poster && !playedOnce ? null : boxAt(tag, el.currentTime * 1000));
  const reserve = (): void => { layer.reserved = el.controls ? CONTROLS_PX : 0; };

  // One callback for each presented frame; timeupdate (4 Hz) keeps hotspots honest where frames cannot be heard.
  const everyFrame = (): void => {
    if (stopped) return;
    if (layer.onScreen) moved();
    el.requestVideoFrameCallback(everyFrame);
  };
  if ("requestVideoFrameCallback" in el) el.requestVideoFrameCallback(everyFrame);

  const changed = (): void => {
    playedOnce ||= !el.paused;
    reserve();
    played();
    moved();
  };
  const states = ["play", "playing", "pause", "seeking", "seeked", "waiting", "stalled", "ended", "ratechange"];
  for (const state of states) el.addEventListener(state, changed);
  el.addEventListener("timeupdate", moved);
  el.addEventListener("loadedmetadata", resized);
  el.addEventListener("resize", resized);
  reserve();

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
