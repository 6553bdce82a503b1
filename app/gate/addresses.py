"""By which address failed attempts are counted: whoever has one IPv6 address has a network of 2^64 others."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

OWN_BITS = 64  # of an IPv6 address, which a provider gives to one customer at least (RFC 6177)


def counted_address(scope: Mapping[str, Any]) -> str:
    """Return the address from which a request comes, of IPv6 the network that belongs to one customer; "" for none."""
    host = scope["client"][0] if scope.get("client") else ""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if address.version == 4:
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, OWN_BITS), strict=False))
