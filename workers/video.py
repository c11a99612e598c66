"""Looking at a video: what is worth seeing of it, objects in that, tracks over them, and what was seen so far kept, so
that another worker can go on from there. A child decodes (api.media.frames)."""

import hashlib
import logging
import time
from contextlib import closing
from datetime import timedelta

from api.kit.blobs import BlobNotFound, BlobsUnavailable
from api.kit.fetcher import FetchFailed, FetchRefused
from api.media.analysis import MAX_ATTEMPTS, Analyses, Job
from api.media.frames import SamplingLimits, VideoError, VideoSampler
from api.media.reels import Reel, Stream, StreamGone
from api.media.service import analyses_of, charge_minutes
from api.media.watching import Keep, taken_up
from api.ports import Ports
from workers.celery_app import task
from workers.film_source import opened_film
from workers.lease import Lease, TakenOver

log = logging.getLogger(__name__)
KEEP_MS, KEEP_S = 20_000, 5.0  # so much film and so much time after the last time, what was seen is written down
REEL_WALL_S, STREAM_WALL_S = 600.0, 2 * 3600.0
IDLE_TURNS = 12  # a live stream that has had nothing new so often is over
BAD_REELS = 5  # windows in a row of a stream that cannot be decoded
RETRYABLE = {"decoder_died"}
DAMAGE = {"corrupt", "no_frames", "not_a_video", "decoder_died"}


@task("media.analyse_video")
def analyse_video(ports: Ports, video_id: str) -> None:
    """Look at one video and store its tags. Harmless when asked for twice."""
    analyses = analyses_of(ports)
    job = analyses.claim(video_id)
    if job is not None:
        look_at_video(ports, analyses, job)


def look_at_video(ports: Ports, analyses: Analyses, job: Job) -> None:
    """From the claimed row to its tags, or to the reason why there are none."""
    viewing = Viewing(ports, analyses, job)
    try:
        with viewing.lease.held():
            viewing.watch_all()
    except FetchRefused as error:
        analyses.fail(job, f"not fetched: {error.reason}", retryable=False)
    except FetchFailed as error:
        analyses.fail(job, f"not fetched: {error.reason}", retryable=error.retryable)
    except BlobNotFound:
        analyses.fail(job, "the upload is gone; send it again", retryable=False)
    except VideoError as error:
        if viewing.salvages(error):
            viewing.store()
        else:
            analyses.fail(job, error.reason, retryable=error.code in RETRYABLE)
    except BlobsUnavailable as error:
        analyses.postpone(job, error.detail)
    except TakenOver:
        log.info("%s was taken over while it was looked at", job.media.id)
    else:
        viewing.store()


class Viewing:
    """One claimed video, watched from where the last worker left off."""

    def __init__(self, ports: Ports, analyses: Analyses, job: Job) -> None:
        self._ports = ports
        self._analyses = analyses
        self._job = job
        self._watch = taken_up(analyses.checkpoint(job), ports.eyes.embedder_version)
        self._keep = poster_keeper(ports, job.media.id)
        self._max_ms = ports.settings.limits.video_max_seconds * 1000
        self._length_ms = job.media.duration_ms or self._max_ms
        self.lease = Lease(analyses, job, self._share(), self._watch.frames)
        self._kept_ms, self._kept_at = self._watch.at_ms, time.monotonic()
        self._truncated = False
        self._more_after: timedelta | None = None

    def watch_all(self) -> None:
        """To the end of the film; of a live stream, to the end of what there is now."""
        try:
            with opened_film(self._ports, self._job.media, self._watch) as film:
                if isinstance(film, Stream):
                    self._stream(film)
                else:
                    self._reel(film, SamplingLimits(max_ms=self._max_ms, from_ms=self._watch.at_ms))
        except StreamGone:
            log.info("the live stream %s is over", self._job.media.id)
        if self._more_after is None:
            self._watch.cut(self._watch.at_ms, self._keep)

    def salvages(self, error: VideoError) -> bool:
        """Whether a film that breaks in the middle is to be answered with what was seen before: not while another try
        may bring more."""
        if not self._watch.frames or error.code not in DAMAGE:
            return False
        if error.code in RETRYABLE and self._job.media.attempts < MAX_ATTEMPTS:
            return False
        self._truncated = True
        self._watch.cut(self._watch.at_ms, self._keep)
        return True

    def store(self) -> None:
        """The tags, and the bill where nothing more will come."""
        watch, media = self._watch, self._job.media
        facts = watch.facts(truncated=self._truncated, poster_key=self._keep(watch.poster) or None)
        if self._more_after is not None:
            if self._analyses.keep(self._job, self._share(), watch.frames, watch.at_ms, watch.written()):
                self._analyses.finish(self._job, watch.so_far(self._keep), facts, more_after=self._more_after)
            return
        # before it is stored: whoever stores it in the end, the same id counts once
        charge_minutes(self._ports, media, facts)
        seen = watch.cast.objects()
        if self._analyses.finish(self._job, seen, facts):
            wanted = {item.poster_key for item in seen} | {facts.poster_key}
            drop_posters(self._ports, media.id, besides=wanted)

    def _stream(self, stream: Stream) -> None:
        watch, reels, bad = self._watch, 0, 0
        if stream.seconds is not None:
            self._length_ms = min(self._max_ms, max(1, round(stream.seconds * 1000)))
        late = time.monotonic() + STREAM_WALL_S
        # of a live stream one window a turn: others get theirs meanwhile
        while watch.at_ms < self._max_ms and not self._must_stop() and not (stream.live and reels):
            if time.monotonic() > late:
                self._truncated = True
                break
            reel = stream.next_reel(watch.at_ms)
            if reel is None:
                if not (stream.live or watch.frames or stream.truncated):
                    raise stream.unreachable()
                break
            reels += 1
            before = (watch.at_ms, watch.position.covered)
            try:
                self._window(reel)
                bad = 0
            except VideoError as error:
                bad += 1
                if not watch.frames or bad > BAD_REELS or error.code not in DAMAGE:
                    raise
                watch.cut(max(watch.at_ms, reel.starts_ms), self._keep)
                watch.at_ms = reel.ends_ms
            stream.watched()
            self._write_down()
            if (watch.at_ms, watch.position.covered) == before:  # a window that does not get on would come for ever
                self._truncated = True
                break
        self._truncated |= stream.truncated or (watch.at_ms >= self._max_ms and stream.has_more)
        followed = self._ports.clock.now() - self._job.media.created_at
        self._truncated |= stream.live and followed > timedelta(milliseconds=2 * self._max_ms)
        watch.position.idle = 0 if reels else watch.position.idle + 1
        if stream.live and not self._truncated and watch.position.idle <= IDLE_TURNS:
            self._more_after = timedelta(seconds=0 if stream.waiting else stream.wait_s)

    def _must_stop(self) -> bool:
        stops = self._analyses.must_stop(self._job)
        self._truncated |= stops
        return stops

    def _window(self, reel: Reel) -> None:
        if reel.fresh and self._watch.frames and self._watch.at_ms <= reel.starts_ms:
            self._watch.cut(max(self._watch.at_ms, reel.starts_ms), self._keep)
        from_ms = max(0, self._watch.at_ms - reel.starts_ms)
        self._reel(reel, SamplingLimits(self._max_ms - reel.starts_ms, from_ms, reel.final, wall_s=REEL_WALL_S))

    def _reel(self, reel: Reel, limits: SamplingLimits) -> None:
        watch, sampler = self._watch, VideoSampler(reel.path, limits)
        with closing(sampler.frames()) as frames:
            for frame in frames:
                if reel.ends_ms < 0 and sampler.duration_ms:
                    self._length_ms = max(1, min(sampler.duration_ms, self._max_ms))
                watch.take(self._ports.eyes, frame.moved(reel.starts_ms), self._keep)
                self.lease.tell(self._share(), watch.frames)
                if watch.at_ms - self._kept_ms >= KEEP_MS and time.monotonic() - self._kept_at >= KEEP_S:
                    self._write_down()
                    if self._must_stop():
                        return
        told_ms = sampler.end_ms if limits.final or sampler.truncated else sampler.told_ms
        watch.at_ms = max(watch.at_ms, reel.starts_ms + told_ms)
        self._truncated |= sampler.truncated

    def _write_down(self) -> None:
        watch = self._watch
        if not self._analyses.keep(self._job, self._share(), watch.frames, watch.at_ms, watch.written()):
            raise TakenOver
        self._kept_ms, self._kept_at = watch.at_ms, time.monotonic()

    def _share(self) -> float:
        return self._watch.at_ms / self._length_ms


def poster_keeper(ports: Ports, media_id: str) -> Keep:
    """Stores posters of a video; the same picture has the same key."""

    def keep(jpeg: bytes) -> str:
        if not jpeg:
            return ""
        key = f"posters/{media_id}/{hashlib.sha256(jpeg).hexdigest()[:24]}.jpg"
        ports.blobs.put(key, jpeg)
        return key

    return keep


def drop_posters(ports: Ports, media_id: str, *, besides: set[str | None]) -> None:
    """Those of earlier analyses, and of what was not kept."""
    for key in list(ports.blobs.keys(f"posters/{media_id}/")):
        if key not in besides:
            ports.blobs.delete(key)
