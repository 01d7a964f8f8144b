"""Which resolved addresses may be published to: a pure judgement, made at every connect."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from playout.publisher.transport import AddressCheck

_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def _reached(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The IPv4 address that an IPv6 one stands for, where it stands for one."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


def address_check(policy: str, allow: Sequence[str] = ()) -> AddressCheck:
    """Judges resolved addresses: `public` and stricter forbid all that is not globally routable.

    `allow` lists networks or `host:port` pairs that the operator permits in addition.
    """
    networks, pairs = [], set()
    for entry in allow:
        try:
            networks.append(ipaddress.ip_network(entry, strict=False))
        except ValueError:
            pairs.add(entry)

    def allowed(host: str, port: int) -> bool:
        if policy == "private" or f"{host}:{port}" in pairs:
            return True
        address = _reached(ipaddress.ip_address(host.partition("%")[0]))
        if any(address in network for network in networks):
            return True
        return address.is_global and not address.is_multicast

    return allowed
