"""Playlists of HTTP Live Streaming (RFC 8216): what they say, within bounds, and which variant to watch. Fetches
nothing; every URI that comes out of here is for the house's fetcher alone."""

import math
import re
from dataclasses import dataclass, field
from urllib.parse import urljoin

from api.media.frames import VideoError

MAX_PLAYLIST_BYTES = 4 * 1024**2
MAX_SEGMENTS = 50_000
MAX_VARIANTS = 200
MAX_SEGMENT_S = 600.0
MAX_PART_BYTES = 10**12
BEST_HEIGHT = 720  # more is not seen: what is looked at is smaller
SOUND_CODECS = ("mp4a", "ac-3", "ec-3", "opus", "flac", "alac", "vorbis")
# possessive, and from a name's first letter only: a line of letters without "=" would take hours otherwise
_ATTRIBUTE = re.compile(r'(?<![A-Z0-9-])([A-Z0-9-]++)=("[^"\r\n]*"|[^",\s]+)')


@dataclass(frozen=True)
class Part:
    """A file, or `count` bytes of it from `first` on."""

    url: str
    first: int = 0
    count: int | None = None


@dataclass(frozen=True)
class Key:
    """What a segment is encrypted with: AES-128 in CBC mode. Without `iv` it is the segment's number."""

    url: str
    iv: bytes | None


@dataclass(frozen=True)
class Segment:
    """A piece of the stream. `fresh`: the clock or the coding starts anew with it."""

    sequence: int
    seconds: float
    part: Part
    key: Key | None
    init: Part | None
    init_key: Key | None
    fresh: bool
    missing: bool = False


@dataclass(frozen=True)
class Variant:
    """One of the qualities that a master playlist offers."""

    url: str
    bandwidth: int
    height: int | None
    sound_only: bool


@dataclass
class Playlist:
    """Either `variants` or `segments`; `ended` when nothing will follow."""

    variants: list[Variant] = field(default_factory=list)
    segments: list[Segment] = field(default_factory=list)
    target_s: float = 10.0
    ended: bool = False


def is_playlist(head: bytes) -> bool:
    """Whether a file that begins so is a playlist."""
    return head.removeprefix(b"\xef\xbb\xbf").startswith(b"#EXTM3U")


def read_playlist(body: bytes, base: str) -> Playlist:
    """Raises VideoError where it breaks the rules or our bounds."""
    if not is_playlist(body):
        raise VideoError("not_a_playlist", "the stream's playlist is not one")
    if len(body) > MAX_PLAYLIST_BYTES:
        raise VideoError("too_large", f"the playlist has more than {MAX_PLAYLIST_BYTES} bytes")
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise VideoError("not_a_playlist", "the playlist is not UTF-8") from error
    return _Reader(base).read(text)


def best_variant(variants: list[Variant]) -> Variant:
    """The largest picture up to BEST_HEIGHT, else the smallest; of the same size the lightest."""
    seen = [variant for variant in variants if not variant.sound_only]
    if not seen:
        raise VideoError("no_video_stream", "the stream has no pictures")
    sized = [variant for variant in seen if variant.height]
    if not sized:
        return sorted(seen, key=lambda variant: variant.bandwidth)[len(seen) // 2]
    small = [variant for variant in sized if (variant.height or 0) <= BEST_HEIGHT]
    wanted = max(small or sized, key=lambda variant: (variant.height or 0) * (1 if small else -1)).height
    return min((variant for variant in sized if variant.height == wanted), key=lambda variant: variant.bandwidth)


class _Reader:
    """Line after line; what a tag says holds for the segments after it."""

    def __init__(self, base: str) -> None:
        self._base = base
        self._playlist = Playlist()
        self._sequence = 0
        self._seconds: float | None = None
        self._key: Key | None = None
        self._init: Part | None = None
        self._init_key: Key | None = None
        self._fresh = True
        self._missing = False
        self._range: tuple[int, int | None] | None = None
        self._ends: dict[str, int] = {}  # where the last part of a file ended
        self._stream: dict[str, str] | None = None

    def read(self, text: str) -> Playlist:
        for line in map(str.strip, text.splitlines()):
            if line.startswith("#EXT"):
                name, _, value = line.partition(":")
                self._tag(name, value)
            elif line and not line.startswith("#"):
                self._uri(line)
        if self._playlist.variants and self._playlist.segments:
            raise VideoError("bad_playlist", "the playlist mixes variants and segments")
        if not self._playlist.variants and not self._playlist.segments and self._playlist.ended:
            raise VideoError("bad_playlist", "the playlist is empty")
        return self._playlist

    def _tag(self, name: str, value: str) -> None:
        match name:
            case "#EXTINF":
                self._seconds = _seconds(value.split(",", maxsplit=1)[0])
            case "#EXT-X-TARGETDURATION":
                self._playlist.target_s = _seconds(value)
            case "#EXT-X-MEDIA-SEQUENCE":
                self._sequence = _number(value)
            case "#EXT-X-BYTERANGE":
                self._range = _range(value)
            case "#EXT-X-DISCONTINUITY":
                self._fresh = True
            case "#EXT-X-GAP":
                self._missing = True
            case "#EXT-X-ENDLIST":
                self._playlist.ended = True
            case "#EXT-X-KEY":
                self._key = self._key_of(_attributes(value))
            case "#EXT-X-MAP":
                self._map(_attributes(value))
            case "#EXT-X-STREAM-INF":
                self._stream = _attributes(value)

    def _uri(self, line: str) -> None:
        if self._stream is not None:
            self._variant(_joined(self._base, line), self._stream)
            self._stream = None
            return
        if self._seconds is None:
            raise VideoError("bad_playlist", "a segment of the playlist has no duration")
        if len(self._playlist.segments) >= MAX_SEGMENTS:
            raise VideoError("too_large", f"the playlist has more than {MAX_SEGMENTS} segments")
        url = _joined(self._base, line)
        part = self._part(url, self._range)
        segment = Segment(
            self._sequence, self._seconds, part, self._key, self._init, self._init_key, self._fresh, self._missing
        )
        self._playlist.segments.append(segment)
        self._sequence += 1
        self._seconds = self._range = None
        self._fresh = self._missing = False

    def _variant(self, url: str, said: dict[str, str]) -> None:
        if len(self._playlist.variants) >= MAX_VARIANTS:
            raise VideoError("too_large", f"the playlist has more than {MAX_VARIANTS} variants")
        height = re.fullmatch(r"\d{1,5}x(\d{1,5})", said.get("RESOLUTION", ""))
        codecs = [codec.strip().lower() for codec in said.get("CODECS", "").split(",") if codec.strip()]
        sound_only = bool(codecs) and all(codec.startswith(SOUND_CODECS) for codec in codecs)
        bandwidth = said.get("BANDWIDTH", "0")
        rate = int(bandwidth) if bandwidth.isascii() and bandwidth.isdigit() and len(bandwidth) < 13 else 0
        self._playlist.variants.append(Variant(url, rate, int(height[1]) if height else None, sound_only))

    def _part(self, url: str, given: tuple[int, int | None] | None) -> Part:
        if given is None:
            return Part(url)
        count, first = given
        start = first if first is not None else self._ends.get(url, 0)
        self._ends[url] = start + count
        return Part(url, start, count)

    def _map(self, said: dict[str, str]) -> None:
        if "URI" not in said:
            raise VideoError("bad_playlist", "EXT-X-MAP has no URI")
        given = _range(said["BYTERANGE"]) if "BYTERANGE" in said else None
        init = self._part(_joined(self._base, said["URI"]), given)
        self._fresh |= init != self._init
        self._init, self._init_key = init, self._key

    def _key_of(self, said: dict[str, str]) -> Key | None:
        method = said.get("METHOD", "")
        if method == "NONE":
            return None
        system = said.get("KEYFORMAT", "identity")  # other than this one it is digital rights management
        if method != "AES-128" or system != "identity":
            named = ", ".join(re.sub(r"[^A-Za-z0-9.:-]", "", part)[:60] for part in (method or "unknown", system))
            raise VideoError("encrypted", f"the stream is encrypted in a way that is not read ({named})")
        if "URI" not in said:
            raise VideoError("bad_playlist", "EXT-X-KEY has no URI")
        vector = said.get("IV")
        if vector is None:
            return Key(_joined(self._base, said["URI"]), None)
        digits = re.fullmatch(r"0[xX]([0-9a-fA-F]{1,32})", vector)
        if digits is None:
            raise VideoError("bad_playlist", "the IV of EXT-X-KEY is not 128 bits in hexadecimal")
        return Key(_joined(self._base, said["URI"]), bytes.fromhex(digits[1].zfill(32)))


def _joined(base: str, uri: str) -> str:
    try:
        return urljoin(base, uri)
    except ValueError as error:
        raise VideoError("bad_playlist", "an address in the playlist is not one") from error


def _attributes(text: str) -> dict[str, str]:
    return {name: value.strip('"') for name, value in _ATTRIBUTE.findall(text)}


def _seconds(text: str) -> float:
    try:
        seconds = float(text.strip())
    except ValueError as error:
        raise VideoError("bad_playlist", "a duration in the playlist is not a number") from error
    if not math.isfinite(seconds) or not 0 <= seconds <= MAX_SEGMENT_S:
        raise VideoError("bad_playlist", f"a duration in the playlist is not within 0 to {MAX_SEGMENT_S:.0f} s")
    return seconds


def _number(text: str) -> int:
    digits = text.strip()
    if not (digits.isascii() and digits.isdigit() and len(digits) < 16):
        raise VideoError("bad_playlist", "a number in the playlist is not one")
    return int(digits)


def _range(text: str) -> tuple[int, int | None]:
    """(count, first) of `count[@first]`."""
    count, _, first = text.partition("@")
    found = _number(count), _number(first) if first else None
    if not 0 < found[0] <= MAX_PART_BYTES:
        raise VideoError("bad_playlist", "a byte range of the playlist is not one")
    return found
