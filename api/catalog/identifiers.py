"""GTINs (GS1): EAN-8, UPC-A, EAN-13, GTIN-14, proved by their check digit."""

_LENGTHS = {8, 12, 13, 14}


def parse_gtin(text: str) -> str | None:
    """The digits, or None when they are not a GTIN. The check digit's rule: GS1 General Specifications, 7.9."""
    digits = text.replace(" ", "").replace("-", "").removeprefix("'")
    if len(digits) not in _LENGTHS or not (digits.isascii() and digits.isdigit()):
        return None
    total = sum(int(digit) * (3 if place % 2 == 0 else 1) for place, digit in enumerate(reversed(digits[:-1])))
    return digits if (10 - total % 10) % 10 == int(digits[-1]) else None
