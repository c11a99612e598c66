"""A video's tags as WebVTT (https://www.w3.org/TR/webvtt1/): a cue a tag, for players that know nothing of us."""

from collections.abc import Iterable

from api.media.schemas import TimedTag

MIN_CUE_MS = 1  # a cue must end after it starts


def web_vtt(tags: Iterable[TimedTag]) -> str:
    """The whole file. Titles are text here: markup, line breaks and arrows in them are taken away or escaped."""
    return "\n".join(["WEBVTT", "", *(_cue(tag) for tag in tags)])


def _cue(tag: TimedTag) -> str:
    end = max(tag.to_ms, tag.from_ms + MIN_CUE_MS)
    lines = [_text(f"{tag.label}: {_offer(tag)}" if tag.products else tag.label)]
    return "\n".join([tag.id, f"{_time(tag.from_ms)} --> {_time(end)}", *lines, ""])


def _offer(tag: TimedTag) -> str:
    product = tag.products[0]
    micros = product.sale_price_micros if product.sale_price_micros is not None else product.price_micros
    name = f"{product.brand} {product.title}" if product.brand else product.title
    return f"{name}, {micros / 1_000_000:.2f} {product.currency}"


def _text(text: str) -> str:
    """One line of cue text: `&`, `<` and `>` are markup in WebVTT, and `-->` would end the cue."""
    line = " ".join(text.split())
    return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _time(ms: int) -> str:
    seconds, ms = divmod(ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}.{ms:03}"
