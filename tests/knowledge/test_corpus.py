"""The number by which a document is known to be newer than an answer."""

from __future__ import annotations

from collections.abc import Callable

from accounts.tenancy import tenant_scope
from knowledge import corpus
from knowledge.indexing import remove
from knowledge.models import Document
from tests.conftest import Cast


def test_every_change_of_what_can_be_found_is_a_higher_number(cast: Cast, learn: Callable[..., None]) -> None:
    def numbers() -> tuple[int, dict[str, int]]:
        with tenant_scope(cast.acme.pk):
            return corpus.number(cast.acme.pk), dict(Document.objects.values_list("title", "corpus"))

    assert numbers() == (0, {})
    learn(("Returns", "Within 30 days."), ("Warranty", "Two years."))
    assert numbers() == (2, {"Returns": 1, "Warranty": 2})
    learn(("Returns", "Within 60 days."))
    assert numbers() == (3, {"Returns": 3, "Warranty": 2})
    with tenant_scope(cast.acme.pk):
        remove(Document.objects.get(title="Warranty"))
    assert numbers() == (4, {"Returns": 3, "Warranty": 4})
    learn(("Returns", "Within 10 days."), tenant=cast.mallory_co)
    assert numbers()[0] == 4
