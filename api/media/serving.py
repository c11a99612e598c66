"""Answers of `POST /v1/tags`: what is known of a page's media, as offers with sealed tokens. No SQL when warm."""

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fastapi.concurrency import run_in_threadpool

from api.ads.auction import Auction, Contender, Offer
from api.events.tokens import TagClaims, TokenSealer
from api.kit.clock import Clock
from api.media.controls import Rules, rules_of
from api.media.matching import shown_label
from api.media.memory import MediaMemory, Unknown
from api.media.models import MediaKind, MediaState
from api.media.shelf import Shelf, Shelved
from api.media.tag_request import MediaItem
from api.media.urls import MediaUrl
from api.media.views import MediaView, TagView
from api.sites.schemas import SiteControls
from api.sites.service import SiteView

MAX_PRODUCTS = 5  # offers on one tag
TTL_PENDING_S, TTL_READY_S = 2, 300
NONCE_BYTES = 12
BLOCKED: dict[str, Any] = {"status": "blocked", "tags": []}
Wanted = Sequence[tuple[MediaItem, MediaUrl]]
Known = dict[str, MediaView | None]


@dataclass(frozen=True)
class View:
    """One answer: what every token of it is bound to."""

    site: SiteView
    rules: Rules
    nonce: str
    issued_at_ms: int


class TagServer:
    """One a process. `answer` runs on the event loop and goes to a thread for what is not in memory."""

    def __init__(self, memory: MediaMemory, shelf: Shelf, auction: Auction, sealer: TokenSealer, clock: Clock) -> None:
        self._memory = memory
        self._shelf = shelf
        self._auction = auction
        self._sealer = sealer
        self._clock = clock
        self._rules: dict[str, tuple[SiteControls, Rules]] = {}

    async def answer(self, site: SiteView, items: Sequence[MediaItem], urls: Sequence[MediaUrl]) -> dict[str, Any]:
        """The body of the answer, in the order of the request."""
        rules = self._rules_of(site)
        wanted = [(item, url) for item, url in zip(items, urls, strict=True) if _may_be_tagged(site, rules, url)]
        views = self._remembered(site, wanted)
        if views is None:
            views = await run_in_threadpool(self._loaded, site, wanted)
        now_ms = int(self._clock.now().timestamp() * 1000)
        view = View(site, rules, secrets.token_urlsafe(NONCE_BYTES), now_ms)
        done: dict[str, dict[str, Any]] = {}
        for url in urls:
            if url.text not in done:
                done[url.text] = self._media(view, views[url.text]) if url.text in views else BLOCKED
                await asyncio.sleep(0)  # a page full of tags takes some 30 ms: others get their turn
        answers = [{"url": item.url, **done[url.text]} for item, url in zip(items, urls, strict=True)]
        pending = any(entry["status"] == "pending" for entry in answers)
        return {"media": answers, "ttl_s": TTL_PENDING_S if pending else TTL_READY_S}

    def forget(self) -> None:
        """Drop what is remembered of media, after a change in this process."""
        self._memory.forget()

    def _rules_of(self, site: SiteView) -> Rules:
        kept = self._rules.get(site.site_id)
        if kept is None or kept[0] is not site.controls:
            kept = self._rules[site.site_id] = (site.controls, rules_of(site.controls))
        return kept[1]

    def _remembered(self, site: SiteView, wanted: Wanted) -> Known | None:
        """By address, from memory alone; None when something must be read or opened first."""
        views: Known = {}
        for _, url in wanted:
            found, media = self._memory.peek(site.site_id, url)
            if not found or (media is None and self._memory.has_budget(site.site_id)):
                return None
            views[url.text] = media
        return views if self._auction.is_warm() and self._shelf.is_warm(_product_ids(views)) else None

    def _loaded(self, site: SiteView, wanted: Wanted) -> Known:
        """The same from the store; media that nobody has seen yet are opened."""
        views = {url.text: self._memory.load(site.site_id, url) for _, url in wanted}
        unknown = [Unknown(url, MediaKind(item.kind)) for item, url in wanted if views[url.text] is None]
        if unknown and self._memory.has_budget(site.site_id):
            self._memory.open(site.site_id, site.tenant_id, unknown)
            views |= {item.url.text: self._memory.load(site.site_id, item.url) for item in unknown}
        self._auction.warm_up()
        self._shelf.warm_up(_product_ids(views))
        return views

    def _media(self, view: View, media: MediaView | None) -> dict[str, Any]:
        if media is None:
            return {"status": "none", "tags": []}
        if media.blocked:
            return BLOCKED
        tags = self._tags(view, media)
        if tags:
            return {"status": "ready", "tags": tags}
        unfinished = media.state in {MediaState.pending, MediaState.running} and not media.tags
        return {"status": "pending" if unfinished else "none", "tags": []}

    def _tags(self, view: View, media: MediaView) -> list[dict[str, Any]]:
        allowed = [tag for tag in media.tags if tag.approved or not view.rules.review]
        if media.kind is MediaKind.image:
            built = [found for tag in allowed if (found := self._tag(view, media, tag))]
            return _each_once(built)[: view.rules.max_tags_image]
        tags: list[dict[str, Any]] = []
        taken: list[TagView] = []
        for tag in allowed:
            if _crowd(taken, tag) < view.rules.max_tags_video and (found := self._tag(view, media, tag)):
                tags.append(found)
                taken.append(tag)
        return tags

    def _tag(self, view: View, media: MediaView, tag: TagView) -> dict[str, Any] | None:
        shelved = self._shelf.on_tags([candidate.product_id for candidate in tag.candidates])
        fitting = [
            (candidate, shelved[candidate.product_id])
            for candidate in tag.candidates
            if candidate.product_id in shelved and view.rules.allows(shelved[candidate.product_id].product)
        ][:MAX_PRODUCTS]
        if not fitting:
            return None
        contenders = [
            Contender(c.product_id, s.product.catalog_id, s.brand_id, s.product.category, c.score, c.match_type)
            for c, s in fitting
        ]
        offer = self._auction.pick(contenders, site_id=view.site.site_id, nonce=view.nonce)
        fitting.sort(key=lambda pair: pair[0].product_id != offer.product_id)  # the winner first, the rest as it was
        products, token = [], ""
        for index, (candidate, shelf) in enumerate(fitting):
            own = offer if index == 0 else Offer(candidate.product_id)
            sealed = self._sealer.seal(_claims(view, media, tag, shelf, own))
            product = {**shelf.fields, "score": round(candidate.score, 4), "match_type": candidate.match_type}
            if index == 0:
                token = sealed
            else:
                product["token"] = sealed
            products.append(product)
        return _drawn(tag, media.kind, products, token, offer)


def _each_once(tags: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A product stands on a picture once, where it is surest: the second box is a part of the thing, or its double."""
    best: dict[str, dict[str, Any]] = {}
    for tag in tags:
        rival = best.get(tag["products"][0]["id"])
        if rival is None or tag["products"][0]["score"] > rival["products"][0]["score"]:
            best[tag["products"][0]["id"]] = tag
    return [tag for tag in tags if best[tag["products"][0]["id"]] is tag]


def _drawn(tag: TagView, kind: MediaKind, products: list[dict[str, Any]], token: str, offer: Offer) -> dict[str, Any]:
    drawn: dict[str, Any] = {
        "id": tag.id,
        "label": tag.label if tag.renamed else shown_label(tag.label, products[0]["category"]),
        "box": tag.box,
        "products": products,
        "token": token,
        "sponsored": offer.sponsored,
    }
    if offer.creative is not None:
        look = offer.creative
        drawn["creative"] = {"call_to_action": look.call_to_action, "badge": look.badge, "style": look.style}
    if kind is MediaKind.video:
        box = [tag.box[side] for side in "xywh"]
        drawn |= {"from_ms": tag.from_ms, "to_ms": tag.to_ms, "track": tag.track or [[tag.from_ms or 0, *box]]}
    return drawn


def _claims(view: View, media: MediaView, tag: TagView, shelf: Shelved, offer: Offer) -> TagClaims:
    return TagClaims(
        nonce=view.nonce,
        publisher_id=view.site.tenant_id,
        site_id=view.site.site_id,
        media_id=media.id,
        tag_id=tag.id,
        product_id=shelf.product.id,
        brand_id=shelf.brand_id,
        campaign_id=offer.campaign_id,
        creative_id=offer.creative.id if offer.creative else None,
        arm=offer.arm,
        price_micros=offer.price_micros,
        price_kind=offer.price_kind.value if offer.price_kind else None,
        currency=offer.currency,
        issued_at_ms=view.issued_at_ms,
        target_url=shelf.product.url,
        media_kind=media.kind.value,
    )


def _may_be_tagged(site: SiteView, rules: Rules, url: MediaUrl) -> bool:
    return rules.enabled and site.takes_media_of(url.host, url.port) and url.text not in rules.media


def _product_ids(views: Known) -> list[str]:
    tags = (tag for media in views.values() if media is not None for tag in media.tags)
    return [candidate.product_id for tag in tags for candidate in tag.candidates]


def _crowd(taken: Sequence[TagView], tag: TagView) -> int:
    """How many tags already stand beside this one: on a picture all, in a video those at the same time."""
    if tag.from_ms is None or tag.to_ms is None:
        return len(taken)
    return sum((t.from_ms or 0) < tag.to_ms and tag.from_ms < (t.to_ms or 0) for t in taken)
