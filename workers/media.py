"""Tasks of media: fetch, decode, detect, embed, match, tag; and the sweep that finds what a lost hint told of."""

import logging

from api.kit.fetcher import FetchFailed, FetchRefused
from api.media.analysis import Analyses, Facts, Job
from api.media.models import MediaKind
from api.media.posters import clear_after_deleted
from api.media.seeing import objects_on
from api.media.service import analyses_of
from api.ports import Ports
from api.vision.errors import PictureError, PictureFault
from workers.celery_app import task
from workers.video import look_at_video

log = logging.getLogger(__name__)
SWEEP_HINTS = 200
SWEEP_REMATCHES = 100


@task("media.analyse")
def analyse(ports: Ports, media_id: str) -> None:
    """Look at one picture or video and store its tags. Harmless when asked for twice."""
    analyses = analyses_of(ports)
    job = analyses.claim(media_id)
    if job is None:
        return
    if job.media.kind is MediaKind.video:
        look_at_video(ports, analyses, job)
    else:
        _look_at_picture(ports, analyses, job)


@task("media.rematch")
def rematch(ports: Ports, media_id: str) -> None:
    """Match what is already known of one picture or video against today's catalogs."""
    analyses_of(ports).rematch(media_id)


@task("media.sweep")
def sweep(ports: Ports) -> None:
    """Ask again for what nobody works on; match again what is older than the index."""
    analyses = analyses_of(ports)
    for media_id in analyses.due(SWEEP_HINTS):
        ports.queue.send("media.analyse", media_id=media_id)
    for media_id in analyses.stale(SWEEP_REMATCHES):
        analyses.rematch(media_id)


@task("media.clear_away")
def clear_away(ports: Ports) -> None:
    """Posters of films that were deleted while a worker looked at them, and was killed over it."""
    clear_after_deleted(ports.database, ports.blobs)


def _look_at_picture(ports: Ports, analyses: Analyses, job: Job) -> None:
    most = ports.settings.fetch.max_picture_bytes
    try:
        fetched = ports.fetcher.fetch(job.media.url or "", max_bytes=most, accept="image/*")
        picture = ports.eyes.decode(fetched.body)
    except FetchRefused as error:
        analyses.fail(job, f"not fetched: {error.reason}", retryable=False)
    except FetchFailed as error:
        analyses.fail(job, f"not fetched: {error.reason}", retryable=error.retryable)
    except PictureError as error:
        analyses.fail(job, error.reason, retryable=error.code is PictureFault.BUSY)
    else:
        analyses.finish(job, objects_on(ports.eyes, picture), Facts(width=picture.width, height=picture.height))
