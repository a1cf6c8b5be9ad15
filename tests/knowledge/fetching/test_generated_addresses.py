"""Thousands of hostile addresses, names and redirects: nothing forbidden is ever dialled.

What is forbidden is written down here a second time, as ranges of numbers, so that a mistake in the
code is not repeated in its test.
"""

from __future__ import annotations

import ipaddress
import random
import re
import socket

import httpcore2
import pytest

from knowledge.fetching.errors import FetchError
from knowledge.fetching.fetch import Fetcher
from knowledge.fetching.policy import FetchPolicy
from tests.servers.unplugged import Dial, Network, page

FORBIDDEN = """
0.0.0.0-0.255.255.255 10.0.0.0-10.255.255.255 100.64.0.0-100.127.255.255 127.0.0.0-127.255.255.255
169.254.0.0-169.254.255.255 172.16.0.0-172.31.255.255 192.0.0.0-192.0.0.255 192.0.2.0-192.0.2.255
192.88.99.0-192.88.99.255 192.168.0.0-192.168.255.255 198.18.0.0-198.19.255.255 198.51.100.0-198.51.100.255
203.0.113.0-203.0.113.255 224.0.0.0-255.255.255.255
::-1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 2001::-2001:0:ffff:ffff:ffff:ffff:ffff:ffff
2001:db8::-2001:db8:ffff:ffff:ffff:ffff:ffff:ffff 2002::-2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff
3fff::-3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff 4000::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff
"""
MAPPED = 0xFFFF << 32  # ::ffff:a.b.c.d, judged as a.b.c.d
NAT64, SIX_TO_FOUR = 0x64FF9B << 96, 0x2002 << 112
PUBLIC = ["93.184.215.14", "8.8.4.4", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "2a00:1450:4001:830::200e"]
SECRET = b"Bearer of-a-key"


def numbered(text: str) -> tuple[int, int]:
    """The family and the number of an address, so that addresses of one family compare."""
    return socket.AF_INET6 if ":" in text else socket.AF_INET, int(ipaddress.ip_address(text))


RANGES = [tuple(numbered(end) for end in each.split("-")) for each in FORBIDDEN.split()]


def forbidden(text: str) -> bool:
    family, number = numbered(text)
    if family == socket.AF_INET6 and number >> 32 == MAPPED >> 32:
        family, number = socket.AF_INET, number & 0xFFFFFFFF
    return any(low[0] == family and low[1] <= number <= high[1] for low, high in RANGES)


class World:
    """One case: an address to fetch, what its names resolve to each time, and where its pages lead."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.answer: list[str] = []
        self.answers: list[list[str]] = []  # what had been resolved last, for each dial
        self.network = Network(self.respond)
        self.secrets: list[Dial] = []

    def bad_number(self) -> str:
        low, high = self.random.choice(RANGES)
        spot = self.random.choice([low[1], high[1], self.random.randint(low[1], high[1])])
        if low[0] == socket.AF_INET and self.random.random() < 0.35:
            chosen = self.random.choice([MAPPED, 0, NAT64, SIX_TO_FOUR])
            return str(ipaddress.IPv6Address(chosen | (spot << 80 if chosen == SIX_TO_FOUR else spot)))
        return str(ipaddress.IPv6Address(spot) if low[0] == socket.AF_INET6 else ipaddress.IPv4Address(spot))

    def spelling(self, address: str) -> str:
        if ":" in address:
            exploded = ipaddress.ip_address(address).exploded
            return "[" + self.random.choice([address, exploded, address.upper(), address + "%25eth0"]) + "]"
        a, b, c, d = (int(part) for part in address.split("."))
        number = int(ipaddress.ip_address(address))
        full_width = address.translate({ord("0") + digit: 0xFF10 + digit for digit in range(10)} | {ord("."): 0x3002})
        octal = f"{a:#o}.{b:#o}.{c:#o}.{d:#o}".replace("0o", "0")
        forms = [address, f"{number:#x}", str(number), f"{a}.{b}.{(c << 8) | d}", f"{a}.{(b << 16) | (c << 8) | d}"]
        forms += [octal, full_width, address + ".", f"{a:#x}.{b}.{c}.{d}", f"0{address}", f"{a}%2e{b}.{c}.{d}"]
        return self.random.choice(forms)

    def host(self) -> str:
        name = f"{self.random.choice(['help', 'docs', 'xn--hlfe-noa', 'ｈｅｌｐ'])}-{self.random.randrange(9)}.example"
        chance = self.random.random()
        if chance < 0.2:
            return self.spelling(self.bad_number())
        if chance < 0.3:
            return self.spelling(self.random.choice(PUBLIC))
        return name

    def url(self) -> str:
        host, other = self.host(), self.spelling(self.bad_number())
        scheme = self.random.choice(["http", "https", "https", "http", "https", "http", "HTTP", "ftp", "file"])
        port = self.random.choice([""] * 9 + [":80", ":443", ":22", ":6379", ":8080", ":0", ":65536", ":80:443", ":"])
        tricks = [f"{host}{port}"] * 30
        tricks += [f"{host}\\@{other}", f"{host}#@{other}", f"user@{host}", f"{host}:80@{other}", f"{host}\t.{other}"]
        tricks += [f"{other}\\.{host}", f"{host}%00.{other}", f"\n{other}", f"{host}%23@{other}", f"{host};{other}"]
        return f"{scheme}://{self.random.choice(tricks)}/{self.random.choice(['', 'a?b=c', '../x', '@' + other])}"

    def resolve(self, host: str, port: int) -> list[str]:
        """Another answer each time: sometimes public, sometimes not, sometimes both."""
        chance = self.random.random()
        answer = [self.random.choice(PUBLIC)]
        if chance < 0.15:
            answer = [self.bad_number()]
        elif chance < 0.25:
            answer.insert(self.random.randrange(2), self.bad_number())
        self.answer = answer
        return answer

    def connect(self, address: str, port: int, seconds: float) -> httpcore2.NetworkStream:
        self.answers.append(self.answer)
        return self.network.connect(address, port, seconds)

    def respond(self, dial: Dial) -> bytes:
        if SECRET in dial.sent:
            self.secrets.append(dial)
        if self.random.random() < 0.45:
            onward = self.url() if self.random.random() < 0.8 else f"//{self.host()}/"
            return page(b"", status=self.random.choice([301, 302, 303, 307, 308]), Location=onward.strip())
        return page()


@pytest.mark.threat("S1", "S2", "S3", "S4", "S5", "S6", "S7")
def test_nothing_forbidden_is_dialled(request: pytest.FixtureRequest) -> None:
    cases, fetched, dialled, refused = request.config.getoption("--ssrf-cases"), 0, 0, 0
    with Fetcher(FetchPolicy()) as fetcher:
        for seed in range(cases):
            world = World(seed)
            fetcher._dialer._resolve, fetcher._dialer._connect = world.resolve, world.connect
            first = world.url()
            try:
                fetched += fetcher.get(first, headers={"Authorization": SECRET.decode()}).ok
            except FetchError:
                refused += 1
            for dial, answer in zip(world.network.dials, world.answers, strict=True):
                assert not forbidden(dial.address), (seed, dial)
                assert dial.port in (80, 443), (seed, dial)
                assert dial.address in answer or dial.address in PUBLIC, (seed, dial)
            dialled += len(world.network.dials)
            hosts = {re.search(rb"Host: (\S+)", dial.sent)[1] for dial in world.secrets}
            assert len(hosts) <= 1, "a key went to a host that it was not given for"
    assert min(fetched, refused) > cases / 10, "the cases must be of both kinds"
    assert dialled > cases / 5
