"""Many documents at once: one that fails stops no other."""

from __future__ import annotations

import json
from pathlib import Path

import psycopg
import pytest
from django.core.management import CommandError, call_command

from accounts.tenancy import tenant_scope
from knowledge import indexing
from knowledge.importing import import_path
from knowledge.models import Document, Passage, State
from knowledge.types import ConvertedDocument
from tests.conftest import Cast, TestDatabase


def _corpus(folder: Path, *rows: dict[str, str]) -> Path:
    path = folder / "corpus.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def broken_converter(monkeypatch: pytest.MonkeyPatch) -> None:
    """A converter with a bug that one document brings to light."""
    convert = indexing.convert

    def breaks(data: bytes, *, name: str, media_type: str = "", owner: str = "") -> ConvertedDocument:
        if b"poison" in data:
            raise IndexError("list index out of range")
        return convert(data, name=name, media_type=media_type, owner=owner)

    monkeypatch.setattr(indexing, "convert", breaks)


@pytest.mark.threat("F7")
def test_a_bug_in_a_converter_fails_its_own_document_alone(
    cast: Cast, tmp_path: Path, broken_converter: None, caplog: pytest.LogCaptureFixture
) -> None:
    path = _corpus(
        tmp_path,
        {"id": "a", "title": "Refunds", "text": "Refunds are paid within 30 days."},
        {"id": "b", "title": "Bad", "text": "This is poison."},
        {"id": "c", "title": "Parcels", "text": "A parcel takes three days."},
    )
    report = import_path(path, cast.acme, source_name="corpus", quiet=True)
    assert (report.counts["indexed"], report.counts["failed"]) == (2, 1)
    (failure,) = report.failures
    assert (failure["name"], failure["code"]) == ("b", "converter_broke")
    assert "IndexError" in caplog.text  # where it broke stands in the log, not on the document
    with tenant_scope(cast.acme.pk):
        row = Document.objects.get(external_id="b")
        assert (row.state, row.error_code) == (State.FAILED, "converter_broke")
        assert Passage.objects.count() == 2


def test_a_second_import_takes_only_what_changed(cast: Cast, tmp_path: Path) -> None:
    rows = [{"id": str(n), "title": f"Article {n}", "text": f"What article {n} says."} for n in range(40)]
    path = _corpus(tmp_path, *rows)
    assert import_path(path, cast.acme, source_name="corpus", quiet=True).counts["indexed"] == 40
    rows[7]["text"] = "What it says now."
    report = import_path(_corpus(tmp_path, *rows[:39]), cast.acme, source_name="corpus", quiet=True)
    assert report.as_json() | {"seconds": 0} == {
        "indexed": 1, "unchanged": 38, "failed": 0, "removed": 1, "passages": 39, "failures": [], "seconds": 0,
    }  # fmt: skip


def test_a_number_is_not_embedded_as_a_title_but_words_are(cast: Cast, tmp_path: Path) -> None:
    path = _corpus(
        tmp_path,
        {"id": "835661937_8353-9051-0-698", "text": "The gate code changes every spring."},
        {"id": "reset-your-hub", "text": "Hold the button for ten seconds."},
    )
    import_path(path, cast.acme, source_name="corpus", quiet=True)
    with tenant_scope(cast.acme.pk):
        numbered, named = Document.objects.order_by("external_id")
    assert numbered.title_embedding is None
    assert numbered.embedding is not None
    assert named.title == "Reset your hub"
    assert named.title_embedding is not None


def test_files_that_state_no_visibility_get_that_of_their_import(cast: Cast, tmp_path: Path) -> None:
    (tmp_path / "desk.md").write_text("# Desk\n\nHow the desk is run, for those who run it.\n")
    (tmp_path / "open.md").write_text("---\nvisibility: public\n---\n# Hours\n\nWe are open from nine to five.\n")

    def visibilities(visibility: str) -> list[tuple[str, str]]:
        import_path(tmp_path, cast.acme, source_name="handbook", visibility=visibility, quiet=True)
        with tenant_scope(cast.acme.pk):
            rows = Passage.objects.order_by("document__external_id")
            return list(rows.values_list("document__external_id", "visibility"))

    assert visibilities("internal") == [("desk.md", "internal"), ("open.md", "public")]
    assert visibilities("signed_in") == [("desk.md", "signed_in"), ("open.md", "public")]


FULL_DISK = """
CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.ordinal = 1 THEN RAISE 'No space left on device' USING ERRCODE = 'disk_full'; END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER full_disk BEFORE INSERT ON knowledge_passage FOR EACH ROW EXECUTE FUNCTION full_disk();
"""


@pytest.mark.threat("R12")
def test_a_full_disk_is_said_and_leaves_nothing_half_there(cast: Cast, live_db: TestDatabase, tmp_path: Path) -> None:
    def searchable() -> list[str]:
        with tenant_scope(cast.acme.pk):
            return list(Passage.objects.order_by("document__external_id", "ordinal").values_list("text", flat=True))

    def run(*texts: str) -> list[str]:
        rows = [{"id": str(number), "title": "", "text": text} for number, text in enumerate(texts)]
        call_command("import_knowledge", str(_corpus(tmp_path, *rows)), tenant=cast.acme.slug, source="c", json=True)
        return searchable()

    old = run("It is red.", "It is green.")
    long = "# Colour\n\n" + "\n\n".join(f"Paragraph {n} says much of its colour. " * 8 for n in range(8))
    with psycopg.connect(host=str(live_db.folder), user="postgres", dbname=live_db.name, autocommit=True) as server:
        server.execute(FULL_DISK)
        try:
            with pytest.raises(CommandError, match="disk is full"):
                run("It is blue.", long)
        finally:
            server.execute("DROP FUNCTION full_disk CASCADE")
    assert searchable() == old
    assert len(run("It is blue.", long)) > 2
