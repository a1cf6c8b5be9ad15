"""A website on loopback: pages by path, answered as a server that knows conditional requests does."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Resource:
    """What one path answers. With an `etag` or `modified` it answers 304 to who has it."""

    body: bytes = b""
    kind: str = "text/html; charset=utf-8"
    status: int = 200
    etag: str = ""
    modified: str = ""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Visit:
    """A request that came. Header names are in lower case."""

    path: str
    headers: dict[str, str]
    status: int


@dataclass
class Site:
    """`pages` may be changed while it serves. A path that is not there is asked of `respond`, else 404."""

    url: str = ""
    pages: dict[str, Resource] = field(default_factory=dict)
    visits: list[Visit] = field(default_factory=list)
    respond: Callable[[str, dict[str, str]], Resource | None] = lambda _path, _headers: None

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    @property
    def paths(self) -> list[str]:
        return [visit.path for visit in self.visits]

    def page(self, path: str, text: str, **more: str) -> None:
        """An article in HTML, whose words and links are `text`."""
        html = f"<html><head>{more.pop('head', '')}</head><body><main>{text}</main></body></html>"
        self.pages[path] = Resource(html.encode(), **more)  # type: ignore[arg-type]

    def answer(self, path: str, headers: dict[str, str]) -> Resource:
        found = self.pages.get(path) or self.respond(path, headers) or Resource(b"Not found", status=404)
        same = found.etag and headers.get("if-none-match") == found.etag
        same = same or (found.modified and headers.get("if-modified-since") == found.modified)
        return Resource(status=304) if same and found.status == 200 else found


@contextmanager
def serving_site() -> Iterator[Site]:
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            found = site.answer(self.path, headers)
            site.visits.append(Visit(self.path, headers, found.status))
            self.send_response(found.status)
            sent = {"Content-Type": found.kind, "ETag": found.etag, "Last-Modified": found.modified, **found.headers}
            for name, value in sent.items():
                if value and found.status != 304:
                    self.send_header(name, value)
            if found.status != 304:
                self.send_header("Content-Length", str(len(found.body)))
            self.end_headers()
            self.wfile.write(found.body)

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    site.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
