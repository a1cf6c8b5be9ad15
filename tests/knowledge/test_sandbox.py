"""What a parser can do when its document has taken it over: give a wrong text, and nothing else."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from accounts.tenancy import tenant_scope
from knowledge import checks, conversion
from knowledge.errors import ConversionTimeout, ConverterBroke, KnowledgeError
from knowledge.indexing import Incoming, accept
from knowledge.models import Document, Source, State
from knowledge.sandbox import seccomp
from knowledge.sandbox.limits import MEGABYTE, Limits
from knowledge.sandbox.pool import Pool
from knowledge.sandbox.wire import Nonsense, read_answer
from knowledge.tasks import index_document
from tests.conftest import Cast

TIGHT = Limits(
    processes=2, wall_seconds=3, cpu_seconds=1, memory_bytes=200 * MEGABYTE, output_bytes=MEGABYTE, documents=20
)
filtered = pytest.mark.skipif(not seccomp.available(), reason="this kernel has no system call filters")


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    pool = Pool(TIGHT, converter="tests.knowledge.misbehaving")
    yield pool
    pool.close()


def do(pool: Pool, deed: str, *, name: str = "a", owner: str = "us") -> str:
    return pool.convert(deed.encode(), name=name, owner=owner).text


@pytest.mark.threat("F2")
@pytest.mark.parametrize(
    ("deed", "code"),
    [
        ("spin", "conversion_timeout"),
        ("sleep", "conversion_timeout"),
        ("eat", "conversion_memory"),
        ("eat unseen", "conversion_memory"),
        ("crash", "conversion_crashed"),
        ("leave", "conversion_crashed"),
        ("talk", "conversion_output"),
        ("forge", "conversion_crashed"),
        ("bug", "converter_broke"),
    ],
)
def test_what_oversteps_has_its_own_code_and_the_next_document_is_converted(pool: Pool, deed: str, code: str) -> None:
    started = time.monotonic()
    with pytest.raises(KnowledgeError) as caught:
        do(pool, deed)
    assert caught.value.code == code
    assert time.monotonic() - started < TIGHT.wall_seconds + 10
    assert do(pool, "behave") == "behaved"


@pytest.mark.threat("F2", "F3", "S10")
@pytest.mark.parametrize("deed", ["fork", "run", "open", "look", "write", "dial", "kill parent", "make code"])
@filtered
def test_a_parser_that_was_taken_over_reaches_nothing(pool: Pool, deed: str) -> None:
    with pytest.raises(ConverterBroke, match=r"PermissionError|OSError"):
        do(pool, deed)
    assert do(pool, "behave") == "behaved"


@pytest.mark.threat("T12", "F2")
def test_no_secret_is_where_a_parser_could_find_it(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-a-secret")
    own = Pool(TIGHT, converter="tests.knowledge.misbehaving")
    try:
        assert set(do(own, "environment").split()) <= {"LANG", "LC_CTYPE"}
        assert do(own, "django") == "False"
    finally:
        own.close()


@pytest.mark.threat("T1", "F2")
def test_no_process_sees_documents_of_two_owners(pool: Pool) -> None:
    do(pool, "behave", name="salaries", owner="acme")
    assert "salaries" not in do(pool, "remember", name="mine", owner="mallory")
    assert "salaries" not in do(pool, "remember", name="mine", owner="third")


def test_a_process_is_used_again_and_replaced_in_time(pool: Pool) -> None:
    served = [do(pool, "who", owner="reuse") for _ in range(2 * TIGHT.documents)]
    assert 2 <= len(set(served)) <= 4
    assert str(os.getpid()) not in served


def test_threads_convert_beside_each_other(pool: Pool) -> None:
    together = threading.Barrier(2)

    def one(deed: str) -> str:
        together.wait()
        try:
            return do(pool, deed, owner=deed)
        except ConversionTimeout:
            return "stopped"

    with ThreadPoolExecutor(2) as threads:
        slow = threads.submit(one, "sleep")
        started = time.monotonic()
        assert threads.submit(one, "behave").result() == "behaved"
        assert time.monotonic() - started < TIGHT.wall_seconds
        assert slow.result() == "stopped"


def test_a_document_does_not_pay_for_what_one_before_it_left_behind(pool: Pool) -> None:
    assert [do(pool, "leak", owner="leaky") for _ in range(5)] == ["leaked"] * 5


@pytest.mark.threat("F2")
def test_the_pool_survives_the_death_of_all_of_its_processes(pool: Pool) -> None:
    assert do(pool, "behave") == "behaved"
    assert pool._template is not None
    pool._template._process.kill()
    pool._template._process.wait()
    assert do(pool, "behave") == "behaved"


def test_a_fork_makes_a_pool_of_its_own_and_leaves_ours_alone(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """As Celery's worker processes are made."""
    monkeypatch.setattr(conversion, "_pools", [pool])
    ours = do(pool, "who")
    child = os.fork()
    if child == 0:
        text = ""
        try:
            text = conversion.convert(b"# Lamps", name="a.md").text
            conversion.shared().close()
        finally:
            os._exit(0 if text == "Lamps" else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert do(pool, "who") == ours


@pytest.mark.threat("F2")
@pytest.mark.parametrize(
    "answer",
    [
        "[]",
        "{}",
        "[" * 100_000,
        '{"error": "SystemExit"}',
        '{"error": ["conversion_failed"]}',
        '{"text": "\\ud800", "blocks": [], "title": "", "metadata": {}, "warnings": []}',
        '{"text": "ab", "blocks": [["code", 0, 3, 0, null]], "title": "", "metadata": {}, "warnings": []}',
        '{"text": "ab", "blocks": [["code", 1, 2, 0, null], ["code", 0, 1, 0, null]], "title": "", "metadata": {},'
        ' "warnings": []}',
        '{"text": "ab", "blocks": [["eval", 0, 1, 0, null]], "title": "", "metadata": {}, "warnings": []}',
        '{"text": "ab", "blocks": [[[], 0, 1, 0, null]], "title": "", "metadata": {}, "warnings": []}',
        '{"text": "ab", "blocks": [["code", 0, 1, true, null]], "title": "", "metadata": {}, "warnings": []}',
        '{"text": "ab", "blocks": [], "title": 1, "metadata": {}, "warnings": []}',
        '{"text": "ab", "blocks": [], "title": "", "metadata": {"role": "admin"}, "warnings": []}',
        '{"text": "ab", "blocks": [], "title": "", "metadata": {}, "warnings": [7]}',
        '{"pixels": "", "width": 9000000, "height": 1, "characters": "", "boxes": [], "size": [1, 1], "pages": 1}',
        '{"pixels": "!", "width": 1, "height": 1, "characters": "", "boxes": [], "size": [1, 1], "pages": 1}',
        '{"pixels": "", "width": 1, "height": 1, "characters": "a", "boxes": [], "size": [1, 1], "pages": 1}',
        '{"pixels": "", "width": 1, "height": 1, "characters": "a", "boxes": [[0, 0, 1, -1]], "size": [1, 1],'
        ' "pages": 1}',
    ],
)
def test_an_answer_that_no_converter_gives_is_refused(answer: str) -> None:
    with pytest.raises(Nonsense):
        read_answer(answer.encode())


@pytest.mark.threat("F2")
@pytest.mark.parametrize(
    ("number", "deed", "code"),
    [(2, "behave", "conversion_crashed"), (1, "spin", "conversion_timeout"), (1, "open", "converter_broke")],
)
def test_a_page_is_drawn_within_the_same_walls(pool: Pool, number: int, deed: str, code: str) -> None:
    assert pool.draw(b"behave", number=1, width=2).pixels == b"\x00" * 12
    with pytest.raises(KnowledgeError) as caught:
        pool.draw(deed.encode(), number=number, width=2)
    assert caught.value.code == code


@pytest.mark.threat("F2")
@pytest.mark.parametrize(("deed", "code"), [("sleep", "conversion_timeout"), ("eat", "conversion_memory")])
def test_the_documents_row_says_what_became_of_it(
    cast: Cast, monkeypatch: pytest.MonkeyPatch, pool: Pool, deed: str, code: str
) -> None:
    monkeypatch.setattr(conversion, "_pools", [pool])
    with tenant_scope(cast.acme.pk):
        source = Source.objects.create(tenant=cast.acme, name="uploads")
        document = accept(source, Incoming("a", "a.md", deed.encode()))
    assert document is not None
    assert index_document(cast.acme.pk, str(document.pk)) == State.FAILED
    with tenant_scope(cast.acme.pk):
        row = Document.objects.get()
    assert (row.error_code, row.lease_until) == (code, None)
    assert row.error_hint


def test_missing_walls_are_told_to_the_operator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seccomp, "available", lambda: False)
    assert [each.id for each in checks.converters_are_confined(None)] == ["knowledge.W001"]
