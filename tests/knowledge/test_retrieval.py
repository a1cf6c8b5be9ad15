"""What is found, for whom, and in which order."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from accounts.models import Tenant
from accounts.tenancy import tenant_scope
from gateway import client
from gateway.types import Caller
from knowledge.models import Document
from knowledge.retrieval.language import is_english, spaced
from knowledge.retrieval.ranker import Question, hybrid, ranked
from knowledge.retrieval.retriever import Stage, retrieve
from knowledge.types import Hit
from tests.conftest import Cast

Learn = Callable[..., None]
ALL = ("public", "signed_in", "internal")


def _ask(tenant: Tenant, question: str, *, see: Sequence[str] = ALL, stage: Stage = "ranked") -> list[Hit]:
    (vector,) = client.embed_sync(Caller(tenant_id=tenant.pk, purpose="test"), [question], kind="query")
    with tenant_scope(tenant.pk):
        return retrieve(question, vector, tenant_id=tenant.pk, visibilities=see, stage=stage)


def test_the_article_that_answers_comes_first(cast: Cast, learn: Learn) -> None:
    learn(
        ("Return a parcel", "Send a parcel back within 30 days. Print the label in your account."),
        ("Change your password", "Open the settings and choose a new password of ten characters."),
        ("Opening hours", "The shop is open from nine to five, on Saturdays until noon."),
    )
    hits = _ask(cast.acme, "How can I send something back?")
    assert hits[0].title == "Return a parcel"
    assert hits[0].score == hits[0].scores["ranked"]
    assert -1 <= hits[0].scores["dense"] <= 1


def test_a_rare_word_is_found_by_its_letters(cast: Cast, learn: Learn) -> None:
    learn(
        ("Errors one", "The error KX-4471 means that the drive is full."),
        ("Errors two", "The error QP-9903 means that the cable is loose."),
    )
    assert "KX-4471" in _ask(cast.acme, "kx-4471", stage="keyword")[0].text
    assert len(_ask(cast.acme, "kx-4471", stage="keyword")) == 1


@pytest.mark.threat("T1")
def test_what_one_may_not_read_is_not_even_a_candidate(cast: Cast, learn: Learn) -> None:
    learn(("Refund exceptions", "Agents may refund after 60 days."), visibility="internal")
    learn(("Refunds", "Refunds are paid within 30 days."))
    learn(("Refund rules of another company", "Refunds never."), tenant=cast.mallory_co)
    for stage in ("dense", "keyword", "hybrid", "ranked"):
        assert [hit.title for hit in _ask(cast.acme, "refund", see=["public"], stage=stage)] == ["Refunds"]
    assert len(_ask(cast.acme, "refund")) == 2


def test_a_question_of_no_words_and_an_empty_base_are_no_error(cast: Cast, learn: Learn) -> None:
    assert _ask(cast.acme, "anything") == []
    learn(("Refunds", "Refunds are paid within 30 days."))
    assert len(_ask(cast.acme, "???")) == 1
    assert _ask(cast.acme, "???", stage="keyword") == []


def test_chinese_is_searched_by_pairs_of_characters(cast: Cast, learn: Learn) -> None:
    learn(("退货", "您可以在三十天内退货。"), ("发票", "发票每月通过电子邮件发送。"))
    assert _ask(cast.acme, "如何收到发票", stage="keyword")[0].title == "发票"
    assert _ask(cast.acme, "如何收到发票")[0].title == "发票"


def test_documents_know_their_own_vectors_and_titles(cast: Cast, learn: Learn) -> None:
    learn(("Refunds", "Refunds are paid within 30 days."))
    with tenant_scope(cast.acme.pk):
        document = Document.objects.get()
    assert document.embedding is not None
    assert document.title_embedding is not None


@pytest.mark.parametrize(
    ("text", "english"),
    [
        ("How do I reset my password?", True),
        ("KX-4471", True),
        ("", True),
        ("Wie setze ich mein Passwort zurück?", False),
        ("¿Cómo cambio mi contraseña?", False),
        ("Comment changer mon mot de passe ?", False),
        ("如何重置密码？", False),
        ("Как сбросить пароль?", False),
        ("كيف أغير كلمة المرور؟", False),
    ],
)
def test_the_language_of_a_question(text: str, english: bool) -> None:
    assert is_english(text) is english


def test_only_scripts_without_spaces_are_cut() -> None:
    assert spaced("plain text, déjà vu") == "plain text, déjà vu"
    assert spaced("用户abc").split() == ["用户", "abc"]
    assert spaced("退货单").split() == ["退货", "货单"]


def _question(terms: int = 5, *, english: bool = True, best: float = 4.0) -> Question:
    return Question(terms=terms, english=english, best_keyword=best, most_keyword=20.0)


def test_a_keyword_match_says_less_the_longer_the_question() -> None:
    short, long = _question(5), _question(50)
    assert hybrid(short, 0.5, 4.0) > hybrid(long, 0.5, 4.0) > hybrid(long, 0.5, 0.0)
    assert short.share(4.0) == 1.0
    assert _question(best=0.0).share(0.0) == 0.0


SIGNS = {"dense": 0.5, "share": 0.2, "coverage": 0.1, "document": 0.4, "title": 0.3}


@pytest.mark.parametrize("sign", ["dense", "share", "document", "title"])
def test_each_sign_speaks_for_a_passage(sign: str) -> None:
    assert ranked(_question(), {**SIGNS, sign: 0.6}) > ranked(_question(), SIGNS)


def test_in_another_language_a_match_of_one_stray_word_says_little() -> None:
    question = _question(english=False, best=2.0)
    whole, stray = question.coverage(18.0), question.coverage(2.0)
    assert question.share(2.0) == 1.0
    assert (whole, stray) == (0.9, 0.1)
    near = ranked(question, {**SIGNS, "dense": 0.6, "document": 0.6, "coverage": 0.0})
    assert ranked(question, {**SIGNS, "coverage": whole}) > near


def test_a_word_that_no_article_has_lowers_the_coverage_of_all(cast: Cast, learn: Learn) -> None:
    learn(("Refunds", "Refunds are paid within 30 days."), ("Parcels", "Parcels travel by rail."))
    (known,) = _ask(cast.acme, "refunds paid", stage="keyword")
    (with_unknown,) = _ask(cast.acme, "refunds paid zanzibar", stage="keyword")
    assert known.scores["keyword"] == with_unknown.scores["keyword"]
    assert 1 >= known.scores["coverage"] > with_unknown.scores["coverage"] > 0
