"""Documents that want to reach out of their place: to the network, or to the file system."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from accounts.tenancy import tenant_scope
from knowledge.converters import convert
from knowledge.importing import import_path
from knowledge.indexing import Incoming, accept
from knowledge.models import Document, Source
from knowledge.tasks import index_document
from tests.conftest import Cast

ADDRESS = "http://127.0.0.1:9/x"
REACHING = {
    "a.md": f"# Lamps\n\n![p]({ADDRESS}.png) [l]({ADDRESS}) <{ADDRESS}> text\n\n[r]: {ADDRESS}\n\n<img src={ADDRESS}>",
    "a.html": f"""<!DOCTYPE html SYSTEM '{ADDRESS}.dtd'><html><head><link rel=stylesheet href={ADDRESS}.css>
        <base href={ADDRESS}><meta http-equiv=refresh content='0;url={ADDRESS}'></head>
        <body><p>text <img src={ADDRESS}.png srcset='{ADDRESS} 2x'><iframe src={ADDRESS}></iframe>
        <object data={ADDRESS}></object><svg><image href={ADDRESS} /></svg></body></html>""",
}


@pytest.fixture
def dialled(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every attempt to find or reach another machine."""
    attempts: list[Any] = []

    def note(*args: Any, **more: Any) -> Any:
        attempts.append(args)
        raise OSError("not in this test")

    monkeypatch.setattr(socket, "getaddrinfo", note)
    monkeypatch.setattr(socket.socket, "connect", note)
    return attempts


@pytest.mark.threat("S10")
@pytest.mark.parametrize("name", sorted(REACHING))
def test_what_a_document_points_at_is_never_fetched(dialled: list[Any], name: str) -> None:
    assert "text" in convert(REACHING[name].encode(), name=name).text
    assert dialled == []
    with pytest.raises(OSError, match="not in this test"):
        socket.create_connection(("127.0.0.1", 9))


@pytest.mark.threat("F4")
@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "C:\\CON.md", "..", "a\x00.md", "nul\r\n.md"])
def test_a_files_name_is_mere_text(cast: Cast, tmp_path: Path, name: str) -> None:
    before = sorted(settings.GATEWAY.data_dir.rglob("*"))
    with tenant_scope(cast.acme.pk):
        source = Source.objects.create(tenant=cast.acme, name="uploads")
        document = accept(source, Incoming(name, name, b"Lamps are blue."))
    assert document is not None
    assert index_document(cast.acme.pk, str(document.pk)) == "indexed"
    with tenant_scope(cast.acme.pk):
        assert Document.objects.get().file.name == name.replace("\x00", "")
    after = sorted(settings.GATEWAY.data_dir.rglob("*"))
    assert [path for path in after if path not in before and "anchor" not in str(path)] == []


@pytest.mark.threat("F4", "F7")
def test_a_corpus_with_odd_ids_is_imported(cast: Cast, tmp_path: Path) -> None:
    rows = [
        {"id": "a\x00b", "title": "Lamp\x00s", "text": "Lamps are blue."},
        {"id": "../../c", "title": "Cables", "text": "Cables are red."},
    ]
    path = tmp_path / "corpus.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows))
    import_path(path, cast.acme, source_name="corpus", quiet=True)
    with tenant_scope(cast.acme.pk):
        assert sorted(Document.objects.values_list("external_id", "title")) == [("../../c", "Cables"), ("ab", "Lamps")]
