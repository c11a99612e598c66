"""A migrated data directory with what the benchmarks need in it, and the pictures that they send."""

import io
import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from api.accounts.scopes import SCOPES_OF, TenantKind
from api.accounts.service import AccountsDesk, AccountService
from api.kit.db import Database
from api.kit.migrations import upgrade
from api.ports import Ports, open_ports
from api.settings import Settings
from tests.bench.server import NoQueue
from tests.running_demo import REPO


@dataclass(frozen=True)
class Member:
    """A tenant without limits, and its key."""

    tenant_id: str
    secret: str


@contextmanager
def opened(data_dir: Path) -> Iterator[Ports]:
    settings = Settings(datadir=data_dir)
    database = Database(settings.database_url)
    upgrade(database)
    database.close()
    ports = open_ports(settings, NoQueue())
    try:
        yield ports
    finally:
        ports.close()


def member(ports: Ports, kind: TenantKind) -> Member:
    with ports.database.write() as session:
        now = ports.clock.now()
        tenant, user = AccountsDesk(session, now).sign_up(kind, "Bench", f"{kind}@bench.example", "long enough")
        tenant.unlimited = True
        session.flush()
        held = frozenset(map(str, SCOPES_OF[kind]))
        _, secret = AccountService(session, tenant.id, user.id, now).create_key("bench", None, held=held)
    return Member(tenant.id, secret)


def shared(*folder: str) -> list[Path]:
    """Photos of the data folder in an order that is always the same; none where it is not there."""
    place = Path(os.environ.get("SHOPLIGHT_SHARED_DATA", REPO.parent / "shared" / "data"))
    return sorted(place.joinpath(*folder).rglob("*.jpg"))


def street_photos() -> Iterator[bytes]:
    return (path.read_bytes() for path in shared("streetstyle", "images"))


def product_photos() -> Iterator[bytes]:
    """Real ones where they are there; else the drawn street photo over and over."""
    photos = shared("clothing", "train")[::40]
    return (path.read_bytes() for path in photos) if photos else itertools.repeat(jpeg(street_photo()))


def street_photo() -> Image.Image:
    """A real photo where the data folder is there; else a drawn one of the same size, with about its detail."""
    if photos := shared("streetstyle", "images"):
        return Image.open(photos[0]).convert("RGB")
    coarse = np.random.default_rng(5).integers(0, 255, (80, 54, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((430, 640), Image.Resampling.BICUBIC)


def camera_photo(width: int, height: int) -> Image.Image:
    """As many street photos side by side as it takes: their detail is that of a camera's picture, not of a blow-up."""
    tile, photo = street_photo(), Image.new("RGB", (width, height))
    for left in range(0, width, tile.width):
        for top in range(0, height, tile.height):
            photo.paste(tile, (left, top))
    return photo


def jpeg(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()
