"""Who is one voter on a tag, without anybody being known: a digest that is the same for one network, tag and day, and
tells nothing across tags or days. Without a network to tell by it is the view."""

import hmac
import ipaddress
from datetime import datetime

_PURPOSE = b"voters on tags"
_BYTES = 12


def voter_of(key: bytes, tag_id: str, nonce: str, address: str, now: datetime) -> str:
    """`address` is the caller's. One that is not of the open internet is a proxy's or a developer's own machine: behind
    it stand many, or nobody to guard against."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return nonce
    if isinstance(found, ipaddress.IPv6Address):
        found = found.ipv4_mapped or found
    if not found.is_global:
        return nonce
    # an IPv6 caller has a whole /64 to call from
    network = ipaddress.ip_network((found, 64 if found.version == 6 else 32), strict=False)
    said = f"{tag_id} {now.date().isoformat()} {network}"
    return hmac.digest(hmac.digest(key, _PURPOSE, "sha256"), said.encode(), "sha256")[:_BYTES].hex()
