"""Products' pictures from our own host: decoded in the children that decode everything, resized once, kept as blobs,
served from memory when warm."""

import hashlib
import io
import logging
import threading
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass

from PIL import Image

from api.catalog.across_tenants_repository import CatalogRowsAcrossTenants
from api.kit.blobs import BlobNotFound, BlobStore, BlobsUnavailable
from api.kit.cache import FreshCache
from api.kit.db import Database
from api.vision.picture import Picture
from api.vision.service import Eyes

log = logging.getLogger(__name__)
WIDTHS = (80, 160, 320, 480, 640, 960)
MAX_MEMORY = 64 * 1024**2
_QUALITY = {"jpeg": 84, "webp": 80}
_MAX_ASPECT = 4


@dataclass(frozen=True, slots=True)
class PictureView:
    """Where a product's picture is, and whose it is."""

    key: str
    catalog_id: str
    tenant_id: str


@dataclass(frozen=True, slots=True)
class Rendered:
    """A picture at one width, ready to be sent."""

    data: bytes
    media_type: str
    etag: str


def served_width(asked: int) -> int:
    """The smallest width we make that is not below the one asked for, the largest one for anything wider."""
    return next((width for width in WIDTHS if width >= asked), WIDTHS[-1])


class ProductPictures:
    """Resized pictures by product and width. Thread-safe."""

    def __init__(self, database: Database, blobs: BlobStore) -> None:
        self._database = database
        self._blobs = blobs
        self._views: FreshCache[str, PictureView | None] = FreshCache(
            self._load_view, refresh_after_s=5.0, expire_after_s=60.0
        )
        self._memory: OrderedDict[str, bytes] = OrderedDict()
        self._held = 0
        self._lock = threading.Lock()

    def view(self, product_id: str) -> PictureView | None:
        """Where the picture of a product is; None without one."""
        return self._views.get(product_id)

    def warm(self, product_id: str, width: int, kind: str) -> tuple[PictureView, Rendered] | None:
        """From memory alone; None when work or a query would be needed."""
        found, view = self._views.peek(product_id)
        if not found or view is None:
            return None
        data = self._recall(_key(view, width, kind))
        return (view, _rendered(view, width, kind, data)) if data is not None else None

    def render(self, eyes: Eyes, view: PictureView, width: int, kind: str) -> Rendered:
        """The picture at that width; made, or found in the store. Raises PictureError, BlobNotFound."""
        key = _key(view, width, kind)
        data = self._recall(key)
        if data is None:
            try:
                data = self._blobs.get(key)
            except BlobNotFound:
                data = encode(eyes.decode(self._blobs.get(view.key)), width, kind)
                self._keep(key, data)
            self._remember(key, data)
        return _rendered(view, width, kind, data)

    def _keep(self, key: str, data: bytes) -> None:
        """It can be made again: a store that is full or away must not take the picture from the page."""
        try:
            self._blobs.put(key, data)
        except BlobsUnavailable as error:
            log.warning("a resized picture is kept in memory alone: %s", error)

    def forget(self, product_ids: Iterable[str]) -> None:
        """After a change in this process."""
        for product_id in product_ids:
            self._views.drop(product_id)

    def _load_view(self, product_id: str) -> PictureView | None:
        with self._database.read() as session:
            rows = CatalogRowsAcrossTenants(session).products([product_id])
        row = rows[0] if rows else None
        return PictureView(row.picture_key, row.catalog_id, row.tenant_id) if row and row.picture_key else None

    def _recall(self, key: str) -> bytes | None:
        with self._lock:
            if key in self._memory:
                self._memory.move_to_end(key)
            return self._memory.get(key)

    def _remember(self, key: str, data: bytes) -> None:
        with self._lock:
            if key not in self._memory:
                self._memory[key] = data
                self._held += len(data)
            while self._held > MAX_MEMORY:
                self._held -= len(self._memory.popitem(last=False)[1])


def encode(picture: Picture, width: int, kind: str) -> bytes:
    """A decoded picture as JPEG or WebP, no wider than asked and never enlarged."""
    image = Image.fromarray(picture.pixels)
    image.thumbnail((width, width * _MAX_ASPECT), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    image.save(out, kind, quality=_QUALITY[kind], **({"progressive": True} if kind == "jpeg" else {"method": 3}))
    return out.getvalue()


def _key(view: PictureView, width: int, kind: str) -> str:
    return f"resized/{view.key.rpartition('/')[2]}/{width}.{kind}"


def _rendered(view: PictureView, width: int, kind: str, data: bytes) -> Rendered:
    tag = hashlib.sha256(_key(view, width, kind).encode()).hexdigest()[:20]
    return Rendered(data, f"image/{kind}", f'"{tag}"')
