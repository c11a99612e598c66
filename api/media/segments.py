"""The bytes of a stream's segments: whole files or parts of them, deciphered, each fetched once and counted. Which are
needed, and when, is the windows' business (reels.py)."""

from pathlib import Path

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.padding import PKCS7

from api.kit.fetcher import Fetcher, FetchFailed, NoParts
from api.media.frames import VideoError
from api.media.hls import Key, Part, Segment
from api.media.watching import Position

MAX_SEGMENT_BYTES = 64 * 1024**2
KEY_BYTES = 16
KEPT = 2  # segments back: they lead in to the next window


class Segments:
    """Of one stream. What it fetches it counts in `position`; what it keeps lies in `folder`."""

    def __init__(self, fetcher: Fetcher, folder: Path, position: Position, max_bytes: int) -> None:
        self._fetcher = fetcher
        self._folder = folder
        self._position = position
        self._max_bytes = max_bytes
        self._keys: dict[str, bytes] = {}
        self._init: tuple[Part, Key | None, bytes] | None = None
        self._whole: str | None = None  # the address of the one file that lies here in whole
        self.trouble = "they are marked as missing"

    def init(self, segment: Segment) -> bytes:
        """The section that a decoder needs before this segment; empty where the segment stands by itself."""
        if segment.init is None:
            return b""
        if self._init is None or self._init[:2] != (segment.init, segment.init_key):
            body = self._bytes(segment.init, segment.init_key, None)
            self._init = (segment.init, segment.init_key, body)
        return self._init[2]

    def body(self, segment: Segment) -> bytes | None:
        """None where it cannot be had, now or later; `trouble` says why."""
        if segment.missing:
            return None
        kept = self._folder / f"segment-{segment.sequence}"
        if kept.exists():
            return kept.read_bytes()
        try:
            body = self._bytes(segment.part, segment.key, segment.sequence)
        except FetchFailed as error:
            if error.retryable or error.too_large:
                raise
            self.trouble = error.reason
            return None
        for older in self._folder.glob("segment-*"):
            if int(older.name.partition("-")[2]) < segment.sequence - KEPT:
                older.unlink()
        kept.write_bytes(body)
        return body

    def _bytes(self, part: Part, key: Key | None, sequence: int | None) -> bytes:
        if part.count is not None and part.count > MAX_SEGMENT_BYTES:
            raise VideoError("too_large", "a segment of the stream has too many bytes")
        if part.count is None:
            body = self._counted(self._fetcher.fetch(part.url, max_bytes=MAX_SEGMENT_BYTES).body)
        else:
            body = self._part(part.url, part.first, part.count)
        return body if key is None else self._decrypted(body, key, sequence)

    def _part(self, url: str, first: int, count: int) -> bytes:
        if self._whole != url:
            try:
                return self._counted(self._fetcher.fetch_part(url, first, count).body)
            except NoParts:
                self._fetch_whole(url)
        with (self._folder / "whole").open("rb") as file:
            file.seek(first)
            body = file.read(count)
        if len(body) != count:
            raise FetchFailed("the file has fewer bytes than were asked for", retryable=False)
        return body

    def _fetch_whole(self, url: str) -> None:
        """A server that gives no parts: the file comes once, as if it were no stream, and the parts are cut out."""
        path, left = self._folder / "whole", max(1, self._max_bytes - self._position.fetched)
        self._whole = None
        self._fetcher.fetch_to(path, url, max_bytes=left)
        self._position.fetched += path.stat().st_size
        self._whole = url

    def _counted(self, body: bytes) -> bytes:
        self._position.fetched += len(body)
        return body

    def _decrypted(self, body: bytes, key: Key, sequence: int | None) -> bytes:
        if key.url not in self._keys:
            self._keys = {key.url: self._secret(key)}
        iv = key.iv if key.iv is not None else (sequence or 0).to_bytes(16, "big")
        try:
            decryptor = Cipher(AES(self._keys[key.url]), CBC(iv)).decryptor()
            padded = decryptor.update(body) + decryptor.finalize()
            unpadder = PKCS7(128).unpadder()
            return unpadder.update(padded) + unpadder.finalize()
        except ValueError as error:
            raise VideoError("encrypted", "a segment cannot be decrypted with the stream's key (AES-128)") from error

    def _secret(self, key: Key) -> bytes:
        try:
            secret = self._fetcher.fetch(key.url, max_bytes=4 * KEY_BYTES).body
        except FetchFailed as error:
            if error.retryable:
                raise
            reason = f"the stream is encrypted (AES-128) and its key cannot be had: {error.reason}"
            raise VideoError("encrypted", reason) from error
        if len(secret) != KEY_BYTES:
            raise VideoError("encrypted", "the key of the stream is not one of AES-128")
        return secret
