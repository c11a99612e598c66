"""Fills the demo: accounts by the service, everything else through the public HTTP API, as its users would do it.

Every step looks first at what is there, so that an interrupted seeding goes on and a second run changes nothing."""

import io
import json
import logging
import secrets
import time
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2

from api.accounts.scopes import SCOPES_OF, TenantKind
from api.accounts.service import AccountsDesk, AccountService
from api.ports import Ports
from api.settings import REPO_ROOT
from dashboard.demo.routes import demo_email

log = logging.getLogger(__name__)
CONTENT = REPO_ROOT / "infra" / "demo"
IMPORT_WAIT_S, MEDIA_WAIT_S = 300, 180
DAILY_BUDGET_MICROS = 50_000_000
BIDS_MICROS = (240_000, 310_000)


class SeedingFailed(Exception):
    """A step of the seeding did not come to its end."""


@dataclass(frozen=True)
class Member:
    """An account of the demo while it is being seeded."""

    kind: TenantKind
    slug: str
    tenant_id: str
    user_id: str
    email: str
    password: str
    secret: str

    @property
    def headers(self) -> dict[str, str]:
        """What its calls carry."""
        return {"Authorization": f"Bearer {self.secret}"}


class Seeder:
    """Makes the demo's world on open ports whose API already answers."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._base = ports.settings.base_url
        self._kept_at = ports.settings.datadir / "demo.json"
        self._members_at = ports.settings.datadir / "demo-members.json"
        self._known: dict[str, Any] = json.loads(self._members_at.read_text()) if self._members_at.exists() else {}
        self._http = httpx2.Client(base_url=self._base, timeout=60)

    def run(self) -> dict[str, Any]:
        """Seed what is missing; the line that the demo prints."""
        kept = json.loads(self._kept_at.read_text()) if self._kept_at.exists() else None
        if kept and kept["base_url"] == self._base:
            return dict(kept)
        publishers, brands = _content("publishers.json"), _content("brands.json")
        members = [self._member(TenantKind.publisher, item["slug"], item["name"]) for item in publishers]
        members += [self._member(TenantKind.brand, item["slug"], item["name"]) for item in brands]
        members.append(self._member(TenantKind.developer, "developer", "Demo developer"))
        members.append(self._member(TenantKind.operator, "operator", "Demo operator"))
        of = {member.slug: member for member in members}
        for number, brand in enumerate(brands):
            self._brand(of[brand["slug"]], brand["name"], BIDS_MICROS[number % len(BIDS_MICROS)])
        keys = {item["slug"]: self._site(of[item["slug"]], item["name"]) for item in publishers}
        for item in publishers:
            self._wait_for_tags(keys[item["slug"]], item["slug"])
        return self._line(of, publishers[0]["slug"], brands[0]["slug"], keys)

    def _line(self, of: dict[str, Member], publisher: str, brand: str, keys: dict[str, str]) -> dict[str, Any]:
        chosen = {
            "publisher": of[publisher],
            "brand": of[brand],
            "developer": of["developer"],
            "operator": of["operator"],
        }
        article = next(item for item in _content("articles.json") if item["publisher"] == publisher)
        return {
            "base_url": self._base,
            "publisher_page": f"{self._base}/demo/{publisher}/{article['slug']}",
            "publishable_key": keys[publisher],
            "developer_key": of["developer"].secret,
            "brand_key": of[brand].secret,
            "publisher_secret_key": of[publisher].secret,
            "logins": {role: {"email": one.email, "password": one.password} for role, one in chosen.items()},
        }

    def _member(self, kind: TenantKind, slug: str, name: str) -> Member:
        """Somebody of the demo: as kept from an earlier run, whatever its port was, or made now."""
        known = self._known.get(slug)
        return Member(**{**known, "kind": kind}) if known else self._new_member(kind, slug, name)

    def _new_member(self, kind: TenantKind, slug: str, name: str) -> Member:
        email, password = demo_email(slug), secrets.token_urlsafe(12)
        now = self._ports.clock.now()
        with self._ports.database.write() as session:
            desk = AccountsDesk(session, now)
            found = desk.by_email(email)
            if found:
                user, tenant = found
                if tenant.kind is not kind or not tenant.unlimited:
                    # somebody signed up with this address: what is theirs must not become the demo's
                    raise SeedingFailed(f"{email} is an account that the demo did not make")
                desk.set_password(user.id, password)
            else:
                tenant, user = desk.sign_up(kind, name, email, password)
            tenant.unlimited = True
            tenant.listing_approved = kind is TenantKind.brand
            session.flush()
            service = AccountService(session, tenant.id, user.id, now)
            service.revoke_named("demo")
            _, secret = service.create_key("demo", None, held=frozenset(map(str, SCOPES_OF[kind])))
        member = Member(kind, slug, tenant.id, user.id, email, password, secret)
        self._known[slug] = asdict(member)
        write_private(self._members_at, self._known)
        return member

    def _brand(self, brand: Member, name: str, bid_micros: int) -> None:
        catalogs = self._call("GET", "/v1/catalogs", brand)["items"]
        catalog = next((item for item in catalogs if item["name"] == name), None)
        if catalog is None:
            catalog = self._call("POST", "/v1/catalogs", brand, json={"name": name, "listed": True})
        feed = ("feed.zip", _zipped_feed(CONTENT / "catalogs" / brand.slug, self._base), "application/zip")
        started = self._call("POST", f"/v1/catalogs/{catalog['id']}/imports", brand, files={"file": feed})
        self._wait_for_import(started["id"], brand)
        if not self._call("GET", "/v1/campaigns", brand)["items"]:
            campaign = {
                "name": f"{name}: autumn",
                "bid_kind": "cpc",
                "bid_micros": bid_micros,
                "currency": "EUR",
                "daily_budget_micros": DAILY_BUDGET_MICROS,
            }
            self._call("POST", "/v1/campaigns", brand, json=campaign)

    def _wait_for_import(self, import_id: str, brand: Member) -> None:
        deadline = time.monotonic() + IMPORT_WAIT_S
        while time.monotonic() < deadline:
            state = self._call("GET", f"/v1/imports/{import_id}", brand)
            if state["state"] == "done":
                log.info("%s: %s", brand.slug, state["counts"])
                return
            if state["state"] == "failed":
                raise SeedingFailed(f"the import of {brand.slug} failed: {state['errors'][:3]}")
            time.sleep(0.1)
        raise SeedingFailed(f"the import of {brand.slug} took more than {IMPORT_WAIT_S} s")

    def _site(self, publisher: Member, name: str) -> str:
        at = urlsplit(self._base)
        port = at.port or {"http": 80, "https": 443}[at.scheme]
        own = f"127.0.0.1:{port}", f"localhost:{port}"
        origins = list(dict.fromkeys([*(f"http://{host}" for host in own), self._base]))
        hosts = list(dict.fromkeys([*own, at.netloc]))
        body = {"name": name, "origins": origins, "media_hosts": hosts}
        sites = self._call("GET", "/v1/sites", publisher)["items"]
        if sites:
            return str(self._call("PATCH", f"/v1/sites/{sites[0]['id']}", publisher, json=body)["key"])
        return str(self._call("POST", "/v1/sites", publisher, json=body)["key"])

    def _wait_for_tags(self, key: str, publisher: str) -> None:
        """Show every article's media once, as a first visitor would, until all are analysed."""
        media = article_media(self._base, publisher)
        deadline = time.monotonic() + MEDIA_WAIT_S
        while time.monotonic() < deadline:
            body = {"key": key, "page": {"url": f"{self._base}/demo/{publisher}"}, "media": media}
            answer = self._http.post("/v1/tags", json=body, headers={"Origin": self._base})
            answer.raise_for_status()
            states = [item["status"] for item in answer.json()["media"]]
            if "pending" not in states:
                log.info("%s: %d media, %d tagged", publisher, len(states), states.count("ready"))
                return
            time.sleep(0.2)
        log.warning("%s: some media are still being analysed; pages will get their tags later", publisher)

    def _call(self, method: str, path: str, member: Member, **more: Any) -> dict[str, Any]:
        answer = self._http.request(method, path, headers=member.headers, **more)
        if answer.status_code >= 400:
            raise SeedingFailed(f"{method} {path} as {member.slug}: {answer.status_code} {answer.text[:500]}")
        result: dict[str, Any] = answer.json()
        return result


def write_private(path: Path, content: object) -> None:
    """Keep what holds secrets: readable by its owner alone, whole or not at all."""
    partial = path.with_suffix(".part")
    partial.unlink(missing_ok=True)
    partial.touch(mode=0o600)
    partial.write_text(json.dumps(content))
    partial.replace(path)


def article_media(base: str, publisher: str) -> list[dict[str, Any]]:
    """The pictures and films of a publisher's articles, as its pages show them."""
    media = []
    for article in _content("articles.json"):
        if article["publisher"] == publisher:
            media += [_medium(base, item["file"], "image") for item in article["pictures"]]
            media += [_medium(base, article["video"]["file"], "video")] if article["video"] else []
    return media


def _medium(base: str, file: str, kind: str) -> dict[str, Any]:
    return {"url": f"{base}/demo/media/{file}", "kind": kind, "width": 960, "height": 640}


def _content(name: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = json.loads((CONTENT / name).read_text())
    return items


def _zipped_feed(folder: Path, base: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("feed.csv", (folder / "feed.csv").read_text().replace("{BASE_URL}", base))
        for picture in sorted((folder / "pictures").iterdir()):
            archive.write(picture, f"pictures/{picture.name}")
    return buffer.getvalue()
