"""What tenants say of their searches, and what it does to their later ones: a product that was called wrong for an
object comes last for objects that look alike. One tenant's words move nobody else's answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from sqlmodel import Session

from api.errors import NotFound, Unprocessable
from api.kit.cache import FreshCache
from api.kit.db import Database
from api.kit.ids import new_id
from api.kit.paging import Cursor
from api.search.blas import use_one_thread
from api.search.models import SearchVerdict
from api.search.query_tokens import ObjectClaims, QuerySealer, QueryTokenExpired, QueryTokenForged
from api.search.verdict_repository import VerdictRepository

MOST = 500  # kept a tenant, the newest; a search compares its objects with all of them
# The cosine from which two objects look alike. Of 232 shop photos no two of different products came nearer than 0.847,
# a quarter of those of one product do.
ALIKE = 0.87
# in the process that took a verdict its next search knows of it, in others within a minute
REFRESH_S, EXPIRE_S, MOST_TENANTS = 20.0, 60.0, 2000
NOTHING: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, eq=False)
class _Held:
    """Of one tenant, row by row; `codes` is (n, dim): bytes, because thousands of tenants may be held."""

    products: tuple[str, ...]
    right: tuple[bool, ...]
    codes: NDArray[np.int8]
    lengths: NDArray[np.float32]


class Verdicts:
    """As a search asks for them: from memory when warm. Thread-safe."""

    def __init__(self, database: Database, keys: Mapping[str, bytes], embedder_version: str, dim: int) -> None:
        use_one_thread()
        self.sealer = QuerySealer(keys, embedder_version)
        self._database = database
        self._version = embedder_version
        self._dim = dim
        self._held: FreshCache[str, _Held | None] = FreshCache(
            self._load, refresh_after_s=REFRESH_S, expire_after_s=EXPIRE_S, max_entries=MOST_TENANTS
        )

    def wrong(self, tenant_id: str, vectors: NDArray[np.float32]) -> list[frozenset[str]]:
        """For each of the unit vectors (n, dim) the products that are wrong for it; empty where nothing was ever said.
        Of several words on a product the one on the nearest object counts."""
        held = self._held.get(tenant_id)
        if held is None:
            return []
        cosines = vectors @ held.codes.astype(np.float32).T / held.lengths
        found = []
        for line in cosines:
            alike = np.flatnonzero(line >= ALIKE)
            nearest_last = alike[np.argsort(line[alike], kind="stable")].tolist()
            said = {held.products[at]: held.right[at] for at in nearest_last}
            found.append(frozenset(product_id for product_id, right in said.items() if not right))
        return found

    def opened(self, token: str, tenant_id: str, now: datetime) -> ObjectClaims:
        """What a token of this tenant's own search says; Unprocessable for any other."""
        try:
            claims = self.sealer.open(token, now)
        except QueryTokenExpired as error:
            raise Unprocessable("The search is older than a week.", pointer="#/token", code="token_expired") from error
        except QueryTokenForged as error:
            raise Unprocessable("This token is none of ours.", pointer="#/token", code="token_forged") from error
        if claims.tenant_id != tenant_id:
            raise Unprocessable("This token is of somebody else's search.", pointer="#/token", code="token_foreign")
        if claims.embedder_version != self._version:
            detail = "Searches look at pictures otherwise by now; search again."
            raise Unprocessable(detail, pointer="#/token", code="token_expired")
        return claims

    def forget(self, tenant_id: str) -> None:
        """After a change in this process."""
        self._held.drop(tenant_id)

    def _load(self, tenant_id: str) -> _Held | None:
        with self._database.read() as session:
            rows = VerdictRepository(session, tenant_id).newest(self._version, MOST)
        rows = [row for row in rows if len(row[2]) == self._dim]
        if not rows:
            return None
        codes = np.frombuffer(b"".join(codes for _, _, codes in rows), np.int8).reshape(len(rows), self._dim)
        lengths = np.maximum(np.linalg.norm(codes.astype(np.float32), axis=1), 1.0)
        return _Held(tuple(row[0] for row in rows), tuple(row[1] for row in rows), codes, lengths.astype(np.float32))


class VerdictService:
    """One tenant's verdicts: say, list, take back."""

    def __init__(self, session: Session, tenant_id: str, now: datetime) -> None:
        self._rows = VerdictRepository(session, tenant_id)
        self._tenant_id = tenant_id
        self._now = now

    def say(self, claims: ObjectClaims, product_id: str, *, right: bool) -> SearchVerdict:
        """The last word on a product for an object stands. The oldest words of a tenant make room for new ones."""
        row = SearchVerdict(
            id=new_id("vdt"), tenant_id=self._tenant_id, query_id=claims.query_id, object_index=claims.object_index,
            product_id=product_id, is_right=right, vector=claims.codes, embedder_version=claims.embedder_version,
            created_at=self._now, updated_at=self._now,
        )  # fmt: skip
        stored = self._rows.put(row)
        self._rows.keep_newest(MOST)
        return stored

    def page(self, cursor: Cursor) -> Sequence[SearchVerdict]:
        """Newest first, one more than the page holds."""
        return self._rows.page(cursor)

    def take_back(self, verdict_id: str) -> None:
        """As if it had not been said. Raises NotFound."""
        if not self._rows.remove(verdict_id):
            raise NotFound("No such verdict.")
