"""Looking at a video: sampled frames, objects in each, tracks over them. A child decodes (api.media.frames)."""

import logging
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from api.kit.blobs import BlobNotFound, BlobsUnavailable
from api.kit.fetcher import FetchFailed, FetchRefused
from api.media.analysis import LEASE, Analyses, Facts, Job
from api.media.frames import SamplingLimits, VideoError, VideoSampler
from api.media.objects import SeenObject
from api.media.seeing import objects_on
from api.media.service import analyses_of, charge_minutes
from api.media.tracks import Sighting, Track, Tracker
from api.ports import Ports
from api.vision.picture import Picture
from workers.celery_app import task

log = logging.getLogger(__name__)
MAX_TRACKS = 300  # stored a video, the longest-lived first
FOLDER_MAX_AGE_S = 24 * 3600
RENEW_S = LEASE.total_seconds() / 4
RETRYABLE = {"decoder_died"}


class TakenOver(Exception):
    """Another worker has the row by now."""


@task("media.analyse_video")
def analyse_video(ports: Ports, video_id: str) -> None:
    """Look at one video and store its tags. Harmless when asked for twice."""
    analyses = analyses_of(ports)
    job = analyses.claim(video_id)
    if job is not None:
        look_at_video(ports, analyses, job)


def look_at_video(ports: Ports, analyses: Analyses, job: Job) -> None:
    """From the claimed row to its tags, or to the reason why there are none."""
    try:
        with _local_file(ports, analyses, job) as path:
            seen, facts = track_objects(ports, analyses, job, path)
    except FetchRefused as error:
        analyses.fail(job, f"not fetched: {error.reason}", retryable=False)
    except FetchFailed as error:
        analyses.fail(job, f"not fetched: {error.reason}", retryable=error.retryable)
    except BlobNotFound:
        analyses.fail(job, "the upload is gone; send it again", retryable=False)
    except VideoError as error:
        analyses.fail(job, error.reason, retryable=error.code in RETRYABLE)
    except BlobsUnavailable as error:
        analyses.postpone(job, error.detail)
    except TakenOver:
        log.info("%s was taken over while it was looked at", job.media.id)
    else:
        # before it is stored: whoever stores it in the end, the same id counts once
        charge_minutes(ports, job.media, facts)
        analyses.finish(job, seen, facts)


def track_objects(ports: Ports, analyses: Analyses, job: Job, path: Path) -> tuple[list[SeenObject], Facts]:
    """The objects of a local video file with their spans; stores its progress about every second."""
    limits = SamplingLimits(max_ms=ports.settings.limits.video_max_seconds * 1000)
    sampler = VideoSampler(path, limits)
    tracker = Tracker(limits.interval_ms)
    width = height = None
    count, told_at = 0, time.monotonic()
    for frame in sampler.frames():
        count += 1
        if frame.pixels is None:
            tracker.still(frame.ms)
        else:
            height, width = frame.pixels.shape[:2]
            found = objects_on(ports.eyes, Picture(width, height, frame.pixels))
            sightings = [Sighting(frame.ms, o.label, o.score, o.box, o.vectors[0]) for o in found]
            tracker.see(frame.ms, sightings, cut=frame.cut)
        if time.monotonic() - told_at >= 1:
            told_at = time.monotonic()
            length = min(sampler.duration_ms or limits.max_ms, limits.max_ms)
            if not analyses.progress(job, frame.ms / max(1, length), count):
                raise TakenOver
    end_ms = sampler.end_ms
    tracks = sorted(tracker.finish(end_ms), key=lambda track: track.from_ms - track.until_ms)[:MAX_TRACKS]
    facts = Facts(width, height, max(end_ms, min(sampler.duration_ms or 0, limits.max_ms)), sampler.truncated, count)
    return [_object(track) for track in tracks], facts


def _object(track: Track) -> SeenObject:
    way: list[list[float]] = [list(keyframe) for keyframe in track.keyframes()]
    return SeenObject(track.label, track.score, track.box(), track.vectors(), track.from_ms, track.until_ms, way)


@contextmanager
def _local_file(ports: Ports, analyses: Analyses, job: Job) -> Iterator[Path]:
    """The upload, or the fetched video in a folder of its own that goes away with this work."""
    if job.media.upload_key:
        with ports.blobs.path(job.media.upload_key) as path:
            yield path
        return
    root = ports.settings.datadir / "videos"
    root.mkdir(parents=True, exist_ok=True)
    _clear_leftovers(root)
    with tempfile.TemporaryDirectory(dir=root, ignore_cleanup_errors=True) as folder:
        path = Path(folder) / "video"
        most = ports.settings.fetch.max_video_bytes
        with _held(analyses, job):
            ports.fetcher.fetch_to(path, job.media.url or "", max_bytes=most, accept="video/*")
        yield path


@contextmanager
def _held(analyses: Analyses, job: Job) -> Iterator[None]:
    """Keep the row while a large video is on its way, and no longer: of a killed worker another takes it over soon."""
    over = threading.Event()

    def renew() -> None:
        while not over.wait(RENEW_S):
            try:
                if not analyses.progress(job, 0.0, 0):
                    return  # the worker meets it at its next progress
            except SQLAlchemyError:
                log.warning("the hold on %s could not be renewed", job.media.id, exc_info=True)

    thread = threading.Thread(target=renew, name="video-lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _clear_leftovers(root: Path) -> None:
    """Folders of workers that were killed."""
    for folder in root.iterdir():
        if time.time() - folder.stat().st_mtime > FOLDER_MAX_AGE_S:
            shutil.rmtree(folder, ignore_errors=True)
