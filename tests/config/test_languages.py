"""The pages in German, as in English."""

from __future__ import annotations

import gettext
import io
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import DEFAULT_KEYWORDS, extract
from babel.messages.pofile import read_po
from django.conf import settings
from django.test import Client
from django.utils.translation.template import templatize

from tests.conftest import PASSWORD, Cast

FOLDER = Path(settings.LOCALE_PATHS[0]) / "de" / "LC_MESSAGES"
# The record's story in Django admin, which is for operators, may run ahead of its translation.
PAGES = ("account", "allauth", "knowledge", "portal", "tickets")
KEYWORDS = {**DEFAULT_KEYWORDS, "gettext_lazy": None, "gettext_noop": None, "ngettext_lazy": (1, 2)}


@pytest.fixture(scope="module")
def german() -> Catalog:
    return read_po(io.BytesIO((FOLDER / "django.po").read_bytes()), locale="de")


def texts() -> Iterator[tuple[str, str | tuple[str, ...]]]:
    """(file, text) of everything that people of the portal and the desk are told."""
    top = settings.BASE_DIR
    templates = [path for name in PAGES for path in (top / "templates" / name).rglob("*.html")]
    for path in [*templates, *(top / "templates").glob("*.html")]:
        code = templatize(path.read_text(), origin=str(path))
        yield from _extracted(path, "\n".join(line.strip() for line in code.splitlines()))
    for package in ("assistant", "knowledge", "tickets"):
        for path in (top / package).rglob("*.py"):
            yield from _extracted(path, path.read_text())


def _extracted(path: Path, code: str) -> Iterator[tuple[str, str | tuple[str, ...]]]:
    for _line, text, _comments, _context in extract("python", io.BytesIO(code.encode()), KEYWORDS):
        yield str(path.relative_to(settings.BASE_DIR)), text


def test_every_text_of_the_portal_and_the_desk_is_there_in_german(german: Catalog) -> None:
    found = list(texts())
    assert len(found) > 200, "the texts are no longer found"
    missing = []
    for file, text in found:
        message = german.get(text[0] if isinstance(text, tuple) else text)
        strings = [] if message is None else [message.string] if isinstance(message.string, str) else message.string
        if not strings or not all(strings):
            missing.append((file, text))
    assert missing == []


def test_placeholders_are_the_same_in_both_languages(german: Catalog) -> None:
    assert [(message.id, errors) for message, errors in german.check()] == []
    assert not [message.id for message in german if message.fuzzy and message.id]


def test_the_compiled_catalogue_is_the_source(german: Catalog) -> None:
    with (FOLDER / "django.mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)
    for message in filter(lambda each: each.id, german):
        if isinstance(message.id, str):
            said: object = compiled.gettext(message.id)
        else:
            said = tuple(compiled.ngettext(*message.id, n) for n in (1, 2))
        assert said == message.string, "run `make messages`"


@pytest.fixture
def alice(cast: Cast) -> Client:
    client = Client()
    assert client.login(email="alice@example.com", password=PASSWORD)
    return client


def test_a_browser_that_prefers_german_gets_the_portal_in_german(alice: Client, learn: Callable[..., None]) -> None:
    learn(("Returning a lamp", "You can return a lamp within 30 days."))
    page = alice.get("/t/acme/", headers={"Accept-Language": "de-DE,de;q=0.9,en;q=0.5"}).content.decode()
    assert '<html lang="de">' in page
    assert "Wobei kann Acme Ihnen helfen?" in page
    assert "Das Hilfe-Center wird durchsucht" in page  # what the script says
    assert "What can" not in page


def test_the_switch_of_the_page_works_without_script_and_lasts(alice: Client) -> None:
    page = alice.get("/t/acme/tickets/").content.decode()
    assert "Your requests" in page
    assert 'action="/i18n/setlang/"' in page
    answer = alice.post("/i18n/setlang/", {"language": "de", "next": "/t/acme/tickets/"})
    assert answer.headers["Location"] == "/t/acme/tickets/"
    assert "Ihre Anfragen" in alice.get("/t/acme/tickets/").content.decode()


def test_the_switch_leads_to_no_other_site(alice: Client) -> None:
    answer = alice.post("/i18n/setlang/", {"language": "de", "next": "https://elsewhere.example/"})
    assert answer.headers["Location"] == "/"


def test_the_desk_speaks_german_to_an_agent_who_prefers_it(cast: Cast) -> None:
    client = Client()
    assert client.login(email="adam@example.com", password=PASSWORD)
    page = client.get("/t/acme/desk/", headers={"Accept-Language": "de"}).content.decode()
    assert "Niemand wartet auf eine Antwort." in page
