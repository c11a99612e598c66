"""A publisher's page as the tests see it: seals tokens for its tags, posts events, follows clicks, reads reports."""

import itertools
from datetime import timedelta
from typing import Any

import msgspec
from fastapi.testclient import TestClient

from api.events.tokens import TagClaims
from api.kit.clock import rfc3339
from api.ports import Ports
from workers.sink import Sink

ORIGIN = "https://magazine.example"
BROWSER = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36"
_ids = itertools.count()


class ShopPage:
    """`publisher` is an Account with a site on ORIGIN."""

    def __init__(self, client: TestClient, ports: Ports, publisher: Any, origin: str = ORIGIN) -> None:
        self.client, self.ports, self.publisher, self.origin = client, ports, publisher, origin
        body = {"name": "Magazine", "origins": [origin], "media_hosts": []}
        made = client.post("/v1/sites", json=body, headers=publisher.auth)
        assert made.status_code == 201, made.text
        self.site_id, self.key = made.json()["id"], made.json()["key"]

    def claims(self, **changes: Any) -> TagClaims:
        claims = TagClaims(
            nonce=changes.pop("nonce", f"nonce{next(_ids)}"),
            publisher_id=self.publisher.tenant_id,
            site_id=self.site_id,
            media_id="med_1",
            tag_id="tag_1",
            product_id="prd_1",
            brand_id="tnt_brand",
            campaign_id="cmp_1",
            price_micros=250_000,
            price_kind="cpc",
            currency="EUR",
            issued_at_ms=int(self.ports.clock.now().timestamp() * 1000),
            target_url="https://brand.example/p/1",
        )
        return msgspec.structs.replace(claims, **changes)

    def token(self, **changes: Any) -> str:
        return self.ports.sealer.seal(self.claims(**changes))

    def event(self, kind: str, token: str, *, after_s: float = 0, **fields: Any) -> dict[str, Any]:
        at = rfc3339(self.ports.clock.now() + timedelta(seconds=after_s))
        return {"id": f"event-{next(_ids):08d}", "type": kind, "token": token, "at": at, "seq": 1, **fields}

    def post(self, events: list[Any], *, agent: str = BROWSER, origin: str | None = ORIGIN, **headers: str) -> Any:
        sent = {"User-Agent": agent, "Content-Type": "text/plain", **headers}
        if origin:
            sent["Origin"] = origin
        return self.client.post(
            "/v1/events", content=msgspec.json.encode({"key": self.key, "events": events}), headers=sent
        )

    def accepted(self, events: list[Any], **more: Any) -> int:
        answer = self.post(events, **more)
        assert answer.status_code == 202, answer.text
        assert answer.json()["rejected"] == []
        return int(answer.json()["accepted"])

    def follow(self, token: str, event_id: str | None = None, *, method: str = "GET", **headers: str) -> Any:
        sent = {"User-Agent": BROWSER, **headers}
        query = f"?e={event_id}" if event_id else ""
        return self.client.request(method, f"/c/{token}{query}", headers=sent, follow_redirects=False)

    def drain(self) -> int:
        return Sink.of(self.ports).drain()

    def report(self, account: Any = None, **query: Any) -> dict[str, Any]:
        answer = self.client.get("/v1/reports/ctr", params=query, headers=(account or self.publisher).auth)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def totals(self, **query: Any) -> dict[str, Any]:
        return dict(self.report(**query)["totals"])

    def counts(self, traffic: str = "net") -> tuple[int, int, int]:
        totals = self.totals(traffic=traffic)
        return totals["impressions"], totals["viewable"], totals["clicks"]
