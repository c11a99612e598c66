"""Who is one voter on a tag, without anybody being known: a digest that is the same for one network, tag and day, and
tells nothing across tags or days. Without a network to tell by it is the view. And how much one network may say."""

import hmac
import ipaddress
import threading
from collections import Counter
from datetime import datetime

_PURPOSE = b"voters on tags"
_BYTES = 12
# An access provider hands a household up to a whole /48 (RFC 6177), a tunnel gives one to anybody. Many phones may
# share one, as many share an IPv4 address.
_IPV6_BITS = 48
# Of a site's words of an hour (feedback.PER_SITE) a fifth, so that nobody uses them up alone. An office says less.
PER_NETWORK, MOST_NETWORKS = 100, 50_000


def network_of(address: str) -> str:
    """Of a caller of the open internet; empty for any other: that is a proxy's address or a developer's own machine's,
    behind it stand many, or nobody to guard against."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(found, ipaddress.IPv6Address):
        found = found.ipv4_mapped or found
    if not found.is_global:
        return ""
    return str(ipaddress.ip_network((found, _IPV6_BITS if found.version == 6 else 32), strict=False))


def voter_of(key: bytes, tag_id: str, nonce: str, address: str, now: datetime) -> str:
    """`address` is the caller's."""
    network = network_of(address)
    if not network:
        return nonce
    said = f"{tag_id} {now.date().isoformat()} {network}"
    return hmac.digest(hmac.digest(key, _PURPOSE, "sha256"), said.encode(), "sha256")[:_BYTES].hex()


class NetworkShares:
    """How much each network has said on each site this hour, in this process's memory alone: it is stored nowhere.
    Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._hour = ""
        self._said: Counter[tuple[str, str]] = Counter()

    def takes(self, site_id: str, address: str, now: datetime) -> bool:
        """Whether one more word is taken; it counts then."""
        network, hour = network_of(address), now.isoformat()[:13]
        if not network:
            return True
        with self._lock:
            if hour != self._hour or len(self._said) >= MOST_NETWORKS:
                self._hour, self._said = hour, Counter()
            if self._said[site_id, network] >= PER_NETWORK:
                return False
            self._said[site_id, network] += 1
            return True
