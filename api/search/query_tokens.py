"""The token of an object in a search's answer: whoever sends it back with a verdict needs no memory of ours. It carries
the object's vector, sealed, so that nothing is stored of a search that nobody says anything of."""

import binascii
import hmac
import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from datetime import datetime

import msgspec
import numpy as np
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from numpy.typing import NDArray

MAX_TOKEN_CHARS = 4096
VALID_MS = 7 * 24 * 3600 * 1000
_NONCE_BYTES = 12
_PURPOSE = b"verdicts on searches"  # a key of its own: no token of a tag is ever one of these, nor the other way
_MOST = 127


class QueryTokenForged(Exception):
    """Not sealed by us, or with a key that has been taken away."""


class QueryTokenExpired(Exception):
    """Ours, but older than a week."""


class ObjectClaims(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """What a token binds: whose search, which object of it, and its vector as signed bytes."""

    tenant_id: str
    query_id: str
    object_index: int
    embedder_version: str
    issued_at_ms: int
    codes: bytes


class QuerySealer:
    """Seals with the first of the house's token keys, opens with any (see events/tokens.py on their rotation)."""

    def __init__(self, keys: Mapping[str, bytes], embedder_version: str) -> None:
        self._ciphers = {kid: AESGCM(hmac.digest(key, _PURPOSE, "sha256")) for kid, key in keys.items()}
        self._kid = next(iter(keys))
        self._version = embedder_version
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder(ObjectClaims).decode

    def seal(self, tenant_id: str, query_id: str, vectors: NDArray[np.float32], now: datetime) -> list[str]:
        """A token for each object of a search, in their order; `vectors` are (n, dim)."""
        issued, kid, cipher = int(now.timestamp() * 1000), self._kid.encode(), self._ciphers[self._kid]
        tokens = []
        for number, codes in enumerate(codes_of(vectors)):
            claims = ObjectClaims(
                tenant_id=tenant_id, query_id=query_id, object_index=number, embedder_version=self._version,
                issued_at_ms=issued, codes=codes.tobytes(),
            )  # fmt: skip
            nonce = os.urandom(_NONCE_BYTES)
            sealed = bytes([len(kid)]) + kid + nonce + cipher.encrypt(nonce, self._encode(claims), kid)
            tokens.append(urlsafe_b64encode(sealed).rstrip(b"=").decode("ascii"))
        return tokens

    def open(self, token: str, now: datetime) -> ObjectClaims:
        """Raises QueryTokenForged or QueryTokenExpired."""
        if len(token) > MAX_TOKEN_CHARS:
            raise QueryTokenForged("too long")
        try:
            raw = urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
            head = 1 + raw[0]
            kid, nonce, sealed = raw[1:head], raw[head : head + _NONCE_BYTES], raw[head + _NONCE_BYTES :]
            claims = self._decode(self._ciphers[kid.decode("ascii")].decrypt(nonce, sealed, kid))
        except (binascii.Error, IndexError, KeyError, ValueError, InvalidTag, msgspec.MsgspecError) as error:
            raise QueryTokenForged("not one of ours") from error
        if now.timestamp() * 1000 - claims.issued_at_ms > VALID_MS:
            raise QueryTokenExpired
        return claims


def codes_of(vectors: NDArray[np.float32]) -> NDArray[np.int8]:
    """Each vector on a scale of its own; their cosines change in the third digit."""
    largest = np.abs(vectors).max(axis=1, keepdims=True)
    return np.asarray(np.rint(vectors * (_MOST / np.maximum(largest, 1e-12))), np.int8)
