"""Fetching from real servers on loopback, and what is refused on the way there."""

from __future__ import annotations

import asyncio
import gzip
import time
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from knowledge.fetching import errors
from knowledge.fetching.fetch import Fetched, Fetcher
from knowledge.fetching.policy import FetchPolicy, private_hosts
from knowledge.fetching.url import canonical, join, parse
from tests.servers.unplugged import Network, page
from tests.servers.wire import Request, Script, serving

PUBLIC = "93.184.215.14"


def answered(*pages: bytes) -> Network:
    left = list(pages)
    return Network(lambda _dial: left.pop(0) if len(left) > 1 else left[0])


def fetch(network: Network, url: str, *addresses: str, policy: FetchPolicy | None = None, **headers: str) -> Fetched:
    found = list(addresses or [PUBLIC])
    fetcher = Fetcher(policy or FetchPolicy(), resolve=lambda _h, _p: found, connect=network.connect)
    with fetcher:
        return fetcher.get(url, headers=headers)


async def from_loopback(
    respond: Script | Callable[[Request], Script], path: str = "/", policy: FetchPolicy | None = None
) -> Fetched:
    async with serving(respond) as server:
        listed = frozenset({("127.0.0.1", urlsplit(server.url).port or 0)})
        with Fetcher(replace(policy or FetchPolicy(), private_hosts=listed)) as fetcher:
            return await asyncio.to_thread(fetcher.get, server.url + path)


async def test_a_page_is_fetched_with_its_headers_and_nothing_else_is_sent() -> None:
    asked: list[Request] = []

    def respond(request: Request) -> Script:
        asked.append(request)
        return Script((b"<h1>Returns</h1>",), content_type="text/html", headers={"ETag": '"1"', "Set-Cookie": "a=b"})

    fetched = await from_loopback(respond, "/returns?q=1")
    assert (fetched.status, fetched.body, fetched.headers["etag"]) == (200, b"<h1>Returns</h1>", '"1"')
    assert asked[0].path == "/returns?q=1"
    assert set(asked[0].headers) - {""} == {"host", "user-agent", "accept", "accept-encoding"}


@pytest.mark.threat("S1")
@pytest.mark.parametrize(
    "onward",
    [
        "http://169.254.169.254/latest/meta-data/",
        "//[::ffff:a9fe:a9fe]/",
        "http://127.0.0.1/",
        "http://93.184.215.14:22/",
        "file:///etc/passwd",
        "http://2852039166/",
        "http://a.example\\@127.0.0.1/",
    ],
)
def test_a_redirect_is_judged_like_a_first_address(onward: str) -> None:
    network = answered(page(b"", status=302, Location=onward))
    with pytest.raises(errors.AddressRefused):
        fetch(network, "http://help.example/")
    assert [dial.address for dial in network.dials] == [PUBLIC]


@pytest.mark.threat("S1")
def test_a_stranger_cannot_redirect_to_a_host_that_the_operator_listed() -> None:
    policy = FetchPolicy(private_hosts=private_hosts(["wiki.internal"]))
    ours = answered(page())
    assert fetch(ours, "http://wiki.internal/", "10.0.0.5", policy=policy).ok
    theirs = answered(page(b"", status=302, Location="http://wiki.internal/"))
    names = {"help.example": [PUBLIC], "wiki.internal": ["10.0.0.5"]}
    with (
        pytest.raises(errors.AddressRefused),
        Fetcher(policy, resolve=lambda host, _p: names[host], connect=theirs.connect) as fetcher,
    ):
        fetcher.get("http://help.example/")
    assert [dial.address for dial in theirs.dials] == [PUBLIC]


@pytest.mark.threat("S1")
@pytest.mark.parametrize("address", ["169.254.169.254", "fe80::1", "fd00:ec2::254", "0.0.0.0", "224.0.0.1"])
def test_a_listed_host_does_not_open_where_clouds_keep_their_credentials(address: str) -> None:
    network = answered(page())
    with pytest.raises(errors.AddressRefused):
        fetch(network, "http://wiki/", address, policy=FetchPolicy(private_hosts=private_hosts(["wiki"])))
    assert network.dials == []


@pytest.mark.threat("S2", "S6")
@pytest.mark.parametrize(
    "url",
    [
        "http://help.example\\@127.0.0.1/",
        "http://help.example\t.evil/",
        "http://user@help.example/",
        "http://help.example:80@127.0.0.1/",
        "http://0x7f000001/",
        "http://2130706433/",
        "http://127.1/",
        "http://0177.0.0.1/",
        "http://１２７.１/",
        "http://help%2eexample/",
        "http://help.example:0/",
        "http://help.example:80:443/",
        "http://help.example:８０/",
        "http://[fe80::1%25eth0]/",
        "http:/help.example/",
        "http:///help.example/",
        "gopher://help.example/",
        "file:///etc/passwd",
        "data:text/html,x",
        "http://[::1/",
        "http://./",
        "http://a..b/",
    ],
)
def test_what_two_parsers_might_read_differently_is_read_by_none(url: str) -> None:
    network = answered(page())
    with pytest.raises(errors.AddressRefused):
        fetch(network, url)
    assert network.dials == []


@pytest.mark.threat("S3", "S4", "S5", "S6")
@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.1",
        "100.64.0.1",
        "192.0.0.8",
        "169.254.169.254",
        "::1",
        "::ffff:a9fe:a9fe",
        "::a9fe:a9fe",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
        "fec0::1",
        "5f00::1",
        "3fff::1",
        "0::ffff:0:a9fe:a9fe",
        "１0.0.0.1",
    ],
)
def test_no_address_outside_of_the_public_internet_is_dialled(address: str) -> None:
    network = answered(page())
    with pytest.raises(errors.AddressRefused):
        fetch(network, "http://help.example/", PUBLIC, address)
    with pytest.raises(errors.FetchError):
        fetch(network, f"http://[{address}]/" if ":" in address else f"http://{address}/")
    assert network.dials == []


@pytest.mark.threat("S7")
def test_the_judged_address_is_dialled_and_the_certificate_must_be_the_names() -> None:
    network, answers = answered(page()), [[PUBLIC], ["127.0.0.1"]]
    with Fetcher(FetchPolicy(), resolve=lambda _h, _p: answers.pop(0), connect=network.connect) as fetcher:
        assert fetcher.get("https://help.example/").ok
        with pytest.raises(errors.AddressRefused):
            fetcher.get("https://help.example/")
    (dial,) = network.dials
    assert (dial.address, dial.port, dial.server_name) == (PUBLIC, 443, "help.example")
    assert b"Host: help.example\r\n" in dial.sent


@pytest.mark.threat("S8")
def test_a_key_stays_with_the_origin_that_it_was_given_for() -> None:
    network = answered(
        page(b"", status=302, Location="/v2"), page(b"", status=302, Location="https://other.example/"), page()
    )
    assert fetch(network, "https://api.example/v1", Authorization="Bearer secret").ok
    assert [b"Bearer secret" in dial.sent for dial in network.dials] == [True, True, False]


def test_a_redirect_from_https_to_http_is_refused() -> None:
    network = answered(page(b"", status=301, Location="http://help.example/"))
    with pytest.raises(errors.AddressRefused):
        fetch(network, "https://help.example/")


def test_circles_end() -> None:
    with pytest.raises(errors.TooManyRedirects):
        fetch(answered(page(b"", status=302, Location="/")), "http://help.example/")
    pages = [page(b"", status=302, Location=f"/{number}") for number in range(9)]
    network = answered(*pages)
    with pytest.raises(errors.TooManyRedirects):
        fetch(network, "http://help.example/")
    assert len(network.dials) == 6


@pytest.mark.threat("S9")
async def test_a_bomb_is_left_where_it_exceeds_its_ratio() -> None:
    bomb = gzip.compress(b"0" * 50_000_000)
    script = Script((bomb,), headers={"Content-Encoding": "gzip"})
    with pytest.raises(errors.FetchTooLarge):
        await from_loopback(script, policy=FetchPolicy(max_bytes=10**9))
    honest = gzip.compress(b"How to return a lamp. " * 1000)
    whole = await from_loopback(Script((honest,), headers={"Content-Encoding": "gzip"}))
    assert len(whole.body) == 22_000


@pytest.mark.threat("S9")
@pytest.mark.parametrize("encoding", ["br", "gzip, gzip", "deflate", "gzip"])
async def test_an_encoding_that_was_not_asked_for_or_is_damaged_is_refused(encoding: str) -> None:
    with pytest.raises(errors.BadResponse):
        await from_loopback(Script((b"text",), headers={"Content-Encoding": encoding}))


@pytest.mark.threat("S9")
async def test_a_body_larger_than_the_limit_is_left() -> None:
    with pytest.raises(errors.FetchTooLarge):
        await from_loopback(Script((b"0" * 3000,) * 10), policy=FetchPolicy(max_bytes=10_000))


@pytest.mark.threat("S9")
@pytest.mark.parametrize("split", [1, 0])
async def test_one_byte_at_a_time_does_not_outlast_the_limit(split: int) -> None:
    started = time.monotonic()
    script = Script((b"0" * 1000,), split=1, pause=0.05) if split else Script((b"0",), stall=0)
    with pytest.raises(errors.FetchTimedOut):
        await from_loopback(script, policy=FetchPolicy(seconds=0.5))
    assert time.monotonic() - started < 5


async def test_a_server_that_is_gone_or_speaks_no_http_is_said_so() -> None:
    with pytest.raises(errors.BadResponse):
        await from_loopback(Script((b"0" * 100,), cut=50))
    async with serving(Script()) as server:
        port = urlsplit(server.url).port or 0
    with (
        pytest.raises(errors.NotReached),
        Fetcher(FetchPolicy(private_hosts=frozenset({("127.0.0.1", port)}))) as fetcher,
    ):
        await asyncio.to_thread(fetcher.get, f"http://127.0.0.1:{port}/")


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("HTTP://Help.Example:80", "http://help.example/"),
        ("https://hülfe.example/ü?ä=1#top", "https://xn--hlfe-0ra.example/%C3%BC?%C3%A4=1"),
        ("https://help.example./a/./b/../c", "https://help.example/a/c"),
        ("https://help.example/a/b/..", "https://help.example/a/"),
        ("https://help.example/?utm_source=mail&a=1&gclid=2", "https://help.example/?a=1"),
        ("https://help.example/?a=1&a=%2F", "https://help.example/?a=1&a=%2F"),
        ("http://[2606:2800::1]:8080/", "http://[2606:2800::1]:8080/"),
    ],
)
def test_one_page_has_one_address(text: str, read: str) -> None:
    assert str(canonical(parse(text))) == read
    assert canonical(parse(read)) == canonical(parse(text))


def test_links_are_read_from_where_they_stand() -> None:
    base = parse("https://help.example/a/b?c=d")
    assert str(join(base, "../e#f")) == "https://help.example/e"
    assert str(join(base, "//other.example/x")) == "https://other.example/x"
    for bad in ("java\tscript:alert(1)", "mailto:a@b.example", "\\\\10.0.0.1\\share", "http://[x]/"):
        with pytest.raises(errors.AddressRefused):
            join(base, bad)


@pytest.mark.parametrize("entry", ["", "a b", "wiki:99999", "wiki:x", "0x7f.1", "http://wiki"])
def test_a_list_of_hosts_that_cannot_be_right_is_refused(entry: str) -> None:
    with pytest.raises(ValueError, match="neither a host"):
        private_hosts([entry])
