"""Prices as feeds write them -> integer micros and an ISO 4217 currency, exactly (Decimal, never float)."""

import re
from decimal import Decimal

MICROS = 1_000_000
MAX_MICROS = 10**9 * MICROS
_MAX_CHARS = 60
_SYMBOLS = {"€": "EUR", "£": "GBP", "$": "USD", "¥": "JPY", "₹": "INR", "₩": "KRW", "zł": "PLN"}
_DOLLARS = {"USD", "CAD", "AUD", "NZD", "SGD", "HKD", "MXN", "TWD"}
_YEN = {"JPY", "CNY"}
_THREE_DECIMALS = {"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"}
_SPACES = re.compile(r"[\s\u00a0\u202f\u2009'’]+")
_PARTS = re.compile(r"(?P<before>[A-Za-z€£$¥₹₩ł]{0,3})(?P<number>[0-9][0-9.,]*)(?P<after>[A-Za-z€£$¥₹₩ł]{0,3})")

# ISO 4217 active codes of money in circulation (list one, 2026)
_CODES = """
    AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF
    CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD
    HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL
    LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP
    PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT
    TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VED VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG
"""
CURRENCIES = frozenset(_CODES.split())


class AmountError(ValueError):
    """Why a text is no price; worded for the brand."""


def parse_price(text: str, hint: str | None) -> tuple[int, str]:
    """`19.90 EUR`, `EUR 1.299,00`, `€19,90` -> (micros, currency). `hint` is the currency column's, if there is one."""
    before, number, after = _split(text)
    currency = currency_of(before or after, hint)
    return _micros(number, currency), currency


def parse_amount(text: str, hint: str | None) -> int:
    """The amount alone, in micros, for comparing prices whose currency stands elsewhere."""
    return _micros(_split(text)[1], hint)


def currency_of(mark: str, hint: str | None) -> str:
    """The ISO code that a price's mark and the currency column agree on."""
    column = (hint or "").strip().upper()
    if column and column not in CURRENCIES:
        raise AmountError(f"{column[:10]!r} is no ISO 4217 currency")
    if not mark:
        if not column:
            raise AmountError("has no currency: write it like '19.90 EUR' or add a column currency")
        return column
    code = _SYMBOLS.get(mark.lower(), mark.upper())
    if code not in CURRENCIES:
        raise AmountError(f"{mark!r} is no ISO 4217 currency")
    family = {"USD": _DOLLARS, "JPY": _YEN}.get(code, set()) if mark in _SYMBOLS else set()
    if column and column != code and column not in family:
        raise AmountError(f"says {code}, the currency column {column}")
    return column or code


def _split(text: str) -> tuple[str, str, str]:
    compact = _SPACES.sub("", text[: _MAX_CHARS * 2])
    if len(text) > _MAX_CHARS or not compact:
        raise AmountError("is no price" if compact else "is missing")
    if compact.lstrip("€£$¥").startswith(("-", "−", "(")):
        raise AmountError("must be above 0")
    found = _PARTS.fullmatch(compact)
    if not found or (found["before"] and found["after"]):
        raise AmountError(f"{text.strip()[:40]!r} is no price: write it like '19.90 EUR'")
    return found["before"], found["number"], found["after"]


def _micros(number: str, currency: str | None) -> int:
    whole, fraction = _decimal_parts(number, currency)
    if len(fraction.rstrip("0")) > 6:
        raise AmountError("has more than 6 decimals")
    micros = int(Decimal(f"{whole}.{fraction or '0'}") * MICROS)
    if micros <= 0:
        raise AmountError("must be above 0")
    if micros > MAX_MICROS:
        raise AmountError("is too high to be a price")
    return micros


def _decimal_parts(number: str, currency: str | None) -> tuple[str, str]:
    """Whole and decimal digits. Of two kinds of marks the last is the decimal one; a single mark before exactly three
    digits groups thousands (`1.299 EUR`), unless the currency has three decimals or the number starts with 0."""
    marks = [mark for mark in number if mark in ".,"]
    if not marks:
        return number, ""
    last = marks[-1]
    whole, _, fraction = number.rpartition(last)
    if len(set(marks)) == 2 and marks.count(last) > 1:
        raise AmountError(f"{number[:40]!r} is no price")
    single = len(marks) == 1
    if len(set(marks)) == 1 and (
        not single or (len(fraction) == 3 and not whole.startswith("0") and currency not in _THREE_DECIMALS)
    ):
        whole, fraction = number, ""
    if not _grouping_is_sane(whole):
        raise AmountError(f"{number[:40]!r} is no price: its thousands are grouped oddly")
    return re.sub(r"[.,]", "", whole), fraction


def _grouping_is_sane(whole: str) -> bool:
    head, *groups = re.split(r"[.,]", whole)
    if not groups:
        return head.isdigit()
    return 0 < len(head) <= 3 and len(groups[-1]) == 3 and all(len(group) in {2, 3} for group in groups)
