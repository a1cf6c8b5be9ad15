"""What `make run` sets up, as those who come to it first see it."""

from __future__ import annotations

from pathlib import Path

from django.test import Client

from config import demo
from knowledge.importing import import_path
from tests.conftest import TestDatabase


def test_the_demo_asks_questions_and_not_titles(live_db: TestDatabase, tmp_path: Path) -> None:
    (tmp_path / "stop.md").write_text("# Stop sharing a folder\n\nChoose Share, then Stop sharing.\n")
    tenant, passwords = demo.make_tenant("demo")
    import_path(tmp_path, tenant, source_name="articles", quiet=True)
    client = Client()
    assert client.login(email="customer@demo.example", password=passwords["customer@demo.example"])
    page = client.get("/t/demo/").content.decode()
    assert all(question in page for question in demo.EXAMPLES)


def test_a_knowledge_base_of_ones_own_gives_the_help_centre_its_name(live_db: TestDatabase, tmp_path: Path) -> None:
    own = tmp_path / "garden_tools"
    own.mkdir()
    tenant, _passwords = demo.make_tenant("kb", own)
    assert tenant.name == "Garden Tools"
    assert tenant.example_questions == ""


def test_what_exists_keeps_its_name_and_its_passwords(live_db: TestDatabase, tmp_path: Path) -> None:
    demo.make_tenant("kb", tmp_path / "first")
    tenant, passwords = demo.make_tenant("kb", tmp_path / "second")
    assert tenant.name == "First"
    assert passwords == {}
