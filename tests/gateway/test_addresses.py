"""Only public addresses are dialled for somebody, in whatever spelling theirs comes."""

from __future__ import annotations

import pytest

from gateway.addresses import NotPublic, is_public, public_address, resolve

NOT_PUBLIC = """
127.0.0.1 10.1.2.3 172.16.0.1 192.168.1.1 169.254.169.254 100.64.0.1 192.0.0.8 0.0.0.0 255.255.255.255 224.0.0.1
192.0.2.1 198.18.0.1 240.0.0.1 ::1 :: fe80::1 fe80::1%eth0 fc00::1 ff02::1 2001:db8::1 ::ffff:169.254.169.254
::ffff:a9fe:a9fe 64:ff9b::a9fe:a9fe 64:ff9b:1::1 2002:a9fe:a9fe::1 2001::1 ::a9fe:a9fe nonsense
"""


@pytest.mark.threat("S3", "S4", "S5")
@pytest.mark.parametrize("address", NOT_PUBLIC.split())
def test_what_is_not_public_is_refused(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "::ffff:93.184.215.14"])
def test_what_is_public_may_be_dialled(address: str) -> None:
    assert public_address("example.com", 443, resolve=lambda _host, _port: [address]) == address


def test_one_private_address_among_public_ones_is_enough_to_refuse() -> None:
    with pytest.raises(NotPublic, match=r"leads to 10\.0\.0\.1"):
        public_address("example.com", 443, resolve=lambda _host, _port: ["93.184.215.14", "10.0.0.1"])


@pytest.mark.threat("S6")
@pytest.mark.parametrize("spelling", ["127.0.0.1", "127.1", "2130706433", "0x7f000001", "017700000001"])
def test_odd_spellings_of_this_machine_are_seen_through(spelling: str) -> None:
    with pytest.raises(NotPublic):
        public_address(spelling, 443, resolve=resolve)


def test_loopback_is_for_whoever_allows_it_and_allows_nothing_else() -> None:
    assert public_address("here", 80, resolve=lambda _host, _port: ["127.0.0.1"], loopback=True) == "127.0.0.1"
    with pytest.raises(NotPublic):
        public_address("here", 80, resolve=lambda _host, _port: ["127.0.0.2"], loopback=True)
