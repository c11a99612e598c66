"""`/v1/videos`: look at a video, tell how far it is, and give its timed tags."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from api.accounts.auth import Principal, requires
from api.accounts.scopes import Scope
from api.errors import TooManyRequests, Unprocessable
from api.kit.db import ReadSession, WriteSession
from api.media.schemas import TimedTags, VideoExport, VideoRead
from api.media.video_intake import BODY_DESCRIPTION, video_of
from api.media.videos import VideoService
from api.media.vtt import web_vtt
from api.ports import Ports, PortsDep

router = APIRouter(prefix="/v1/videos", tags=["videos"])
Reader = Annotated[Principal, Depends(requires(Scope.media_read))]
Writer = Annotated[Principal, Depends(requires(Scope.media_write))]
JPEG: dict[int | str, dict[str, Any]] = {200: {"content": {"image/jpeg": {}}}}
NOSNIFF = {"X-Content-Type-Options": "nosniff"}
Ms = Annotated[int | None, Query(ge=0, le=10**9)]


@router.post("", status_code=202, openapi_extra=BODY_DESCRIPTION)
async def create_video(request: Request, caller: Writer, ports: PortsDep) -> VideoRead:
    """Look at a video: multipart `file`, or JSON `url`. Its catalogs are the caller's own and the listed ones."""
    if not caller.unlimited:
        await run_in_threadpool(_check_budget, ports, caller)
    scratch = ports.settings.datadir / "videos"
    url, upload_key = await video_of(request, ports.blobs, scratch, ports.settings.fetch.max_video_bytes)
    return await run_in_threadpool(_create, ports, caller, url, upload_key)


@router.get("/{video_id}")
def read_video(video_id: str, caller: Reader, session: ReadSession, ports: PortsDep) -> VideoRead:
    """How far it is, and what was found."""
    return VideoService(session, caller.tenant_id, ports).get(video_id)


@router.get("/{video_id}/tags")
def video_tags(
    video_id: str, caller: Reader, session: ReadSession, ports: PortsDep, from_ms: Ms = None, to_ms: Ms = None
) -> TimedTags:
    """The tags whose span meets [from_ms, to_ms)."""
    if from_ms is not None and to_ms is not None and to_ms <= from_ms:
        raise Unprocessable("The end lies before the start.", pointer="?to_ms")
    return VideoService(session, caller.tenant_id, ports).tags(video_id, from_ms, to_ms)


@router.get("/{video_id}/tags.vtt", response_class=Response, responses={200: {"content": {"text/vtt": {}}}})
def video_tags_vtt(video_id: str, caller: Reader, session: ReadSession, ports: PortsDep) -> Response:
    """The tags as WebVTT, a cue a tag."""
    tags = VideoService(session, caller.tenant_id, ports).tags(video_id, None, None).tags
    return Response(web_vtt(tags), media_type="text/vtt; charset=utf-8", headers=NOSNIFF)


@router.get("/{video_id}/tags.json")
def video_export(
    video_id: str, caller: Reader, session: ReadSession, ports: PortsDep, response: Response
) -> VideoExport:
    """Things with their spans, tracks and products, to be kept as a file."""
    export = VideoService(session, caller.tenant_id, ports).export(video_id)
    response.headers["Content-Disposition"] = f'attachment; filename="{export.video.id}.json"'
    return export


@router.get("/{video_id}/poster.jpg", response_class=Response, responses=JPEG)
def video_poster(video_id: str, caller: Reader, session: ReadSession, ports: PortsDep) -> Response:
    """The frame that shows most."""
    return _jpeg(VideoService(session, caller.tenant_id, ports).poster(video_id))


@router.get("/{video_id}/tags/{tag_id}/poster.jpg", response_class=Response, responses=JPEG)
def tag_poster(video_id: str, tag_id: str, caller: Reader, session: ReadSession, ports: PortsDep) -> Response:
    """The best sight of what the tag stands on."""
    return _jpeg(VideoService(session, caller.tenant_id, ports).poster(video_id, tag_id))


@router.post("/{video_id}/stop")
def stop_video(video_id: str, caller: Writer, session: WriteSession, ports: PortsDep) -> VideoRead:
    """Follow a live stream no longer, or a long film; its tags up to then stay."""
    return VideoService(session, caller.tenant_id, ports).stop(video_id)


@router.delete("/{video_id}", status_code=204)
def delete_video(video_id: str, caller: Writer, session: WriteSession, ports: PortsDep) -> None:
    """Forget a video, its tags, its pictures and the upload; whoever looks at it stops."""
    keys = VideoService(session, caller.tenant_id, ports).delete(video_id)
    session.commit()  # a blob that outlives its row is lost room; a row without its blob would be a lie
    for key in keys:
        ports.blobs.delete(key)


def _jpeg(data: bytes) -> Response:
    return Response(data, media_type="image/jpeg", headers=NOSNIFF | {"Cache-Control": "private, max-age=3600"})


def _check_budget(ports: Ports, caller: Principal) -> None:
    with ports.database.read() as session:
        VideoService(session, caller.tenant_id, ports).check_budget()


def _create(ports: Ports, caller: Principal, url: str | None, upload_key: str | None) -> VideoRead:
    try:
        with ports.database.write() as session:
            videos = VideoService(session, caller.tenant_id, ports)
            if not caller.unlimited:  # again: others may have come while this one was taken in
                videos.take_turns()
                videos.check_budget()
            video = videos.create(url=url, upload_key=upload_key)
    except TooManyRequests:
        if upload_key:
            ports.blobs.delete(upload_key)
        raise
    ports.queue.send("media.analyse_video", video_id=video.id)
    return video
