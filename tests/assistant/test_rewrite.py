"""Follow-ups, made to stand alone with the packaged embedding model."""

from __future__ import annotations

import pytest

from assistant.pipeline.prompt import Turn
from assistant.pipeline.rewrite import standalone
from gateway import connections


async def rewritten(question: str, *before: str) -> str:
    history = [turn for text in before for turn in (Turn("user", text), Turn("assistant", "An answer."))]
    return await standalone(question, history, lambda texts: connections._embed_unaudited(list(texts)))


@pytest.mark.parametrize(
    ("before", "follow_up", "expected"),
    [
        ("Can I get a refund for a yearly plan?", "And what about monthly?", "Can I get a refund for a monthly plan?"),
        ("What does delivery to France cost?", "How about to Switzerland?", "What does delivery to switzerland cost?"),
        ("How long are deleted photos kept?", "and videos?", "How long are deleted videos kept?"),
        ("Is support open on weekdays?", "What about the weekends?", "Is support open on weekends?"),
    ],
)
async def test_a_words_like_takes_its_place(before: str, follow_up: str, expected: str) -> None:
    assert await rewritten(follow_up, before) == expected


@pytest.mark.parametrize(
    ("before", "follow_up"),
    [
        ("Can I get a refund for a yearly plan?", "How long does it take?"),
        ("How do I find my password?", "And what about invoices?"),
        ("Do I need an account to start?", "And how much is that?"),
    ],
)
async def test_where_nothing_is_alike_the_new_words_weigh_more(before: str, follow_up: str) -> None:
    assert await rewritten(follow_up, before) == f"{follow_up} {before} {follow_up}"


async def test_a_question_that_leans_on_nothing_is_left_alone() -> None:
    question = "How do I change my password?"
    assert await rewritten(question, "Can I get a refund for a yearly plan?") == question
    assert await rewritten("And what about monthly?") == "And what about monthly?"


async def test_a_follow_up_of_a_follow_up_keeps_the_topic() -> None:
    before = ("Can I get a refund for a yearly plan?", "And what about monthly?")
    asked = await rewritten("How long does it take?", *before)
    assert asked == "How long does it take? Can I get a refund for a monthly plan? How long does it take?"
