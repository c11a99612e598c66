"""The publisher's control: media, their tags, and looking again."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from api.accounts.auth import Principal, requires
from api.accounts.scopes import Scope
from api.kit.db import ReadSession, WriteSession
from api.kit.paging import CursorParams, Page, page_of
from api.media.schemas import MediaRead, MediaStatus, MediaUpdate, TagRead, TagUpdate
from api.media.service import MediaService
from api.ports import PortsDep

router = APIRouter(prefix="/v1", tags=["media"])
Reader = Annotated[Principal, Depends(requires(Scope.media_read))]
Writer = Annotated[Principal, Depends(requires(Scope.media_write))]


def _reading(caller: Reader, session: ReadSession, ports: PortsDep) -> MediaService:
    return MediaService(session, caller.tenant_id, caller.actor, ports.clock.now(), ports.shelf)


def _writing(caller: Writer, session: WriteSession, ports: PortsDep) -> MediaService:
    return MediaService(session, caller.tenant_id, caller.actor, ports.clock.now(), ports.shelf)


Reading = Annotated[MediaService, Depends(_reading)]
Writing = Annotated[MediaService, Depends(_writing)]


@router.get("/media")
def list_media(
    service: Reading,
    cursor: CursorParams,
    site_id: Annotated[str | None, Query(max_length=40)] = None,
    status: MediaStatus | None = None,
    objected: Annotated[bool, Query(description="Only those on which shoppers have said `not_this`.")] = False,
) -> Page[MediaRead]:
    """Pictures and videos of the publisher's pages with their tags, newest first."""
    return page_of(service.page(site_id, status, cursor, objected=objected), cursor.limit, lambda media: media.id)


@router.get("/media/{media_id}")
def read_media(media_id: str, service: Reading) -> MediaRead:
    """One picture or video with its tags."""
    return service.get(media_id)


@router.patch("/media/{media_id}")
def update_media(media_id: str, body: MediaUpdate, service: Writing) -> MediaRead:
    """Take it out of tagging, or back in; pages see it within 5 s."""
    return service.update(media_id, body)


@router.post("/media/{media_id}/analyse", status_code=202)
def analyse_media(media_id: str, session: WriteSession, service: Writing, ports: PortsDep) -> MediaRead:
    """Look at it again. Tags of objects that are still there keep their ids and what was decided about them."""
    media = service.analyse(media_id)
    session.commit()  # the hint must not overtake the row
    ports.queue.send("media.analyse", media_id=media_id)
    return media


@router.patch("/tags/{tag_id}")
def update_tag(tag_id: str, body: TagUpdate, service: Writing) -> TagRead:
    """Hide, approve, rename, move or pin a tag; pages see it within 5 s. null takes a decision back."""
    return service.update_tag(tag_id, body)
