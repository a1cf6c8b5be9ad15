"""Articles of a Zendesk help centre (Guide), by its Help Center API.

Every pass lists all articles, a hundred at a time: an article that was archived or made a draft again is no
longer among them, which the incremental export would not tell. The key is `address/token:token` of an agent;
without one, what everybody may read is taken.
"""

from __future__ import annotations

import base64
import re
from typing import Any

from pydantic import Field, field_validator

from knowledge.fetching.errors import AddressRefused
from knowledge.fetching.url import Target, join, parse
from knowledge.indexing import Incoming
from knowledge.models import Visibility
from knowledge.sources.answers import read_json
from knowledge.sources.errors import SourceUnreadable
from knowledge.sources.types import Cursor, Session, SourceSettings, Step, Taken, Work

API = "/api/v2/help_center"
TOGETHER = 100
_LOCALE = re.compile(r"[a-z]{2,3}(-[a-z0-9]{2,8})*", re.I)


class ZendeskSettings(SourceSettings):
    """`url` is the help centre's own address; `locale` the language that is taken, empty the default one."""

    url: str = Field(min_length=1)
    locale: str = Field(default="", max_length=20)
    requests_per_minute: int = Field(default=100, ge=1, le=600)
    grace_hours: int = Field(default=24, ge=0, le=24 * 90)

    @field_validator("url")
    @classmethod
    def _address(cls, url: str) -> str:
        try:
            target = parse(url)
        except AddressRefused as error:
            raise ValueError(error.detail) from error
        return f"{target.scheme}://{target.netloc}"

    @field_validator("locale")
    @classmethod
    def _language(cls, locale: str) -> str:
        if locale and not _LOCALE.fullmatch(locale):
            raise ValueError("a locale such as en-us")
        return locale.lower()


class Zendesk:
    settings = ZendeskSettings

    def begin(self, settings: ZendeskSettings) -> Cursor:
        locale = f"/{settings.locale}" if settings.locale else ""
        return {"segments": None, "next": f"{settings.url}{API}{locale}/articles.json?page[size]={TOGETHER}"}

    def pace(self, settings: ZendeskSettings) -> float:
        return 60.0 / settings.requests_per_minute

    def step(self, session: Session, cursor: Cursor, work: Work) -> Step:
        if cursor["segments"] is None:
            return Step({**cursor, "segments": self._signed_in_segments(session)})
        if not cursor["next"]:
            return Step(cursor, done=True)
        at = parse(cursor["next"])
        answer = read_json(session.get(at, headers=_signed(session)))
        try:
            taken = [_taken(each, cursor["segments"]) for each in answer["articles"] if not each["draft"]]
            onward = answer["links"]["next"] if answer["meta"]["has_more"] else None
        except (KeyError, TypeError, AttributeError) as error:
            raise SourceUnreadable("the list of articles is not Zendesk's") from error
        return Step({**cursor, "next": _onward(at, onward)}, taken=taken)

    def _signed_in_segments(self, session: Session) -> list[int]:
        """The groups of readers that any customer who is signed in belongs to. Whoever may not list them gets
        none: then what is not for everybody is for staff."""
        settings: ZendeskSettings = session.settings
        if not session.secret:
            return []
        fetched = session.get(parse(f"{settings.url}{API}/user_segments.json"), headers=_signed(session))
        if fetched.status == 403:
            return []
        limits = ("group_ids", "organization_ids", "tags", "or_tags", "added_user_ids")
        try:
            return [
                int(each["id"])
                for each in read_json(fetched)["user_segments"]
                if each["user_type"] == "signed_in_users" and not any(each.get(limit) for limit in limits)
            ]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise SourceUnreadable("the list of user segments is not Zendesk's") from error


def _signed(session: Session) -> dict[str, str]:
    if not session.secret:
        return {}
    return {"Authorization": "Basic " + base64.b64encode(session.secret.encode()).decode()}


def _taken(article: dict[str, Any], signed_in: list[int]) -> Taken:
    identity, title = str(int(article["id"])), str(article["title"] or "")
    several = article.get("user_segment_ids") or [article.get("user_segment_id")]
    if several == [None]:
        visibility = Visibility.PUBLIC
    else:
        visibility = Visibility.SIGNED_IN if set(several) <= set(signed_in) else Visibility.INTERNAL
    body = f"<html><body><article>{article['body'] or ''}</article></body></html>"
    url = str(article.get("html_url") or "")[:1000]
    data = body.encode("utf-8", "replace")
    return Taken(identity, Incoming(identity, f"{identity}.html", data, title, url, visibility))


def _onward(at: Target, link: Any) -> str:
    """The next page, which must be the same server's: the key goes along (S8)."""
    if not link:
        return ""
    try:
        target = join(at, str(link))
    except AddressRefused as error:
        raise SourceUnreadable("the next page's address cannot be read") from error
    if target.origin != at.origin:
        raise SourceUnreadable("the next page is on another server")
    return str(target)
