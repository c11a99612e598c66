"""The demo's publishers, brands and articles, as they lie in infra/demo."""

import csv
import json
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from api.settings import REPO_ROOT

CONTENT = REPO_ROOT / "infra" / "demo"
MEDIA_SUFFIXES = {".jpg", ".mp4", ".webp", ".png"}


class Picture(BaseModel):
    """A picture or film of an article; `file` is relative to the content folder."""

    file: str
    alt: str = ""
    caption: str = ""
    poster: str = ""


class Article(BaseModel):
    """One article of a publisher."""

    publisher: str
    slug: str
    title: str
    standfirst: str
    author: str = ""
    paragraphs: list[str]
    pictures: list[Picture]
    video: Picture | None = None


class Publisher(BaseModel):
    """One of the two publishers."""

    slug: str
    name: str
    tagline: str


def _read(name: str) -> Any:
    return json.loads((CONTENT / name).read_text())


@cache
def publishers() -> dict[str, Publisher]:
    """By slug."""
    return {item["slug"]: Publisher.model_validate(item) for item in _read("publishers.json")}


@cache
def articles(publisher: str) -> dict[str, Article]:
    """One publisher's articles by slug, in their order."""
    found = [Article.model_validate(item) for item in _read("articles.json") if item["publisher"] == publisher]
    return {article.slug: article for article in found}


@cache
def brands() -> dict[str, dict[str, Any]]:
    """By slug."""
    return {item["slug"]: item for item in _read("brands.json")}


@cache
def media_files() -> dict[str, Path]:
    """What articles show, by the name used in URLs; nothing else of the folder is served."""
    names = {
        name
        for item in _read("articles.json")
        for medium in [*item["pictures"], *([item["video"]] if item["video"] else [])]
        for name in (medium["file"], medium.get("poster") or medium["file"])
    }
    return {name: CONTENT / name for name in names if Path(name).suffix in MEDIA_SUFFIXES}


@cache
def shop_products() -> dict[str, dict[str, str]]:
    """The shops' products by the brand's own id: the rows of the feeds, with the brand's slug."""
    found = {}
    for slug in brands():
        with (CONTENT / "catalogs" / slug / "feed.csv").open(newline="") as feed:
            found.update({row["id"]: {**row, "brand_slug": slug} for row in csv.DictReader(feed)})
    return found
