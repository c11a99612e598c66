"""Shoppers' words on tags: "not this" and "right", counted by views, and what they do to a tag.

Nobody is known here: a view's nonce is one answer of ours to one page, and one view has one word on one tag, its last.
A script can ask for many views, so words only ever take a product off this one tag of this one site, its publisher sees
them, and a pin of the publisher's stands above them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel import Session

from api.errors import TooManyRequests, Unprocessable
from api.events.tokens import TagClaims
from api.media.models import TagVote, Verdict
from api.media.repository import MediaRepository
from api.media.votes_repository import Count, VotesRepository

# A product is off the tag from three views on, when they are three in four of those that said anything of it: one
# shopper's slip does nothing, and twice as many who find it right keep it.
LEAST_VIEWS, LEAST_SHARE = 3, 0.75
# More words an hour than people say: a page with 10,000 readers an hour, of whom one in twenty says something.
PER_SITE, WINDOW = 500, timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class ProductVotes:
    """What views have said of one product on one tag."""

    product_id: str
    not_this: int
    right: int

    @property
    def off(self) -> bool:
        """Whether it is off the tag."""
        return self.not_this >= LEAST_VIEWS and self.not_this >= LEAST_SHARE * (self.not_this + self.right)


def summed(counts: Iterable[Count]) -> list[ProductVotes]:
    """Of one tag, by product."""
    found: dict[str, dict[Verdict, int]] = {}
    for product_id, verdict, count in counts:
        found.setdefault(product_id, {})[verdict] = count
    return [
        ProductVotes(product_id, said.get(Verdict.not_this, 0), said.get(Verdict.right, 0))
        for product_id, said in sorted(found.items())
    ]


class Feedback:
    """The words on one publisher's tags."""

    def __init__(self, session: Session, tenant_id: str, now: datetime) -> None:
        self._media = MediaRepository(session, tenant_id)
        self._votes = VotesRepository(session, tenant_id)
        self._now = now

    def say(self, claims: TagClaims, verdict: Verdict) -> None:
        """Store a view's word on the product that it was shown, and take the product off the tag or back. Raises
        Unprocessable when the tag is no more, TooManyRequests when the site has had its share."""
        tag = self._media.tag(claims.tag_id)  # held from here: words on one tag are counted one after the other
        if tag is None or tag.media_id != claims.media_id:
            raise Unprocessable("The tag is no more.", pointer="#/token", code="tag_gone")
        if self._votes.since(claims.site_id, self._now - WINDOW) >= PER_SITE:
            raise TooManyRequests("This site has sent much feedback; send this later.", headers={"Retry-After": "3600"})
        word = TagVote(
            tag_id=tag.id,
            nonce=claims.nonce,
            tenant_id=tag.tenant_id,
            site_id=claims.site_id,
            product_id=claims.product_id,
            verdict=verdict,
            at=self._now,
        )
        self._votes.put(word)
        off = [votes.product_id for votes in summed(self._votes.counts([tag.id])[tag.id]) if votes.off]
        if off != tag.voted_off:
            tag.voted_off, tag.updated_at = off, self._now
