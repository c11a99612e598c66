"""Colour profiles made on the spot, by the letter of ICC.1: one of primaries and a gamma, one of inks by a table."""

import struct

XYZ = tuple[float, float, float]
# The primaries of Adobe RGB (1998) and of Display P3, adapted to D50 as a profile holds them.
ADOBE_RGB: tuple[XYZ, XYZ, XYZ] = (
    (0.60974, 0.31111, 0.01947),
    (0.20528, 0.62567, 0.06087),
    (0.14919, 0.06322, 0.74457),
)
DISPLAY_P3: tuple[XYZ, XYZ, XYZ] = (
    (0.51512, 0.2412, -0.00105),
    (0.29198, 0.69225, 0.04189),
    (0.1571, 0.06657, 0.78407),
)
D50: XYZ = (0.9642, 1.0, 0.8249)


def _fixed(value: float) -> bytes:
    return struct.pack(">i", round(value * 65536))


def _xyz(value: XYZ) -> bytes:
    return b"XYZ \0\0\0\0" + b"".join(map(_fixed, value))


def _profile(kind: bytes, space: bytes, connection: bytes, tags: dict[bytes, bytes]) -> bytes:
    text = b"text\0\0\0\0made for a test\0"
    words = b"made for a test\0"
    tags = {b"cprt": text, b"desc": b"desc\0\0\0\0" + struct.pack(">I", len(words)) + words + b"\0" * 79, **tags}
    table, body, at = struct.pack(">I", len(tags)), b"", 128 + 4 + 12 * len(tags)
    for name, tag in tags.items():
        padded = tag + b"\0" * (-len(tag) % 4)
        table += name + struct.pack(">II", at + len(body), len(tag))
        body += padded
    head = struct.pack(">I4sI4s4s4s", at + len(body), b"lcms", 0x02400000, kind, space, connection)
    head += b"\0" * 12 + b"acsp" + b"\0" * 28 + b"".join(map(_fixed, D50))
    return head.ljust(128, b"\0") + table + body


def of_primaries(primaries: tuple[XYZ, XYZ, XYZ], gamma: float) -> bytes:
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256))
    tags = {b"wtpt": _xyz(D50)}
    for name, primary in zip((b"r", b"g", b"b"), primaries, strict=True):
        tags |= {name + b"XYZ": _xyz(primary), name + b"TRC": curve}
    return _profile(b"mntr", b"RGB ", b"XYZ ", tags)


def of_grey(gamma: float) -> bytes:
    return _profile(
        b"mntr",
        b"GRAY",
        b"XYZ ",
        {b"wtpt": _xyz(D50), b"kTRC": b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256))},
    )


def of_inks(paper: tuple[int, int, int], ink: tuple[int, int, int]) -> bytes:
    """Four inks, of which any makes the paper look like `ink` (both L a b of 8 bits): no press of this world."""
    table = b"".join(bytes(ink if node else paper) for node in range(2**4))
    ramp = bytes(range(256))
    matrix = b"".join(map(_fixed, (1, 0, 0, 0, 1, 0, 0, 0, 1)))
    lut = b"mft1\0\0\0\0" + bytes((4, 3, 2, 0)) + matrix + ramp * 4 + table + ramp * 3
    return _profile(b"prtr", b"CMYK", b"Lab ", {b"wtpt": _xyz(D50), b"A2B0": lut})
