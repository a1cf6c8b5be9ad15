"""A citation of a PDF, on its very page: what a reader gets, and what a stranger does not."""

from __future__ import annotations

import io
import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from PIL import Image

from accounts.tenancy import tenant_scope
from knowledge.indexing import Incoming, accept
from knowledge.models import Document, DocumentVersion, Source, StoredFile
from knowledge.pages import drawing, keeping
from knowledge.pages.models import Original, PagePicture
from knowledge.tasks import index_document
from tests.conftest import PASSWORD, Cast
from tests.pdfs import Pdf

QUOTE = "every lamp for two years"


def terms(years: str = "two") -> bytes:
    pdf = Pdf().title("Terms").lines(["These terms are for everybody who bought a lamp from us."])
    return pdf.page().lines(["The warranty <b>is simple.", f"We repair every lamp for {years} years."]).data


def take_in(cast: Cast, data: bytes, *, visibility: str = "public") -> DocumentVersion:
    with tenant_scope(cast.acme.pk):
        source, _ = Source.objects.get_or_create(tenant=cast.acme, name="contracts")
        document = accept(source, Incoming("terms", "terms.pdf", data, visibility=visibility))
    assert document is not None
    assert index_document(cast.acme.pk, str(document.pk)) == "indexed"
    with tenant_scope(cast.acme.pk):
        version = Document.objects.get(pk=document.pk).current_version
    assert version is not None
    return version


def client(name: str) -> Client:
    browser = Client()
    assert browser.login(email=f"{name}@example.com", password=PASSWORD)
    return browser


def read(name: str, version: DocumentVersion, quote: str = QUOTE, tenant: str = "acme", **more: Any) -> Any:
    start = version.text.index(quote) if quote else 0
    place = {"version": version.pk, "start": start, "end": start + len(quote), **more}
    return client(name).get(reverse("portal:article", args=[tenant, version.document_id]), place)


def picture(name: str, version: DocumentVersion, number: int = 2, tenant: str = "acme", **more: Any) -> Any:
    return client(name).get(
        reverse("knowledge:page", args=[tenant, version.document_id, number]), {"version": version.pk, **more}
    )


def test_a_citation_opens_at_its_page_with_the_words_boxed(cast: Cast) -> None:
    answer = read("alice", take_in(cast, terms()))
    page = answer.content.decode()
    assert "Page 2 of 2" in page
    assert page.count("<rect ") == 1
    assert "Quoted: every lamp for two years" in page
    alternative = re.search(r'alt="([^"]*)"', page)
    assert alternative is not None
    assert "The warranty &lt;b&gt;is simple." in alternative[1]
    address = re.search(r'<img src="([^"]*)"', page)
    assert address is not None
    shown = client("alice").get(address[1].replace("&amp;", "&"))
    assert (shown.status_code, shown["Content-Type"]) == (200, "image/webp")
    assert shown["Cache-Control"] == "private, max-age=3600"
    assert len(shown.content) <= drawing.ENOUGH
    assert Image.open(io.BytesIO(shown.content)).width in (900, 901)
    assert "unsafe-inline" not in answer["Content-Security-Policy"]


def test_other_pages_a_closer_look_and_the_text_are_a_link_away(cast: Cast) -> None:
    version = take_in(cast, terms())
    first = read("alice", version, page=1, zoom=150).content.decode()
    assert "Page 1 of 2" in first
    assert "<rect " not in first
    assert "To the quote on page 2" in first
    assert "zoom-150" in first
    text = read("alice", version, view="text").content.decode()
    assert '<mark id="quote" tabindex="-1">every lamp for two years</mark>' in text
    assert "Show the page" in text
    fragment = read("alice", version, fragment=1).content.decode()
    assert "<rect " in fragment
    assert "<html" not in fragment


def test_words_that_cannot_be_placed_are_shown_in_the_text(cast: Cast) -> None:
    version = take_in(cast, terms())
    with tenant_scope(cast.acme.pk):  # as a conversion of another day may have read it
        blocks = [["paragraph", 0, 40, 0, 2]]
        DocumentVersion.objects.filter(pk=version.pk).update(
            text="Nobody ever wrote these words down here.", blocks=blocks
        )
        version.refresh_from_db()
    page = read("alice", version, "Nobody ever wrote").content.decode()
    assert "could not be marked on the page" in page
    assert '<mark id="quote" tabindex="-1">Nobody ever wrote</mark>' in page
    assert "could not be found on the pages" in read("alice", version, "Nobody ever wrote", page=1).content.decode()


@pytest.mark.threat("T1", "T2")
def test_a_page_is_for_who_may_read_its_document(cast: Cast) -> None:
    version = take_in(cast, terms(), visibility="internal")
    assert picture("adam", version).status_code == 200
    assert picture("adam", version, width=1800).status_code == 200
    for name, tenant in (("alice", "acme"), ("mallory", "acme"), ("mallory", "mallory")):
        assert picture(name, version, tenant=tenant).status_code == 404
        assert read(name, version, tenant=tenant).status_code == 404
    assert Client().get(reverse("knowledge:page", args=["acme", version.document_id, 2])).status_code == 302


@pytest.mark.parametrize("number", [0, 3, 99999])
def test_a_page_that_is_not_there_is_not_found(cast: Cast, number: int) -> None:
    assert picture("alice", take_in(cast, terms()), number).status_code == 404


def test_a_page_is_drawn_once(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    version = take_in(cast, terms())
    first = picture("alice", version).content
    monkeypatch.setattr(drawing, "draw_page", None)
    assert picture("adam", version).content == first
    assert read("adam", version).status_code == 200


def test_an_old_version_keeps_its_own_page_until_its_time_is_over(cast: Cast) -> None:
    old = take_in(cast, terms())
    new = take_in(cast, terms("five"))
    assert old.document_id == new.document_id
    assert read("alice", old).content.decode().count("<rect ") == 1
    assert read("alice", new, "every lamp for five years").content.decode().count("<rect ") == 1
    with tenant_scope(cast.acme.pk):
        Original.objects.update(created_at=timezone.now() - timedelta(days=400))
        keeping.forget(0)
        assert Original.objects.count() == 2
        keeping.forget(365)
        assert list(Original.objects.values_list("pk", flat=True)) == [new.original_id]
        assert PagePicture.objects.exclude(original=new.original_id).count() == 0
    page = read("alice", old).content.decode()
    assert "<rect " not in page
    assert "<mark" in page
    assert picture("alice", old).status_code == 404


def test_a_file_lies_there_once_and_can_be_read_again(cast: Cast) -> None:
    version = take_in(cast, terms())
    with tenant_scope(cast.acme.pk):
        assert bytes(StoredFile.objects.get().data) == b""
        Document.objects.update(state="pending")
    assert index_document(cast.acme.pk, str(version.document_id)) == "indexed"
    with tenant_scope(cast.acme.pk):
        assert Original.objects.count() == 1
        assert DocumentVersion.objects.filter(original=Original.objects.get()).count() == 2
        Document.objects.all().delete()
        assert Original.objects.count() == 0
