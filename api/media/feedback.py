"""Shoppers' words on tags: "not this" and "right", counted by views, and what they do to a tag.

Nobody is known here: a view's nonce is one answer of ours to one page, and one view has one word on one tag, its last.
A script can ask for many views, so the words that come from one network on one day are one voter's (voters.py), a tag
that many see needs more of them, words end after KEPT, they only ever take a few products off this one tag of this one
site, its publisher sees them, and what the publisher has pinned or approved stands above them."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from sqlmodel import Session

from api.errors import TooManyRequests, Unprocessable
from api.events.tokens import TagClaims
from api.media.models import Tag, TagVote, Verdict
from api.media.repository import MediaRepository
from api.media.votes_repository import Count, VotesRepository

# A product is off the tag from three voters on, when they are three in four of those that said anything of it: one
# shopper's slip does nothing, and twice as many who find it right keep it. Of a tag that was seen more often it takes
# one in two hundred of its views, so that a handful of visits moves no popular page; fifty move any.
LEAST_VOTERS, MOST_VOTERS, LEAST_SHARE = 3, 50, 0.75
SHARE_OF_VIEWS = 0.005
MOST_OFF = 4  # products of one tag, half of those that are kept for it
KEPT = timedelta(days=60)  # catalogs and seasons change, and so does what a tag shows
# More words an hour than people say: a page with 10,000 readers an hour, of whom one in twenty says something.
PER_SITE, WINDOW = 500, timedelta(hours=1)
# Of one voter on one tag: more than there are products to say something of, and few enough to count at every word.
PER_VOTER = 20
PER_TAG = 5000  # a hundred times what it takes at most: every word has them counted


@dataclass(frozen=True, slots=True)
class ProductVotes:
    """How many voters have said what of one product on one tag."""

    product_id: str
    not_this: int
    right: int

    def weighs(self, needed: int) -> bool:
        """Whether it is enough to take it off a tag that needs as many."""
        return self.not_this >= needed and self.not_this >= LEAST_SHARE * (self.not_this + self.right)


def summed(counts: Iterable[Count]) -> list[ProductVotes]:
    """Of one tag, by product."""
    found: dict[str, dict[Verdict, int]] = {}
    for product_id, verdict, count in counts:
        found.setdefault(product_id, {})[verdict] = count
    return [
        ProductVotes(product_id, said.get(Verdict.not_this, 0), said.get(Verdict.right, 0))
        for product_id, said in sorted(found.items())
    ]


def needed_of(views: int) -> int:
    """How many voters it takes on a tag that was seen as often."""
    return min(max(ceil(views * SHARE_OF_VIEWS), LEAST_VOTERS), MOST_VOTERS)


def off_of(counts: Iterable[Count], needed: int, matched: Collection[str]) -> list[str]:
    """The products that the words take off a tag that has `matched` ones: those first that would stand on it, the most
    voted down first."""
    found = [votes for votes in summed(counts) if votes.weighs(needed)]
    found.sort(key=lambda votes: (votes.product_id not in matched, -votes.not_this))
    return [votes.product_id for votes in found[:MOST_OFF]]


def objected_in(counts: Iterable[Count]) -> bool:
    """Whether anybody has said "not this"."""
    return any(verdict is Verdict.not_this for _, verdict, _ in counts)


class Feedback:
    """The words on one publisher's tags."""

    def __init__(self, session: Session, tenant_id: str, now: datetime) -> None:
        self._media = MediaRepository(session, tenant_id)
        self._votes = VotesRepository(session, tenant_id)
        self._now = now

    def say(self, claims: TagClaims, verdict: Verdict, voter: str) -> None:
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
            voter=voter,
            at=self._now,
        )
        self._votes.put(word)
        self._votes.keep_newest(tag.id, voter, PER_VOTER)
        self._settle(tag, tag.votes_needed)

    def settle(self, tag_id: str, needed: int) -> None:
        """Count a tag's words again, of which it takes as many by now."""
        tag = self._media.tag(tag_id)
        if tag is not None:
            self._settle(tag, needed)

    def standing(self, tag_ids: Sequence[str]) -> dict[str, list[Count]]:
        """By tag the words that still count."""
        return self._votes.counts(tag_ids, self._now - KEPT)

    def _settle(self, tag: Tag, needed: int) -> None:
        counts = self.standing([tag.id])[tag.id]
        off = off_of(counts, needed, tag.matched_ids)
        tag.objected = objected_in(counts)
        if (off, needed) != (tag.voted_off, tag.votes_needed):
            tag.voted_off, tag.votes_needed, tag.updated_at = off, needed, self._now
