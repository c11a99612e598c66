"""Cuts the demo's film out of the articles' pictures: slow moves over three stills with cross-fades, H.264 in MP4.

Needs PyAV, NumPy and Pillow, not Blender. Beside the film go a poster and the products' boxes by time.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from PIL import Image

DEMO = Path(__file__).resolve().parent.parent
WIDTH, HEIGHT, FPS, FADE_S = 640, 360, 12, 0.5
MIN_VISIBLE = 0.6


@dataclass(frozen=True)
class Shot:
    """A still and the window that moves over it: (left, top, width) at start and end, as shares of the still's width."""

    still: str
    start: tuple[float, float, float]
    end: tuple[float, float, float]
    seconds: float = 3.5

    def window(self, at_s: float) -> tuple[float, float, float]:
        t = min(max(at_s / self.seconds, 0.0), 1.0)
        ease = t * t * (3 - 2 * t)
        left, top, width = (a + (b - a) * ease for a, b in zip(self.start, self.end, strict=True))
        return left, top, width


NAME = "one-flat-three-lights"
SHOTS = (
    Shot("kitchen-shelf", (0.0, 0.1, 0.86), (0.14, 0.06, 0.86)),
    Shot("reading-corner", (0.0, 0.05, 1.0), (0.2, 0.13, 0.76)),
    Shot("blue-hour", (0.16, 0.1, 0.78), (0.0, 0.06, 1.0)),
)


def _starts() -> list[float]:
    starts, now = [], 0.0
    for shot in SHOTS:
        starts.append(now)
        now += shot.seconds - FADE_S
    return starts


def _frame(stills: dict[str, Image.Image], now: float) -> Image.Image:
    """The picture at `now` seconds: a shot, or two while they cross-fade."""
    made: Image.Image | None = None
    for shot, start in zip(SHOTS, _starts(), strict=True):
        if not start <= now < start + shot.seconds:
            continue
        still = stills[shot.still]
        left, top, width = (v * still.width for v in shot.window(now - start))
        view = still.resize(
            (WIDTH, HEIGHT), Image.Resampling.LANCZOS, (left, top, left + width, top + width * HEIGHT / WIDTH)
        )
        made = view if made is None else Image.blend(made, view, min(1.0, (now - start) / FADE_S))
    assert made is not None, "the shots leave no gap"
    return made


def _boxes(truth: dict[str, list[dict[str, object]]], now: float) -> list[dict[str, object]]:
    """Products of the shot that is on screen, in the film's frame; those mostly outside it are left out."""
    shot, start = [(s, at) for s, at in zip(SHOTS, _starts(), strict=True) if at <= now][-1]
    left, top, width = shot.window(now - start)
    height = width * HEIGHT / WIDTH
    found: list[dict[str, object]] = []
    for item in truth[f"{shot.still}.jpg"]:
        box = item["box"]
        x0, x1 = (box["x"] - left) / width, (box["x"] + box["w"] - left) / width
        y0, y1 = (box["y"] * 2 / 3 - top) / height, ((box["y"] + box["h"]) * 2 / 3 - top) / height
        whole = (x1 - x0) * (y1 - y0)
        x0, x1, y0, y1 = max(0.0, x0), min(1.0, x1), max(0.0, y0), min(1.0, y1)
        if x1 > x0 and y1 > y0 and (x1 - x0) * (y1 - y0) >= MIN_VISIBLE * whole:
            place = {"x": round(x0, 4), "y": round(y0, 4), "w": round(x1 - x0, 4), "h": round(y1 - y0, 4)}
            found.append({"external_id": item["external_id"], "box": place})
    return found


def cut(folder: Path) -> None:
    stills = {shot.still: Image.open(DEMO / "scenes" / f"{shot.still}.jpg").convert("RGB") for shot in SHOTS}
    truth = json.loads((DEMO / "scenes" / "boxes.json").read_text())
    frames = round((_starts()[-1] + SHOTS[-1].seconds) * FPS)
    folder.mkdir(parents=True, exist_ok=True)
    with av.open(str(folder / f"{NAME}.mp4"), "w", options={"movflags": "+faststart"}) as file:
        stream = file.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.options = {"crf": "21", "preset": "slow", "g": str(FPS * 2)}
        for index in range(frames):
            picture = np.asarray(_frame(stills, index / FPS))
            for packet in stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")):
                file.mux(packet)
        for packet in stream.encode():
            file.mux(packet)
    _frame(stills, _starts()[1] + SHOTS[1].seconds * 0.4).save(folder / f"{NAME}.jpg", quality=85)
    rows = [
        {"at_ms": index * 1000 // FPS, "products": _boxes(truth, index / FPS)} for index in range(0, frames, FPS // 2)
    ]
    (folder / "boxes.json").write_text(json.dumps({f"{NAME}.mp4": rows}, indent=1) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=DEMO / "film")
    cut(parser.parse_args().out)
