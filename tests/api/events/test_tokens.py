"""Tokens: sealed, bound, aging, and rotated without losing one."""

import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta

import pytest

from api.events.tokens import TagClaims, TokenExpired, TokenForged, TokenSealer

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
OLD, NEW = os.urandom(32), os.urandom(32)


def claims(**changes: object) -> TagClaims:
    values: dict[str, object] = {
        "nonce": "n" * 22, "publisher_id": f"tnt_{'p' * 26}", "site_id": f"sit_{'s' * 26}",
        "media_id": f"med_{'m' * 26}",
        "tag_id": f"tag_{'t' * 26}", "product_id": f"prd_{'r' * 26}", "brand_id": f"tnt_{'b' * 26}",
        "campaign_id": f"cmp_{'c' * 26}", "creative_id": f"crv_{'v' * 26}", "arm": "b", "price_micros": 1_250_000,
        "price_kind": "cpm", "currency": "EUR", "issued_at_ms": int(NOW.timestamp() * 1000),
    }  # fmt: skip
    return TagClaims(**{**values, **changes})  # type: ignore[arg-type]


def test_a_token_gives_back_what_it_binds_and_hides_it() -> None:
    sealer = TokenSealer({"k1": NEW})
    token = sealer.seal(claims())
    assert sealer.open(token, NOW) == claims()
    assert b"prd_" not in urlsafe_b64decode(token + "==")
    assert set(token) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def test_two_tokens_of_the_same_claims_differ() -> None:
    sealer = TokenSealer({"k1": NEW})
    assert sealer.seal(claims()) != sealer.seal(claims())


def test_a_long_target_stays_out_so_that_tokens_stay_short() -> None:
    sealer = TokenSealer({"k1": NEW})
    short, long = "https://brand.example/" + "a" * 138, "https://brand.example/" + "a" * 2000
    assert sealer.open(sealer.seal(claims(target_url=short)), NOW).target_url == short
    assert sealer.open(sealer.seal(claims(target_url=long)), NOW).target_url is None
    assert len(sealer.seal(claims(target_url=short))) < 760


def test_changing_any_one_character_forges_a_token() -> None:
    sealer = TokenSealer({"k1": NEW})
    token = sealer.seal(claims())
    for i, char in enumerate(token):
        with pytest.raises(TokenForged):
            sealer.open(token[:i] + ("A" if char != "A" else "B") + token[i + 1 :], NOW)


@pytest.mark.parametrize("text", ["", "A", "AA", "é", "AQ", "A" * 3000, "../../etc/passwd", "\0", "AWsx" * 30, "====="])
def test_what_was_never_sealed_is_forged(text: str) -> None:
    with pytest.raises(TokenForged):
        TokenSealer({"k1": NEW}).open(text, NOW)


def test_a_token_has_one_spelling() -> None:
    sealer = TokenSealer({"k1": NEW})
    token = sealer.seal(claims())
    for other in (token + "=", token + " ", token + "\n", token[:5] + "\n" + token[5:]):
        with pytest.raises(TokenForged):
            sealer.open(other, NOW)


def test_the_key_id_is_authenticated() -> None:
    """Naming another key that the sealer also has does not help."""
    sealer = TokenSealer({"k2": NEW, "k1": NEW})
    raw = bytearray(urlsafe_b64decode(sealer.seal(claims()) + "=="))
    assert raw[2:4] == b"k2"
    raw[3:4] = b"1"
    with pytest.raises(TokenForged):
        sealer.open(urlsafe_b64encode(bytes(raw)).rstrip(b"=").decode(), NOW)


def test_a_token_lives_a_day_and_says_so_when_it_is_over() -> None:
    sealer = TokenSealer({"k1": NEW})
    token = sealer.seal(claims())
    assert sealer.open(token, NOW + timedelta(hours=24)) == claims()
    with pytest.raises(TokenExpired) as caught:
        sealer.open(token, NOW + timedelta(hours=24, milliseconds=2))
    assert caught.value.claims.product_id == claims().product_id


def test_rotation_opens_old_tokens_until_their_key_is_dropped() -> None:
    old_token = TokenSealer({"k1": OLD}).seal(claims())
    rotated = TokenSealer({"k2": NEW, "k1": OLD})
    assert rotated.open(old_token, NOW) == claims()
    assert urlsafe_b64decode(rotated.seal(claims()) + "==")[2:4] == b"k2"
    with pytest.raises(TokenForged):
        TokenSealer({"k2": NEW}).open(old_token, NOW)


def test_no_keys_or_short_keys_are_refused() -> None:
    for keys in ({}, {"k1": b"short"}, {"": NEW}):
        with pytest.raises(ValueError):  # noqa: PT011 - three different messages
            TokenSealer(keys)
