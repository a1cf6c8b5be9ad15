"""How saved answers are shown, where the pages do not show it themselves."""

from __future__ import annotations

from assistant.presenting import paragraphs


def test_an_item_quoted_from_a_list_is_shown_with_a_bullet_and_kept_as_it_was_written() -> None:
    final = {"sentences": [{"text": "- One refund per account.", "supported": True, "citations": []}]}
    ((sentence,),) = paragraphs(final, "acme")
    assert sentence.runs == [("• One refund per account.", False)]
    assert sentence.text == "- One refund per account."
