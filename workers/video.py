"""Looking at a video: what is worth seeing of it, objects in that, tracks over them, and what was seen so far kept, so
that another worker can go on from there. A child decodes (api.media.frames)."""

import errno
import logging
import time
from contextlib import closing, suppress
from datetime import timedelta

from sqlalchemy.exc import InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from api.kit.blobs import BlobNotFound, BlobsUnavailable
from api.kit.fetcher import FetchFailed, FetchRefused, NotStored
from api.media.analysis import INTERRUPTED, MAX_ATTEMPTS, Analyses, Facts, Job
from api.media.frames import SamplingLimits, VideoError, VideoSampler
from api.media.posters import Posters
from api.media.reels import Reel, Stream, StreamGone
from api.media.service import analyses_of, charge_minutes
from api.media.watching import taken_up
from api.ports import Ports
from workers.celery_app import task
from workers.film_source import opened_film
from workers.lease import Lease, TakenOver

log = logging.getLogger(__name__)
KEEP_MS, KEEP_S = 20_000, 5.0  # so much film and so much time after the last time, what was seen is written down
FILM_WALL_S, REEL_WALL_S, STREAM_WALL_S = 3600.0, 600.0, 2 * 3600.0
IDLE_TURNS = 12  # a live stream that has had nothing new so often is over
HURRY_MS = 1000  # that a turn of a live stream must bring, by its playlist, for the next one to come at once
SLACK_MS = 3000  # by which a window may be longer than its playlist says
BAD_REELS = 5  # windows in a row of a stream that cannot be decoded
RETRYABLE = {"decoder_died"}
DAMAGE = {"corrupt", "no_frames", "not_a_video", "decoder_died"}
AWAY = (OSError, OperationalError, InterfaceError, PoolTimeout)  # of the disk and of the database
NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
SOON, ROOM_WAIT = timedelta(seconds=15), timedelta(minutes=2)


@task("media.analyse_video")
def analyse_video(ports: Ports, video_id: str) -> None:
    """Look at one video and store its tags. Harmless when asked for twice."""
    analyses = analyses_of(ports)
    job = analyses.claim(video_id)
    if job is not None:
        look_at_video(ports, analyses, job)


def look_at_video(ports: Ports, analyses: Analyses, job: Job) -> None:
    """From the claimed row to its tags, or to the reason why there are none. The row stays held until all is stored: a
    slow index takes its time, too."""
    posters = Posters(ports.database, ports.blobs, job.media.id)
    try:
        viewing = Viewing(ports, analyses, job, posters)
        with viewing.lease.held():
            _look(viewing, job)
    except TakenOver:
        log.info("%s was taken over or deleted while it was looked at", job.media.id)
    except (*AWAY, BlobsUnavailable, NotStored) as error:
        log.warning("%s waits for the stores", job.media.id, exc_info=True)
        reason, wait = _trouble(error)
        with suppress(SQLAlchemyError):  # where the database is away, too, the lease runs out and a sweep finds it
            analyses.postpone(job, reason, wait=wait)
    with suppress(*AWAY, BlobsUnavailable):  # what stays lying harms nobody
        posters.clear_up()


def _look(viewing: "Viewing", job: Job) -> None:
    if job.given_up:
        viewing.give_up(job.media.error or INTERRUPTED, retryable=False)
        return
    try:
        viewing.watch_all()
    except NotStored:
        raise
    except FetchRefused as error:
        viewing.give_up(f"not fetched: {error.reason}", retryable=False)
    except FetchFailed as error:
        viewing.give_up(f"not fetched: {error.reason}", retryable=error.retryable)
    except BlobNotFound:
        viewing.give_up("the upload is gone; send it again", retryable=False)
    except VideoError as error:
        viewing.give_up(error.reason, retryable=error.code in RETRYABLE)
    else:
        viewing.store()


def _trouble(error: Exception) -> tuple[str, timedelta]:
    """What to say while it waits, and how long to. Paths and names of servers stay in the log."""
    cause = error if isinstance(error, OSError) else error.__cause__
    if isinstance(cause, OSError) and cause.errno in NO_ROOM:
        return "there is no room left to store it; it is tried again by itself", ROOM_WAIT
    return "stored files or the database cannot be reached; it is tried again by itself", SOON


class Viewing:
    """One claimed video, watched from where the last worker left off."""

    def __init__(self, ports: Ports, analyses: Analyses, job: Job, posters: Posters) -> None:
        self._ports = ports
        self._analyses = analyses
        self._job = job
        self._watch = taken_up(analyses.checkpoint(job), ports.eyes.embedder_version)
        self._posters, self._keep = posters, posters.keep
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
                    wall_s = max(FILM_WALL_S, self._max_ms / 1000)
                    self._reel(film, SamplingLimits(self._max_ms, self._watch.at_ms, wall_s=wall_s))
        except StreamGone:
            log.info("the live stream %s is over", self._job.media.id)
        if self._more_after is None:
            self._watch.cut(self._watch.at_ms, self._keep)

    def give_up(self, reason: str, *, retryable: bool) -> None:
        """It breaks off. Where no other try may bring more, what was seen before is stored, and paid for."""
        attempts_left = retryable and self._job.media.attempts < MAX_ATTEMPTS
        if attempts_left or not self._watch.frames:
            self._analyses.fail(self._job, reason, retryable=retryable)
            return
        self._truncated, self._more_after = True, None
        self._watch.cut(self._watch.at_ms, self._keep)
        self.store(reason)

    def store(self, reason: str | None = None) -> None:
        """The tags, and the bill where nothing more will come; `reason` says why, where it should have."""
        watch, media = self._watch, self._job.media
        facts = watch.facts(truncated=self._truncated, poster_key=self._keep(watch.poster) or None, error=reason)
        if self._more_after is not None:
            self._store_window(facts, self._more_after)
            return
        # before it is stored: whoever stores it in the end, the same id counts once
        charge_minutes(self._ports, media, facts)
        self._analyses.finish(self._job, watch.cast.objects(), facts)

    def _store_window(self, facts: Facts, more_after: timedelta) -> None:
        watch, job = self._watch, self._job
        if not self._analyses.keep(job, self._share(), watch.frames, watch.at_ms, watch.written()):
            raise TakenOver
        seen = watch.so_far(self._keep)
        self._posters.prune({item.poster_key for item in seen} | watch.cast.posters() | {facts.poster_key or ""})
        if self._analyses.finish(job, seen, facts, more_after=more_after) and not more_after:
            self._ports.queue.send("media.analyse_video", video_id=job.media.id)  # the next window is there already

    def _stream(self, stream: Stream) -> None:
        watch, reels, bad, began_ms = self._watch, 0, 0, self._watch.position.covered_ms
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
            hurries = stream.waiting and watch.position.covered_ms - began_ms >= HURRY_MS
            self._more_after = timedelta(seconds=0 if hurries else stream.wait_s)

    def _must_stop(self) -> bool:
        stops = self._analyses.must_stop(self._job)
        self._truncated |= stops
        return stops

    def _window(self, reel: Reel) -> None:
        watch = self._watch
        if reel.fresh and watch.frames and watch.at_ms <= reel.starts_ms:
            watch.cut(watch.at_ms, self._keep)
        from_ms = max(0, watch.at_ms - reel.starts_ms)
        left_ms, lasts_ms = self._max_ms - reel.starts_ms, reel.ends_ms - reel.starts_ms + SLACK_MS
        self._reel(reel, SamplingLimits(min(left_ms, lasts_ms), from_ms, reel.final, wall_s=REEL_WALL_S))

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
        if sampler.end_ms == limits.max_ms < self._max_ms - reel.starts_ms:  # its clock jumps: the next one is set anew
            watch.at_ms = max(watch.at_ms, reel.ends_ms)
            watch.cut(watch.at_ms, self._keep)
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
