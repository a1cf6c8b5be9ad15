"""The one parser of addresses that are fetched. What it has read is what is dialled and what is sent as
Host: no second parser gets to disagree (S2).

It refuses what parsers are known to read differently: white space and control characters inside, a
backslash, user names, percent signs in a host, and numbers as hosts in any spelling but `a.b.c.d`
(S6). Full-width digits and other look-alikes are mapped first, by the rules for host names (UTS 46).
"""

from __future__ import annotations

import ipaddress
import posixpath
import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, urlencode, urljoin

import idna

from knowledge.fetching.errors import AddressRefused

MAX_LENGTH = 1000  # what a document's row keeps of it
DEFAULT_PORTS = {"http": 80, "https": 443}
_WHOLE = re.compile(r"(https?)://([^/?#]*)([^?#]*)(?:\?([^#]*))?(?:#.*)?", re.I)
_NEVER = re.compile(r"[\x00-\x20\x7f-\xa0\u2028\u2029\\]")
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_PATH_SAFE, _QUERY_SAFE = "/%:@!$&'()*+,;=~-._", "/%:@!$&'()*+,;=~-._?[]"
_TRACKING = re.compile(r"utm_\w+|fbclid|gclid|mc_[ce]id", re.I)


@dataclass(frozen=True)
class Target:
    """An address that was read. `host` is in lower case, an IPv6 address without its brackets."""

    scheme: str
    host: str
    port: int
    path: str
    query: str = ""

    @property
    def netloc(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def request_target(self) -> str:
        return self.path + (f"?{self.query}" if self.query else "")

    @property
    def origin(self) -> tuple[str, str, int]:
        return self.scheme, self.host, self.port

    def __str__(self) -> str:
        return f"{self.scheme}://{self.netloc}{self.request_target}"


def parse(text: str) -> Target:
    """Raises `AddressRefused`, which says what is wrong with it."""
    text = text.strip(" \t\r\n")
    if not text or len(text) > MAX_LENGTH:
        raise AddressRefused(f"an address has 1 to {MAX_LENGTH} characters")
    if _NEVER.search(text):
        raise AddressRefused("the address holds white space, a control character or a backslash")
    whole = _WHOLE.fullmatch(text)
    if whole is None:
        raise AddressRefused("the address does not begin with http:// or https://")
    scheme, authority, path, query = whole[1].lower(), whole[2], whole[3], whole[4] or ""
    if "@" in authority:
        raise AddressRefused("the address holds a user name")
    host, port = _host_and_port(authority, DEFAULT_PORTS[scheme])
    return Target(scheme, host, port, _path(path), quote(query, safe=_QUERY_SAFE))


def join(base: Target, reference: str) -> Target:
    """Where a link or redirect on `base` leads. Raises `AddressRefused`."""
    reference = reference.strip(" \t\r\n")
    if _NEVER.search(reference):  # before anything else reads it and drops the character
        raise AddressRefused("the link holds white space, a control character or a backslash")
    try:
        joined = urljoin(str(base), reference)
    except ValueError as error:
        raise AddressRefused("the link cannot be read") from error
    return parse(joined)


def canonical(target: Target) -> Target:
    """Without the parameters that only say where a reader came from."""
    pairs = parse_qsl(target.query, keep_blank_values=True)
    kept = [(name, value) for name, value in pairs if not _TRACKING.fullmatch(name)]
    query = target.query if len(kept) == len(pairs) else urlencode(kept)
    return Target(target.scheme, target.host, target.port, target.path, query)


def as_host(text: str) -> str:
    """The host of an authority without its port, as `Target.host`. Raises `AddressRefused`."""
    if text.startswith("[") and text.endswith("]"):
        try:
            return str(ipaddress.IPv6Address(text[1:-1] if "%" not in text else ""))
        except ValueError as error:
            raise AddressRefused("the brackets hold no IPv6 address") from error
    try:
        host = idna.encode(text, uts46=True).decode() if not text.isascii() else text.lower()
    except idna.IDNAError as error:
        raise AddressRefused("the host's name cannot be a name") from error
    host = host.removesuffix(".")
    labels = host.split(".")
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise AddressRefused("the host's name cannot be a name")
    if _NUMBER.fullmatch(labels[-1]):
        try:
            return str(ipaddress.IPv4Address(host))
        except ValueError as error:
            raise AddressRefused("a number as host is written a.b.c.d") from error
    return host


def _host_and_port(authority: str, default: int) -> tuple[str, int]:
    host, colon, port = authority.rpartition(":")
    if not colon or port.endswith("]"):
        return as_host(authority), default
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) < 65536):
        raise AddressRefused("the port is not a number from 1 to 65535")
    return as_host(host), int(port)


def _path(path: str) -> str:
    quoted = quote(path or "/", safe=_PATH_SAFE)
    if "/." not in quoted:
        return quoted
    flat = posixpath.normpath(quoted).replace("//", "/", 1) if quoted.startswith("//") else posixpath.normpath(quoted)
    return flat + "/" if quoted.endswith(("/", "/.", "/..")) and flat != "/" else flat
