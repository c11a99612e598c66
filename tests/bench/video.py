"""A 720p film from file to tracked objects, against the usual way: every frame decoded, one every half second looked
at, each of its objects embedded."""

import resource
import tempfile
import time
from collections.abc import Callable
from itertools import cycle, islice
from pathlib import Path

import av
import numpy as np
from PIL import Image

from api.media.frames import SamplingLimits, VideoSampler
from api.media.seeing import Look
from api.media.tracks import SURE_SCORE
from api.media.watching import Watch
from api.settings import Settings
from api.vision.service import Eyes
from tests.api.media.films import Shot, encode, frames_of
from tests.bench import house
from tests.bench.measure import Outcome

SIZE, FPS, SECONDS_A_SHOT, SHOTS = (1280, 720), 25, 4.0, 8
JOINS = ((0.0, False), (1.0, False), (0.0, False), (0.6, True))
EVERY_S = 0.5
BAR = 10.0  # times real time


def run() -> Outcome:
    settings = Settings(datadir=Path("unused"))
    eyes = Eyes(settings.vision, settings.fetch.max_picture_bytes)
    try:
        eyes.load()
        with tempfile.TemporaryDirectory() as folder:
            film = made(Path(folder) / "film.mp4")
            ours, cpu, watch, seconds = timed(lambda: watched(eyes, film))
            peer, peer_cpu, _, _ = timed(lambda: usual(eyes, film))
    finally:
        eyes.close()
    child_mb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return Outcome(
        name="video",
        what=f"{seconds:.0f} s of 720p, pans, zooms, cuts and dissolves, from file to tracks (bar: {BAR:.0f}x)",
        unit="x real time",
        ours=ours,
        peer=peer,
        peer_is=f"every frame decoded, a look every 0.5 s, every object embedded; by processor time {peer_cpu:.0f}x",
        ratio=ours / peer,
        rss_mb=child_mb,
        note=f"{watch.frames} looks; by processor time on two cores {cpu:.0f}x; memory: the decoding child",
    )


def made(path: Path) -> Path:
    """Real street photos where they are there, filmed."""
    photos = [Image.open(photo).convert("RGB") for photo in house.shared("streetstyle", "images")[::97][:SHOTS]]
    photos = photos or [house.street_photo()]
    moves, joins = cycle(("pan", "zoom", "still", "pan")), cycle(JOINS)
    shots = [
        Shot(np.asarray(photo), SECONDS_A_SHOT, next(moves), *next(joins)) for photo in islice(cycle(photos), SHOTS)
    ]
    return encode(path, frames_of(shots, FPS, SIZE), FPS)


def timed(work: Callable[[], tuple[Watch, float]]) -> tuple[float, float, Watch, float]:
    """Times real time by the clock, and by the processor time of two cores; what was seen, and of how many seconds."""
    started, used = time.perf_counter(), _cpu_s()
    watch, seconds = work()
    return seconds / (time.perf_counter() - started), 2 * seconds / (_cpu_s() - used), watch, seconds


def watched(eyes: Eyes, film: Path) -> tuple[Watch, float]:
    sampler, watch = VideoSampler(film, SamplingLimits(max_ms=10**7)), Watch(eyes.embedder_version)
    for frame in sampler.frames():
        watch.take(eyes, frame, lambda _: "")
    watch.cut(sampler.end_ms, lambda _: "")
    if not watch.cast.objects():
        raise RuntimeError("nothing was seen in the film")
    return watch, sampler.end_ms / 1000


def usual(eyes: Eyes, film: Path) -> tuple[Watch, float]:
    """In this process, without limits and without tracks."""
    watch, due, now = Watch(eyes.embedder_version), 0.0, 0.0
    with av.open(str(film)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        for frame in container.decode(stream):
            now = frame.time or 0.0
            if now < due:
                continue
            due = now + EVERY_S
            look = Look(eyes, frame.to_ndarray(format="rgb24"))
            look.embed([seen.box for seen in look.found() if seen.score >= SURE_SCORE])
            watch.frames += 1
    return watch, now + 1 / FPS


def _cpu_s() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)
