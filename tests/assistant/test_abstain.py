"""Whether what was found can hold the answer, as far as words tell."""

from __future__ import annotations

import pytest

from assistant.pipeline.abstain import signs, too_weak
from knowledge.types import Hit

TEXT = "A hub has two slots for drives.\n\nPlan | Guests\nFree | 3\nStudio | 40\n\nIt hums when it is idle."


def hit(text: str = TEXT, cosine: float = 0.6) -> Hit:
    return Hit(1, "d", "v", "The hub", "", "public", text, 0, len(text), (), None, cosine, {"dense": cosine})


@pytest.mark.parametrize(
    ("question", "uncounted"),
    [
        ("How many slots does the hub have?", 0),
        ("How many guests does the Studio plan take?", 0),  # the thing stands in the table's first row
        ("How many visitors does the Studio plan take?", 0),  # a word near it
        ("How many watts does the hub draw when idle?", 1),
        ("Does the hub hum?", 0),
    ],
)
def test_what_is_to_be_counted_must_stand_beside_a_number(question: str, uncounted: int) -> None:
    assert signs(question, [hit()]).uncounted == uncounted


def test_words_that_are_near_speak_for_an_answer() -> None:
    shipping = hit("Delivery is free for orders of 300 euros or more.")
    other = hit("The album keeps the order of its pictures.")
    question = "From what basket total is postage free?"
    assert signs(question, [shipping]).likeness > signs(question, [other]).likeness + 0.05


def test_nothing_found_and_something_far_are_told_apart() -> None:
    assert too_weak("Where is my parcel?", []) == "nothing_found"
    assert too_weak("Where is my parcel?", [hit(cosine=0.1)]) == "too_little_evidence"
    assert too_weak("Does the hub hum when it is idle?", [hit(cosine=0.7)]) == ""
