"""Which questions count as the same, and how an answer's markers follow its sources."""

from __future__ import annotations

import pytest

from gateway.cache.check import difference
from gateway.cache.markers import numbers, renumbered


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("How do I reset my password?", "How can I reset the password, please?"),
        ("How do I return a lamp?", "I want to return my lamp. How?"),
        ("Where do I find my invoice?", "Where is my invoice?"),
        ("How do I delete my Facebook account?", "how can i delete the facebook account"),
        ("Why can't I log in?", "Why can't I log in to it?"),
        ("Can I return 2 lamps?", "Can I return two lamps?"),
    ],
)
def test_other_words_for_the_same_question_make_no_difference(one: str, other: str) -> None:
    assert difference(one, other) == difference(other, one) == ""


@pytest.mark.parametrize(
    ("one", "other", "why"),
    [
        ("Can I return a lamp?", "Can I not return a lamp?", "negation"),
        ("Can I pay with a card?", "Can I pay without a card?", "negation"),
        ("Why can't I log in?", "Why can I log in?", "negation"),
        ("Can I return it after 30 days?", "Can I return it after 14 days?", "number"),
        ("Can I return two lamps?", "Can I return three lamps?", "number"),
        ("Does it cost $5?", "Does it cost €5?", "number"),
        ("Is support part of the Free plan?", "Is support part of the Pro plan?", "choice"),
        ("Is it more than a week?", "Is it less than a week?", "choice"),
        ("How do I turn on sync?", "How do I turn off sync?", "choice"),
        ("How do I turn sync on?", "How do I turn sync off?", "choice"),
        ("How do I lock my card?", "How do I unlock my card?", "choice"),
        ("Can I pay before delivery?", "Can I pay after delivery?", "choice"),
        ("How do I sign in?", "How do I sign out?", "choice"),
        ("Is billing monthly?", "Is billing yearly?", "choice"),
        ("How long is shipping?", "How much is shipping?", "kind"),
        ("Move money from savings to checking", "Move money from checking to savings", "direction"),
        ("Can I use Larkspur with Zapier?", "Can I use Larkspur with Trello?", "name"),
        ("Does the app need iOS17?", "Does the app need it?", "name"),
        ("How do I delete my gmail?", "How do I delete my photos?", "word"),
        ("How do I delete my account?", "How do I delete my account on a tablet?", "word"),
    ],
)
def test_what_turns_an_answer_round_is_a_difference(one: str, other: str, why: str) -> None:
    assert (difference(one, other), difference(other, one)) == (why, why)


def test_an_answer_calls_its_sources_by_their_new_numbers() -> None:
    text = "Send it back [2]. Keep the receipt [1, 3]. The rest 【4】 is [sic]."
    assert numbers(text) == [2, 1, 3, 4]
    assert renumbered(text, {1: 3, 2: 1, 3: 2}) == "Send it back [1]. Keep the receipt [3][2]. The rest  is [sic]."
