"""The one way to a socket. Whoever opens a connection through it has the name resolved here, every
address that comes back judged here, and dials the very address that was judged (S7)."""

from __future__ import annotations

import ipaddress
import ssl
import time
from collections.abc import Callable, Iterable
from typing import Any

import httpcore2

from gateway.addresses import NotPublic, Resolve
from knowledge.fetching.errors import AddressRefused, FetchTimedOut, NotReached
from knowledge.fetching.policy import FetchPolicy

Connect = Callable[[str, int, float], httpcore2.NetworkStream]  # address, port, seconds
TRIES = 3  # addresses of one name


def connect(address: str, port: int, seconds: float) -> httpcore2.NetworkStream:
    """A connection to an address, which is a number: nothing is resolved."""
    return httpcore2.SyncBackend().connect_tcp(address, port, seconds)


class Deadline:
    """When the whole must be over. One byte a second does not extend it (S9)."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._end = clock, 0.0

    def set(self, seconds: float) -> None:
        self._end = self._clock() + seconds

    def left(self) -> float:
        """Raises `FetchTimedOut` when nothing is."""
        left = self._end - self._clock()
        if left <= 0:
            raise FetchTimedOut
        return left


class Dialer(httpcore2.NetworkBackend):
    """Connections under a policy. `listed` says whether the host being fetched is one of the operator's
    own: set by the fetcher for the host where a fetch began, so that no redirect leads there."""

    def __init__(self, policy: FetchPolicy, deadline: Deadline, resolve: Resolve, connect: Connect) -> None:
        self._policy, self._deadline, self._resolve, self._connect = policy, deadline, resolve, connect
        self.listed = False

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.NetworkStream:
        addresses = self._addresses(host, port)
        for address in addresses:
            if not self._policy.may_dial(address, listed=self.listed):
                raise AddressRefused(f"{host} leads to {address}, which is not a public address")
        for number, address in enumerate(addresses[:TRIES], 1):
            try:
                return _Watched(self._connect(address, port, self._deadline.left()), self._deadline)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                if number == min(len(addresses), TRIES):
                    raise NotReached(f"{host} does not answer") from error
        raise NotReached(f"{host} cannot be resolved")

    def _addresses(self, host: str, port: int) -> list[str]:
        try:
            return [str(ipaddress.ip_address(host))]
        except ValueError:
            pass
        try:
            return list(dict.fromkeys(self._resolve(host, port)))
        except NotPublic as error:
            raise NotReached(f"{host} cannot be resolved") from error


class _Watched(httpcore2.NetworkStream):
    """A connection on which no single step, and no sum of steps, outlasts the deadline."""

    def __init__(self, stream: httpcore2.NetworkStream, deadline: Deadline) -> None:
        self._stream, self._deadline = stream, deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._deadline.left())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._deadline.left())

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        secured = self._stream.start_tls(ssl_context, server_hostname, self._deadline.left())
        return _Watched(secured, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
