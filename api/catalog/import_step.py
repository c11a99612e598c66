"""One chunk of a feed: rows checked outside of any transaction, then landed in one short one."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urljoin

from api.catalog.checking import NAMES, check_row, external_id_of
from api.catalog.feeds.archive import FeedArchive, PictureMissing
from api.catalog.feeds.rows import BadRow, FeedRow, RowError
from api.catalog.links import LinkError, parse_link
from api.catalog.models import Import, ImportFault, Product
from api.catalog.repository import ImportRepository
from api.catalog.schemas import ProductCreate
from api.kit.ids import new_id
from api.kit.names import storable

MAX_FAULTS = 1000
MAX_REASON = 500
IMAGE_COLUMNS = NAMES["image_link"]
COUNTS = ("rows_read", "created", "updated", "unchanged", "failed", "indexed")


@dataclass(frozen=True, slots=True)
class Prepared:
    """A row after every check. `source` says where its picture is, None when it cannot be had."""

    line: int | None
    external_id: str
    product: ProductCreate | None
    source: str | None
    errors: tuple[RowError, ...]

    @property
    def row_hash(self) -> str:
        """Equal for rows that mean the same product with the same picture."""
        return product_hash(self.product.columns() if self.product else {}, self.source)


def prepare(row: FeedRow | BadRow, archive: FeedArchive | None, feed_url: str | None) -> Prepared:
    """Check one row and find its picture."""
    if isinstance(row, BadRow):
        return Prepared(row.error.line, external_id_of(row.values), None, None, (row.error,))
    checked = check_row(row.values, needs_link=row.can_have_link)
    errors = [RowError(row.line, fault.field, fault.reason) for fault in checked.faults]
    product, source = checked.product, None
    if product is not None and product.url:
        try:
            source = picture_source(product.image_link, archive, feed_url)
        except PictureMissing as error:
            field = next((name for name in IMAGE_COLUMNS if name in row.values), IMAGE_COLUMNS[0])
            errors.append(RowError(row.line, field, f"{error.reason}; the product was taken, but no picture finds it"))
    external_id = product.external_id if product else external_id_of(row.values)
    return Prepared(row.line, external_id, product, source, tuple(errors))


def picture_source(link: str, archive: FeedArchive | None, feed_url: str | None) -> str:
    """A URL, or `zip:<checksum>:<entry>`. Raises PictureMissing."""
    if not link:
        raise PictureMissing("is missing")
    if link.startswith(("http://", "https://")):
        return link
    if archive is not None:
        name, checksum = archive.resolve(link)
        return f"zip:{checksum}:{name}"
    if feed_url is None:
        raise PictureMissing("must be an http or https link, or a path in a ZIP with the feed")
    try:
        return parse_link(urljoin(feed_url, link))
    except (LinkError, ValueError) as error:
        raise PictureMissing("is no link") from error


class Landing:
    """Lands chunks of one import. Every change of a product and every count is in the transaction of its rows."""

    def __init__(self, rows: ImportRepository, job: Import, now: datetime) -> None:
        self._rows = rows
        self._job = job
        self._now = now
        self.adds: dict[str, int] = dict.fromkeys(COUNTS, 0)
        self.errors: list[RowError] = []
        self.touched: list[str] = []
        self.withdrawn: list[str] = []  # they have no picture any more: the index must let go of them

    def land(self, chunk: Sequence[Prepared]) -> None:
        """Create, update or leave each row's product; note what is wrong with the rest."""
        ids = list({row.external_id for row in chunk if row.external_id})
        known = self._rows.products_by_external_id(self._job.catalog_id, ids)
        for row in chunk:
            self.adds["rows_read"] += 1
            before = known.get(row.external_id)
            if row.product is None:
                self._refuse(row, before)
            elif before is not None and before.seen_import_id == self._job.id:
                self.adds["failed"] += 1
                reason = f"is on line {before.feed_line} already; the first one counts"
                self.errors.append(RowError(row.line, "id", reason))
            else:
                self.errors += row.errors
                known[row.external_id] = self._keep(row, row.product, before)

    def _refuse(self, row: Prepared, before: Product | None) -> None:
        self.adds["failed"] += 1
        self.errors += row.errors
        if before is not None and before.seen_import_id != self._job.id:
            # it is still in the feed, if badly: it stays as it was, and is not taken for removed
            before.seen_import_id, before.feed_line = self._job.id, row.line

    def _keep(self, row: Prepared, product: ProductCreate, before: Product | None) -> Product:
        if before is None:
            self.adds["created"] += 1
            before = self._created(row, product)
            self._rows.session.add(before)
        elif before.deleted_at is not None:
            self.adds["created"] += 1
            apply(before, row.row_hash, product, row.source, self._now)
        elif before.row_hash != row.row_hash:
            self.adds["updated"] += 1
            self.touched.append(before.id)
            apply(before, row.row_hash, product, row.source, self._now)
            if row.source is None:
                self.withdrawn.append(before.id)
        else:
            self.adds["unchanged"] += 1
            if before.index_state == "failed" and row.source is not None:
                before.index_state, before.index_error = "pending", None  # another try at its picture
            self.adds["indexed"] += before.index_state == "indexed"
        before.seen_import_id, before.feed_line = self._job.id, row.line
        return before

    def _created(self, row: Prepared, product: ProductCreate) -> Product:
        fresh = Product(
            id=new_id("prd"),
            tenant_id=self._job.tenant_id,
            catalog_id=self._job.catalog_id,
            row_hash=row.row_hash,
            index_state="pending",
            created_at=self._now,
            updated_at=self._now,
            **product.columns(),
        )
        apply(fresh, row.row_hash, product, row.source, self._now)
        return fresh


def apply(row: Product, row_hash: str, product: ProductCreate, source: str | None, now: datetime) -> None:
    """Write a checked product into its row; its picture or its entry in the index is then due."""
    for name, value in product.columns().items():
        setattr(row, name, value)
    row.row_hash = row_hash
    row.picture_source = source
    row.index_state = "pending" if source is not None else "failed" if product.image_link else "no_picture"
    why = "There is no picture to look at." if product.url else "There is no link to lead shoppers to."
    row.index_error = None if source is not None else why
    row.updated_at = now
    row.deleted_at = None


def faults_of(job: Import, errors: Sequence[RowError], room: int) -> list[ImportFault]:
    """Rows for the table of errors, as many as there is room for."""
    return [
        ImportFault(
            tenant_id=job.tenant_id,
            import_id=job.id,
            line=error.line,
            field=storable(error.field)[:100] if error.field else None,
            reason=storable(error.reason)[:MAX_REASON],
        )
        for error in errors[: max(0, room)]
    ]


def product_hash(columns: Mapping[str, Any], source: str | None) -> str:
    """Tells whether a row or a PUT says anything new."""
    text = json.dumps([dict(columns), source], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:32]
