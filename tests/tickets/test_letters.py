"""What an agent finds in the reply box: a letter that can be sent as it is."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from accounts.tenancy import in_database, tenant_scope
from assistant.pipeline.citations import CitationParser
from assistant.pipeline.compose import Outcome
from assistant.pipeline.grounding import check
from assistant.pipeline.numbering import numbered
from gateway.types import Source, Trace
from tests.conftest import Cast
from tests.tickets.test_drafting import draft_of, in_acme, written
from tickets import actions, letters
from tickets.models import Draft, TicketMessage

PLANS = (
    "Plan | Devices\nFree | 2\nPro | 10\n\nThis article covers plans since May.\n- A device can be renamed at any time."
)
WIDE = "Plan | Storage | Price per month\nPro | 2 TB | €9"


def outcome(answer: str, *texts: str, provider: str = "extractive", question: str = "How many devices?") -> Outcome:
    sources = [Source(n, text, f"d{n}", "v", f"Article {n}", "", 0, len(text)) for n, text in enumerate(texts, 1)]
    parser = CitationParser(frozenset(range(1, len(texts) + 1)))
    pieces = [*parser.feed(answer), *parser.end()]
    trace = Trace()
    trace.provider = provider
    return Outcome(question, "answered", sentences=numbered(check(pieces, sources), sources), trace=trace)


def letter(cast: Cast, found: Outcome, to: str = "Alice Smith") -> str:
    with tenant_scope(cast.acme.pk):
        return letters.as_letter(found, to=to, sender="Acme")


def test_rows_of_a_table_are_lines_that_can_be_read_aloud(cast: Cast) -> None:
    text = letter(cast, outcome("Plan | Devices\nFree | 2 [1]\nPro | 10 [1]", PLANS))
    assert text == (
        "Hello Alice Smith,\n\nThank you for your message. This is what our help centre says:\n\n"
        "Free: 2 devices [1]\nPro: 10 devices [1]\n\nKind regards\nAcme"
    )
    wide = letter(cast, outcome("Plan | Storage | Price per month\nPro | 2 TB | €9 [1]", WIDE))
    assert "Pro – storage: 2 TB; price per month: €9 [1]" in wide


def test_greeting_and_closing_are_no_sentences_to_check(cast: Cast) -> None:
    found = outcome("Pro | 10 [1]", PLANS)
    letter(cast, found)
    assert [(each.text, each.supported) for each in found.sentences] == [("Pro: 10", True)]


def test_what_says_nothing_outside_of_its_article_is_left_out_and_not_numbered(cast: Cast) -> None:
    found = outcome(
        "This article covers plans since May. [1] Lamps are sold in boxes of two. [2]",
        PLANS,
        "Lamps are sold in boxes of two.",
    )
    assert "Lamps are sold in boxes of two. [1]" in letter(cast, found)
    assert [(each.marker, each.quote) for each in found.citations] == [(1, "Lamps are sold in boxes of two.")]


def test_a_sentence_that_merely_points_to_an_article_is_left_out(cast: Cast, learn: Callable[..., None]) -> None:
    learn(("Restore deleted files", "Open the bin and choose the file."))
    source = "Deleted files are a different matter: Restore deleted files.\nVersions are kept for ninety days."
    answer = "Deleted files are a different matter: Restore deleted files. [1]\nVersions are kept for ninety days. [1]"
    text = letter(cast, outcome(answer, source))
    assert "different matter" not in text
    assert "Versions are kept for ninety days. [1]" in text


def test_quotes_of_one_article_stand_together_in_its_order(cast: Cast) -> None:
    article, other = "Open the lamp first.\nThen change the bulb in it.", "Bulbs last for two long years."
    answer = "Then change the bulb in it. [1]\n\nBulbs last for two long years. [2]\n\nOpen the lamp first. [1]"
    text = letter(cast, outcome(answer, article, other))
    assert "Open the lamp first. [1]\nThen change the bulb in it. [1]\n\nBulbs last for two long years. [2]" in text


def test_an_item_that_stands_alone_loses_its_bullet(cast: Cast) -> None:
    text = letter(cast, outcome("- A device can be renamed at any time. [1]", PLANS))
    assert "\n\nA device can be renamed at any time. [1]" in text


@pytest.mark.threat("P9")
@pytest.mark.parametrize("name", ["", "alice@example.com", "Alice [1]", "A" * 200, "Alice\u202e<b>"])
def test_a_name_that_is_none_is_not_greeted(cast: Cast, name: str) -> None:
    assert letter(cast, outcome("Pro | 10 [1]", PLANS), to=name).startswith("Hello,\n")


def test_a_german_question_gets_a_german_letter(cast: Cast) -> None:
    german = outcome("Pro | 10 [1]", PLANS, question="Wie viele Geräte kann ich mit meinem Tarif benutzen?")
    text = letter(cast, german)
    assert text.startswith("Hallo Alice Smith,\n\nvielen Dank")
    assert text.endswith("Viele Grüße\nAcme")


def test_a_models_own_greeting_and_closing_give_way(cast: Cast) -> None:
    model = outcome("Dear Alice,\n\nPro has 10 devices [1].\n\nBest regards,\nSupport", PLANS, provider="openai")
    text = letter(cast, model)
    assert text == "Hello Alice Smith,\n\nPro has 10 devices. [1]\n\nKind regards\nAcme"
    assert all(sentence.supported for sentence in model.sentences)


async def test_a_letter_sent_as_drafted_has_no_distance_and_its_citations(
    cast: Cast, learn: Callable[..., None]
) -> None:
    await in_database(learn, ("Returning a lamp", "You can return a lamp within 30 days of delivery."))
    open_ticket = lambda: actions.open_ticket(  # noqa: E731
        actor=cast.actor("alice"), subject="My lamp", text="How long do I have to return a lamp?"
    )
    ticket = await in_database(in_acme, cast, open_ticket)
    await written(cast)
    draft: Draft = await in_database(draft_of, cast)
    assert draft.text.startswith("Hello Alice,\n\n")
    send = lambda: actions.reply(ticket, actor=cast.actor("adam"), text=draft.text, draft=draft)  # noqa: E731
    message: TicketMessage = await in_database(in_acme, cast, send)
    assert (message.distance, [each["marker"] for each in message.citations]) == (0.0, [1])
