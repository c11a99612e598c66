"""GTINs (GS1): EAN-8, UPC-A, EAN-13, GTIN-14, proved by their check digit."""

_LENGTHS = {8, 12, 13, 14}


def parse_gtin(text: str) -> str | None:
    """The digits, or None when they are not a GTIN. The check digit's rule: GS1 General Specifications, 7.9."""
    digits = text.replace(" ", "").replace("-", "").removeprefix("'")
    if len(digits) not in _LENGTHS or not (digits.isascii() and digits.isdigit()):
        return None
    total = sum(int(digit) * (3 if place % 2 == 0 else 1) for place, digit in enumerate(reversed(digits[:-1])))
    return digits if (10 - total % 10) % 10 == int(digits[-1]) else None


# GS1 prefixes of numbers that name no product of the whole world: every shop's own (02, 04, 20-29), coupons and refunds
# (05, 98[1-4], 99, 980), examples (952). GS1 General Specifications, 1.4.
_NOT_GLOBAL = ("02", "04", "05", "2", "952", "980", "981", "982", "983", "984", "99")
_NOT_GLOBAL_8 = ("0", "2")  # of the eight digits: RCN-8
_COUNTING = "0123456789" * 3


def global_gtin(text: str | None) -> str:
    """As 14 digits, so that all spellings of one number are equal; empty for none, for a wrong one, for one that means
    something in one shop alone, and for what is typed where a number was asked for and none was there."""
    digits = parse_gtin(text) if text else None
    if digits is None:
        return ""
    found = digits.rjust(14, "0")
    indicator, number, body = found[0], found[1:], found[1:-1]
    if indicator == "9" or len(set(body)) == 1 or body in _COUNTING or body.lstrip("0") in _COUNTING:
        return ""  # 9: goods by weight, whose number is half of a name
    eight = number.startswith("00000")
    return "" if (number[5:].startswith(_NOT_GLOBAL_8) and eight) or number.startswith(_NOT_GLOBAL) else found
