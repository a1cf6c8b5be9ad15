"""Fetches what somebody else named, and nothing that it should not (S1-S9).

Each hop of a redirect is an address like the first: read by the one parser, its port and every address
of its name judged, the judged address dialled. There is no cookie jar, no proxy and no password file
below: what is sent is `Host`, `User-Agent`, `Accept`, `Accept-Encoding` and what the caller gave, and
the caller's headers stay with the origin that they were given for.

Does not catch: an internal service that has a public address; a name server that dawdles longer than
the system's resolver lets it.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from types import TracebackType

import httpcore2

from gateway.addresses import Resolve
from gateway.addresses import resolve as system_resolve
from knowledge.fetching import dialing
from knowledge.fetching.errors import (
    AddressRefused,
    BadResponse,
    FetchTimedOut,
    NotReached,
    TooManyRedirects,
)
from knowledge.fetching.policy import FetchPolicy
from knowledge.fetching.unpacking import read_body
from knowledge.fetching.url import Target, join, parse

REDIRECTS = {301, 302, 303, 307, 308}


@dataclass(frozen=True)
class Fetched:
    """What came back in the end, from `target`. Header names are in lower case; of headers that came
    twice the last counts."""

    target: Target
    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300


class Fetcher:
    """Fetches one thing after the other. Not for several threads. Every hop is dialled anew: a connection
    that was kept would be reached without being judged."""

    def __init__(
        self, policy: FetchPolicy, *, resolve: Resolve = system_resolve, connect: dialing.Connect = dialing.connect
    ) -> None:
        self.policy = policy
        self._deadline = dialing.Deadline()
        self._dialer = dialing.Dialer(policy, self._deadline, resolve, connect)
        self._pool = httpcore2.ConnectionPool(
            ssl_context=_certificates(), max_keepalive_connections=0, network_backend=self._dialer
        )

    def __enter__(self) -> Fetcher:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.close()

    def get(self, url: str | Target, *, headers: Mapping[str, str] | None = None) -> Fetched:
        """Raises `FetchError`."""
        target = first = parse(url) if isinstance(url, str) else url
        self._deadline.set(self.policy.seconds)
        seen: set[Target] = set()
        while target not in seen and len(seen) <= self.policy.redirects:
            seen.add(target)
            own = headers if target.origin == first.origin else None
            # A host of the operator's own may be fetched by its name, and is not what a stranger links to.
            self._dialer.listed = target.host == first.host and self.policy.lists(target)
            self.policy.check_port(target)
            fetched = self._once(target, own or {})
            onward = fetched.headers.get("location", "")
            if fetched.status not in REDIRECTS or not onward:
                return fetched
            following = join(target, onward)
            if target.scheme == "https" and following.scheme == "http":
                raise AddressRefused("a redirect leads from https to http")
            target = following
        raise TooManyRedirects(f"sent on more than {self.policy.redirects} times, or in a circle")

    def _once(self, target: Target, headers: Mapping[str, str]) -> Fetched:
        url = httpcore2.URL(
            scheme=target.scheme.encode(),
            host=target.host.encode(),
            port=target.port,
            target=target.request_target.encode(),
        )
        sent = {
            "Host": target.netloc,
            "User-Agent": self.policy.user_agent,
            "Accept": "*/*",
            "Accept-Encoding": "gzip",
            **headers,
        }
        with _translated(target), self._pool.stream("GET", url, headers=list(sent.items())) as response:
            got = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}
            if response.status in REDIRECTS or response.status == 304:
                return Fetched(target, response.status, got)
            body = read_body(response.iter_stream(), got.get("content-encoding", ""), self.policy)
            return Fetched(target, response.status, got, body)


@cache
def _certificates() -> ssl.SSLContext:
    return httpcore2.default_ssl_context()


@contextmanager
def _translated(target: Target) -> Iterator[None]:
    try:
        yield
    except httpcore2.TimeoutException as error:
        raise FetchTimedOut(f"{target.host} took too long") from error
    except httpcore2.NetworkError as error:
        raise NotReached(f"{target.host} does not answer, or not as itself") from error
    except (httpcore2.ProtocolError, UnicodeError) as error:
        raise BadResponse(f"{target.host} does not speak HTTP as it should") from error
