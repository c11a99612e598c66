"""Posters of films: small pictures among the blobs, named by the rows of media and tags. What no row names goes."""

import hashlib
from collections.abc import Iterable
from itertools import islice

from api.kit.blobs import BlobStore
from api.kit.db import Database
from api.media.models import MediaState
from api.media.repository import MediaAcrossTenants

ROOT = "posters"
BATCH = 1000  # keys that are compared with the rows at once


class Posters:
    """Of one film."""

    def __init__(self, database: Database, blobs: BlobStore, media_id: str) -> None:
        self._database = database
        self._blobs = blobs
        self._media_id = media_id

    def keep(self, jpeg: bytes) -> str:
        """Store a picture; the same picture has the same key."""
        if not jpeg:
            return ""
        key = f"{ROOT}/{self._media_id}/{hashlib.sha256(jpeg).hexdigest()[:24]}.jpg"
        self._blobs.put(key, jpeg)
        return key

    def prune(self, besides: Iterable[str]) -> None:
        """What neither its rows show nor `besides` names. For the worker that holds the film."""
        with self._database.read() as session:
            shown = MediaAcrossTenants(session).poster_keys(self._media_id)
        self._drop(shown | set(besides))

    def clear_up(self) -> None:
        """What its rows do not show: of a deleted film all. Nothing while somebody looks at it, or will."""
        with self._database.read() as session:
            rows = MediaAcrossTenants(session)
            state = rows.states([self._media_id]).get(self._media_id)
            shown = rows.poster_keys(self._media_id)
        if state not in {MediaState.pending, MediaState.running}:
            self._drop(shown)

    def _drop(self, besides: set[str]) -> None:
        for key in list(self._blobs.keys(f"{ROOT}/{self._media_id}/")):
            if key not in besides:
                self._blobs.delete(key)


def clear_after_deleted(database: Database, blobs: BlobStore) -> None:
    """Posters of films that are gone: a worker was killed before it heard that its film was deleted."""
    keys = blobs.keys(f"{ROOT}/")
    while batch := list(islice(keys, BATCH)):
        with database.read() as session:
            known = MediaAcrossTenants(session).states({_media_id(key) for key in batch})
        for key in batch:
            if _media_id(key) not in known:
                blobs.delete(key)


def _media_id(key: str) -> str:
    return key.split("/")[1]
