"""Which addresses a program may be sent to that somebody wrote into a form: those of the public
internet, and no others.

Does not catch: an internal service that has a public address.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable

Resolve = Callable[[str, int], list[str]]

# Global by the registry, and yet a way to another address: translated, tunnelled, or embedded.
WAYS_AROUND = tuple(
    ipaddress.ip_network(each)
    for each in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "::/96", "192.0.0.0/24", "192.88.99.0/24")
)
ALLOCATED = ipaddress.ip_network("2000::/3")  # all of IPv6 that is given out; the rest counts as global too
DOCUMENTATION = ipaddress.ip_network("3fff::/20")


class NotPublic(Exception):
    """The name leads nowhere, or to an address that is not public; the text says which."""


def resolve(host: str, port: int) -> list[str]:
    """All addresses of a name, or of a number in any of the spellings that the system knows."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise NotPublic(f"{host} cannot be resolved") from error
    return [str(each[4][0]) for each in found]


def is_public(text: str) -> bool:
    """False for what is private, shared, local, reserved, multicast, scoped or a way around."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    if mapped is not None:
        return is_public(str(mapped))
    if "%" in text or address.is_multicast or not address.is_global:
        return False
    if address.version == 6 and (address not in ALLOCATED or address in DOCUMENTATION):
        return False
    return not any(address in network for network in WAYS_AROUND if network.version == address.version)


def public_address(host: str, port: int, *, resolve: Resolve = resolve, loopback: bool = False) -> str:
    """The address to dial: the very one that was checked, so a name cannot lead elsewhere the second
    time. All addresses of the name must be public, or loopback where that is allowed. Raises
    `NotPublic`."""
    addresses = resolve(host, port)
    if not addresses:
        raise NotPublic(f"{host} cannot be resolved")
    for each in addresses:
        if not is_public(each) and not (loopback and each in {"127.0.0.1", "::1"}):
            raise NotPublic(f"{host} leads to {each}, which is not a public address")
    return addresses[0]
