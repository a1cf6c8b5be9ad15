"""A Zendesk help centre's API: articles in pages by cursor, user segments, and the key that it wants."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.servers.site import Resource, Site

KEY = "agent@acme.example/token:zd-1"
API = "/api/v2/help_center"


def article(identity: int, text: str, **more: Any) -> dict[str, Any]:
    """An article as the API lists it, without what nobody reads."""
    base = {"id": identity, "title": f"Article {identity}", "draft": False, "user_segment_id": None, "locale": "en-us"}
    return {**base, "body": f"<p>{text}</p>", "html_url": f"https://acme.example/hc/en-us/articles/{identity}", **more}


class ZendeskServer:
    """Answers on a site; `articles` may be changed while it serves, `busy` are requests still answered 429."""

    def __init__(self, site: Site, *articles: dict[str, Any], page: int = 2, key: str = KEY) -> None:
        self.articles, self.page, self.key, self.busy = list(articles), page, key, 0
        self.segments: list[dict[str, Any]] = []
        self.url = site.url
        site.respond = self.answer

    def answer(self, path: str, headers: dict[str, str]) -> Resource:
        wanted = "Basic " + base64.b64encode(self.key.encode()).decode()
        if self.key and headers.get("authorization") != wanted:
            return self._json({"error": "Couldn't authenticate you"}, status=401)
        if self.busy:
            self.busy -= 1
            return Resource(b"", status=429, headers={"Retry-After": "93"})
        parts = urlsplit(path)
        if parts.path == f"{API}/user_segments.json":
            return self._json({"user_segments": self.segments})
        if parts.path != f"{API}/articles.json":
            return self._json({"error": "RecordNotFound"}, status=404)
        start = int(parse_qs(parts.query).get("page[after]", ["0"])[0])
        shown = self.articles[start : start + self.page]
        more = start + self.page < len(self.articles)
        onward = f"{self.url}{API}/articles.json?page%5Bafter%5D={start + self.page}&page%5Bsize%5D=100"
        return self._json({"articles": shown, "meta": {"has_more": more}, "links": {"next": onward if more else None}})

    def _json(self, body: Any, status: int = 200) -> Resource:
        return Resource(json.dumps(body).encode(), "application/json", status)
