"""Streams made for the tests: eight seconds of two photographs in segments of each kind, served by a real server."""

from pathlib import Path
from typing import Any

import av
import cv2

from api.media.models import Media
from tests.api.media.films import Shot, frames_of
from tests.api.media.world import World

SIZE, FPS, SECONDS = (240, 320), 8, 8.0


def make(root: Path, shared_data: Path) -> Path:
    """Two photos of four seconds each, cut hard, as streams of two-second segments of each kind."""
    paths = sorted((shared_data / "streetstyle").rglob("*.jpg"))
    shots = [Shot(cv2.cvtColor(cv2.imread(str(paths[n])), cv2.COLOR_BGR2RGB), SECONDS / 2) for n in (5, 40)]
    frames = list(frames_of(shots, FPS, SIZE))
    (root / "key").write_bytes(bytes(range(16)))
    (root / "info").write_text(f"key\n{root / 'key'}\n")
    kinds = {
        "ts": {},
        "mp4": {"hls_segment_type": "fmp4", "hls_fmp4_init_filename": "mp4-init.mp4"},
        "ranges": {"hls_flags": "single_file"},
        "aes": {"hls_key_info_file": str(root / "info")},
    }
    for kind, options in kinds.items():
        muxing = {"hls_time": "2", "hls_list_size": "0", "hls_segment_filename": str(root / f"{kind}-%d.seg")} | options
        if kind == "ranges":
            muxing["hls_segment_filename"] = str(root / "ranges.seg")
        with av.open(str(root / f"{kind}.m3u8"), "w", format="hls", options=muxing) as container:
            stream: Any = container.add_stream("libx264", rate=FPS, options={"g": "16", "sc_threshold": "0"})
            stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
            for pixels in frames:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
            container.mux(stream.encode())
    return root


def serve(world: World, folder: Path) -> None:
    world.web.files |= {f"/s/{path.name}": path.read_bytes() for path in folder.iterdir()}


def playlist(*lines: str) -> bytes:
    return "\n".join(["#EXTM3U", "#EXT-X-TARGETDURATION:2", *lines, "#EXT-X-ENDLIST"]).encode()


def live(count: int, *, first: int = 0, ended: bool = False) -> bytes:
    """The playlist as it was when `count` segments were there, of which those before `first` are gone."""
    lines = ["#EXTM3U", "#EXT-X-TARGETDURATION:2", f"#EXT-X-MEDIA-SEQUENCE:{first}"]
    for number in range(first, count):
        lines += ["#EXTINF:2.0,", f"ts-{number}.seg"]
    return "\n".join(lines + (["#EXT-X-ENDLIST"] if ended else [])).encode()


def watched(world: World, path: str) -> Media:
    url = world.url(path)
    assert world.media(url, kind="video")[0]["status"] == "pending"
    world.work()
    return world.row(url)


def spans(world: World, media: Media) -> set[tuple[int, int]]:
    return {(tag.from_ms, tag.to_ms) for tag in world.rows() if tag.media_id == media.id}


def near(found: set[tuple[int, int]], start: int, end: int) -> bool:
    return any(abs(a - start) <= 150 and abs(b - end) <= 150 for a, b in found)
