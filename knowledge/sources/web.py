"""Web pages: those that are named, those that a sitemap lists, or those that links lead to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Annotated

from pydantic import Field, field_validator

from knowledge.fetching.errors import AddressRefused, FetchError
from knowledge.fetching.fetch import Fetched
from knowledge.fetching.url import Target, canonical, parse
from knowledge.indexing import MAX_BYTES, Incoming
from knowledge.models import Kind
from knowledge.sources.answers import good
from knowledge.sources.errors import (
    RobotsRefuse,
    SourceRefused,
    SourceUnavailable,
)
from knowledge.sources.pages import READABLE, as_utf8, media_type, read_page
from knowledge.sources.robots import Robots, read_robots
from knowledge.sources.sitemaps import read_sitemap
from knowledge.sources.types import (
    Cursor,
    Left,
    Link,
    Session,
    SourceSettings,
    Step,
    Taken,
    Waiting,
    Why,
    Work,
)

MAX_SITEMAPS = 500
MAX_ITEM = 500  # characters of an address that a row keeps
Prefix = Annotated[str, Field(pattern=r"^/[^\s]*$", max_length=300)]


class WebSettings(SourceSettings):
    """`urls` are where it begins: pages, or sitemaps. Only pages on `hosts` (those of `urls` by default) below
    one of the paths of `include` and none of `exclude` are taken. A prefix is a text, never a pattern."""

    urls: list[str] = Field(min_length=1, max_length=200)
    hosts: list[str] = Field(default=[], max_length=50)
    include: list[Prefix] = Field(default=[], max_length=100)
    exclude: list[Prefix] = Field(default=[], max_length=100)
    depth: int = Field(default=5, ge=0, le=20)
    max_pages: int = Field(default=2000, ge=1, le=50_000)
    requests_per_minute: int = Field(default=60, ge=1, le=600)
    grace_hours: int = Field(default=24, ge=0, le=24 * 90)

    @field_validator("urls")
    @classmethod
    def _addresses(cls, urls: list[str]) -> list[str]:
        try:
            read = [str(parse(url)) for url in urls]
        except AddressRefused as error:
            raise ValueError(error.detail) from error
        if any(len(url) > MAX_ITEM for url in read):
            raise ValueError(f"an address has at most {MAX_ITEM} characters")
        return read

    @property
    def allowed_hosts(self) -> set[str]:
        return {host.lower() for host in self.hosts} or {parse(url).host for url in self.urls}

    def covers(self, target: Target) -> bool:
        """Whether a page is one of the source's."""
        if target.host not in self.allowed_hosts or len(str(target)) > MAX_ITEM:
            return False
        path = target.request_target
        inside = not self.include or any(path.startswith(prefix) for prefix in self.include)
        return inside and not any(path.startswith(prefix) for prefix in self.exclude)


class Web:
    """The three kinds differ in where the addresses come from."""

    settings = WebSettings

    def __init__(self, kind: Kind) -> None:
        self._kind = kind

    def begin(self, settings: WebSettings) -> Cursor:
        if self._kind == Kind.SITEMAP:
            return {"sitemaps": settings.urls, "read": 0, "fails": 0}
        return {"start": True, "fails": 0}

    def pace(self, settings: WebSettings) -> float:
        return 60.0 / settings.requests_per_minute

    def step(self, session: Session, cursor: Cursor, work: Work) -> Step:
        if cursor.get("start"):
            # A page that has not changed does not tell its links again: all known ones are visited.
            links = [Link(str(canonical(parse(url)))) for url in session.settings.urls]
            return Step({**cursor, "start": False}, links=links, relist=self._kind == Kind.CRAWL)
        room = max(session.settings.max_pages - work.listed, 0)
        if cursor.get("sitemaps"):
            return self._sitemap(session, cursor, room)
        if work.waiting:
            return self._visit(session, cursor, work.waiting[0], room)
        return Step(cursor, done=True)

    def _sitemap(self, session: Session, cursor: Cursor, room: int) -> Step:
        settings: WebSettings = session.settings
        address, *further = cursor["sitemaps"]
        target = parse(address)
        _check_robots(session, target)
        found = read_sitemap(good(session.get(target)).body, session.policy)
        pages = [page for page in map(_read, found.pages) if page is not None and settings.covers(page)]
        links = [Link(str(page)) for page in dict.fromkeys(pages)][:room]
        inner = [
            each for each in map(_read, found.sitemaps) if each is not None and each.host in settings.allowed_hosts
        ]
        read = cursor["read"] + 1
        more = [*further, *(str(each) for each in inner)][: max(MAX_SITEMAPS - read, 0)]
        return Step({**cursor, "sitemaps": more, "read": read}, links=links)

    def _visit(self, session: Session, cursor: Cursor, waiting: Waiting, room: int) -> Step:
        """One page. A page that cannot be had fails by itself; the start, or ten in a row, fail the source."""
        start = self._kind == Kind.CRAWL and waiting.depth == 0
        try:
            robots = _robots(session, parse(waiting.item))
            if not robots.allow(parse(waiting.item).request_target):
                if start:
                    raise RobotsRefuse(waiting.item)
                return Step(cursor, left=[Left(waiting.item, Why.SKIPPED, RobotsRefuse.code)])
            fetched = session.get(parse(waiting.item), headers=_conditions(waiting), pace=robots.delay)
            if start and not waiting.preferred and fetched.status != 304:
                good(fetched)
            if fetched.status >= 500 or fetched.status in (401, 403, 408, 425, 429):
                good(fetched)
        except (FetchError, SourceRefused, SourceUnavailable) as error:
            fails = cursor["fails"] + 1
            if start or fails >= 10:
                raise
            return Step({**cursor, "fails": fails}, left=[Left(waiting.item, Why.FAILED, error.code)])
        return self._read(session.settings, {**cursor, "fails": 0}, waiting, fetched, room)

    def _read(self, settings: WebSettings, cursor: Cursor, waiting: Waiting, fetched: Fetched, room: int) -> Step:

        def left(why: Why, links: Sequence[Link] = ()) -> Step:
            return Step(cursor, left=[Left(waiting.item, why)], links=links)

        if fetched.status == 304 and waiting.held:
            return left(Why.UNCHANGED)
        if fetched.status in (404, 410):
            return left(Why.GONE)
        if not fetched.ok:
            return Step(cursor, left=[Left(waiting.item, Why.FAILED, SourceUnavailable.code)])
        at = canonical(fetched.target)
        if str(at) != waiting.item:  # redirected: that address has a row of its own
            covered = settings.covers(at)
            return left(Why.SKIPPED, [Link(str(at), waiting.depth, preferred=waiting.preferred)] if covered else ())
        suffix = READABLE.get(media_type(fetched))
        if suffix is None or len(fetched.body) > MAX_BYTES:
            return left(Why.SKIPPED)
        body = as_utf8(fetched)
        page = read_page(fetched, body)
        links = self._onward(settings, waiting, page.links if page.follow else ())[:room]
        if page.canonical is not None and not waiting.preferred and settings.covers(page.canonical):
            preferred = Link(str(page.canonical), waiting.depth, preferred=True)
            return Step(cursor, left=[Left(waiting.item, Why.SKIPPED)], links=[preferred, *links])
        if not page.index:
            return Step(cursor, left=[Left(waiting.item, Why.SKIPPED)], links=links)
        name = PurePosixPath(at.path).name or at.host
        named = name if name.lower().endswith(suffix) else name + suffix
        incoming = Incoming(external_id=waiting.item, name=named[-500:], data=body, url=waiting.item)
        validators = fetched.headers.get("etag", "")[:200], fetched.headers.get("last-modified", "")[:60]
        return Step(cursor, taken=[Taken(waiting.item, incoming, *validators)], links=links)

    def _onward(self, settings: WebSettings, waiting: Waiting, links: Sequence[Target]) -> list[Link]:
        if self._kind != Kind.CRAWL or waiting.depth >= settings.depth:
            return []
        return [Link(str(link), waiting.depth + 1) for link in links if settings.covers(link)]


def _conditions(waiting: Waiting) -> dict[str, str]:
    if not waiting.held:
        return {}
    given = {"If-None-Match": waiting.etag, "If-Modified-Since": waiting.modified}
    return {name: value for name, value in given.items() if value}


def _read(address: str) -> Target | None:
    try:
        return canonical(parse(address))
    except AddressRefused:
        return None


def _check_robots(session: Session, target: Target) -> None:
    if not _robots(session, target).allow(target.request_target):
        raise RobotsRefuse(str(target))


def _robots(session: Session, target: Target) -> Robots:
    """The host's rules. None (4xx) allow all; a server with a fault allows nothing (RFC 9309)."""
    place = Target(target.scheme, target.host, target.port, "/robots.txt")
    text = session.kept(str(place))
    if text is None:
        fetched = session.get(place)
        if fetched.status >= 500 or fetched.status == 429:
            raise SourceUnavailable(f"{place} answers {fetched.status}")
        text = as_utf8(fetched).decode("utf-8", "replace") if fetched.ok else ""
        session.keep(str(place), text)
    return read_robots(text)


def adapters() -> dict[str, Web]:
    return {kind: Web(kind) for kind in (Kind.PAGES, Kind.SITEMAP, Kind.CRAWL)}
