"""What may be fetched, and how much of it."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from gateway.addresses import is_public
from knowledge.fetching.errors import AddressRefused
from knowledge.fetching.url import Target, as_host

PORTS = frozenset({80, 443})


@dataclass(frozen=True)
class FetchPolicy:
    """`private_hosts` are the (host, port) pairs outside of the public internet that the operator has
    listed, such as a wiki of the company's own. They hold for all tenants of the installation."""

    private_hosts: frozenset[tuple[str, int]] = frozenset()
    ports: frozenset[int] = PORTS
    max_bytes: int = 20_000_000
    max_ratio: int = 100  # unpacked to packed; text seldom reaches 20
    free_bytes: int = 1_000_000  # a small page of blanks may exceed the ratio
    seconds: float = 30.0
    redirects: int = 5
    user_agent: str = "Citedesk/1 (+help-centre import)"

    def lists(self, target: Target) -> bool:
        return (target.host, target.port) in self.private_hosts

    def check_port(self, target: Target) -> None:
        if target.port not in self.ports and not self.lists(target):
            raise AddressRefused(f"port {target.port} is not fetched from")

    def may_dial(self, address: str, *, listed: bool) -> bool:
        """Public addresses; those of this machine and of private networks for a host that the operator
        listed. Where clouds keep their credentials (169.254.0.0/16) is nobody's wiki."""
        return is_public(address) or (listed and _is_private(address))


def private_hosts(entries: list[str]) -> frozenset[tuple[str, int]]:
    """From `host` (its ports 80 and 443) and `host:port`. Raises `ValueError`."""
    found: set[tuple[str, int]] = set()
    for entry in entries:
        name, colon, port = entry.rpartition(":")
        with_port = bool(colon) and not port.endswith("]")
        if with_port and not (port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) < 65536):
            raise ValueError(f"{entry!r} is neither a host nor host:port")
        try:
            host = as_host(name if with_port else entry)
        except AddressRefused as error:
            raise ValueError(f"{entry!r} is neither a host nor host:port") from error
        found |= {(host, int(port))} if with_port else {(host, each) for each in PORTS}
    return frozenset(found)


def _is_private(text: str) -> bool:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    if getattr(address, "ipv4_mapped", None) is not None or "%" in text or str(address) == "fd00:ec2::254":
        return False
    if address.is_link_local or address.is_multicast or address.is_unspecified or address.is_reserved:
        return address == ipaddress.ip_address("::1")  # which counts as reserved
    return address.is_private
