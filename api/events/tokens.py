"""Sealed tag tokens: what one drawn tag is bound to, unreadable and unforgeable outside.

Owns the token's format and its age limits; minting (media) and what an event with one means (stamp) live elsewhere.
"""

import binascii
import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from datetime import datetime
from typing import Literal

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

VALID_MS = 24 * 3600 * 1000
BILLABLE_MS = 30 * 60 * 1000
MAX_TOKEN_CHARS = 2048
MAX_TARGET_URL_CHARS = 160  # longer ones would push the token past 700 characters; the redirect then asks the catalog

_VERSION = 1
_NONCE_BYTES = 12
_MAX_KID_BYTES = 32

PriceKind = Literal["cpc", "cpm"]


class TokenForged(Exception):
    """Not sealed by us: damaged, made up, or sealed with a key that has been taken away."""


class TokenExpired(Exception):
    """Ours, but older than 24 hours. Carries the claims, so that a redirect still finds its product."""

    def __init__(self, claims: "TagClaims") -> None:
        super().__init__("token expired")
        self.claims = claims


class TagClaims(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """What a token binds. Sealed as an array, so new fields go to the end and have a default.

    `price_micros` is per click (cpc) or per thousand viewable impressions (cpm); 0 and no kind for an organic tag.
    """

    nonce: str
    publisher_id: str
    site_id: str
    media_id: str
    tag_id: str
    product_id: str
    brand_id: str
    campaign_id: str | None = None
    creative_id: str | None = None
    arm: str | None = None
    price_micros: int = 0
    price_kind: PriceKind | None = None
    currency: str = ""
    issued_at_ms: int
    target_url: str | None = None
    media_kind: str = "image"


class TokenSealer:
    """Seals with the first key, opens with any: put a new key in front, drop the old one a day later.

    AES-256-GCM under random 96-bit nonces holds for 2**32 tokens a key (NIST SP 800-38D, 8.3): rotate before that.
    """

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        if not keys:
            raise ValueError("at least one token key is needed")
        self._ciphers = {_kid_bytes(kid): AESGCM(key) for kid, key in keys.items()}
        sealing_kid = next(iter(self._ciphers))
        self._header = bytes([_VERSION, len(sealing_kid)]) + sealing_kid
        self._seal_cipher = self._ciphers[sealing_kid]
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder = msgspec.msgpack.Decoder(TagClaims)

    def seal(self, claims: TagClaims) -> str:
        """URL-safe text; a target longer than 160 characters stays out of it."""
        if claims.target_url is not None and len(claims.target_url) > MAX_TARGET_URL_CHARS:
            claims = msgspec.structs.replace(claims, target_url=None)
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._seal_cipher.encrypt(nonce, self._encoder.encode(claims), self._header)
        return urlsafe_b64encode(self._header + nonce + sealed).rstrip(b"=").decode("ascii")

    def open(self, token: str, now: datetime) -> TagClaims:
        """The claims of a token that is ours and at most 24 hours old; TokenForged or TokenExpired otherwise."""
        claims = self._decrypt(token)
        if now.timestamp() * 1000 - claims.issued_at_ms > VALID_MS:
            raise TokenExpired(claims)
        return claims

    def _decrypt(self, token: str) -> TagClaims:
        if len(token) > MAX_TOKEN_CHARS:
            raise TokenForged("too long")
        try:
            raw = urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
            head = 2 + raw[1]
            cipher = self._ciphers[raw[2:head]]
            # one spelling a token: the decoder would let stray characters and padding bits pass
            if raw[0] != _VERSION or urlsafe_b64encode(raw).rstrip(b"=") != token.encode("ascii"):
                raise TokenForged("another version or spelling")
            plain = cipher.decrypt(raw[head : head + _NONCE_BYTES], raw[head + _NONCE_BYTES :], raw[:head])
            return self._decoder.decode(plain)
        except (binascii.Error, IndexError, KeyError, ValueError, InvalidTag, msgspec.MsgspecError) as e:
            raise TokenForged("not one of ours") from e


def _kid_bytes(kid: str) -> bytes:
    raw = kid.encode("ascii")
    if not 0 < len(raw) <= _MAX_KID_BYTES:
        raise ValueError("a token key's id has 1 to 32 characters")
    return raw
