"""Passages: exact, whole, of a sensible size, and aware of the document's structure."""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from knowledge.converters import convert
from knowledge.pieces import count_words
from knowledge.splitter import split
from knowledge.types import BlockKind, ConvertedDocument

WORDS = st.text(alphabet="abc dé.!?,:\n|-1日本。", min_size=1, max_size=400)
BLOCKS = st.lists(
    st.tuples(st.sampled_from(["# ", "## ", "### ", "", "", "", "- ", "1. "]), WORDS), min_size=1, max_size=25
)


def _document(blocks: list[tuple[str, str]]) -> ConvertedDocument:
    source = "\n\n".join(mark + text.replace("\n", " " if mark else "\n") for mark, text in blocks)
    return convert(("Start here.\n\n" + source).encode(), name="any.md")


def _markdown(text: str) -> ConvertedDocument:
    return convert(text.encode(), name="article.md")


def _sentences(count: int, word: str = "word") -> str:
    return " ".join(f"This is sentence number {index} about the {word} of it." for index in range(count))


@settings(max_examples=150, deadline=None)
@given(BLOCKS, st.integers(10, 200))
def test_passages_are_exact_ordered_and_leave_nothing_out(blocks: list[tuple[str, str]], size: int) -> None:
    document = _document(blocks)
    chunks = split(document, max_words=size)
    assert chunks == split(document, max_words=size)
    at = 0
    covered: set[int] = set()
    for chunk in chunks:
        assert chunk.text == document.text[chunk.start : chunk.end] == chunk.text.strip() != ""
        assert chunk.start >= at
        at = chunk.end
        covered.update(range(chunk.start, chunk.end))
    for block in document.blocks:
        if block.kind is not BlockKind.HEADING:
            missed = [i for i in range(block.start, block.end) if i not in covered and not document.text[i].isspace()]
            assert missed == []


@settings(max_examples=100, deadline=None)
@given(BLOCKS, st.integers(20, 120))
def test_no_word_is_cut_and_no_passage_is_too_long(blocks: list[tuple[str, str]], size: int) -> None:
    document = _document(blocks)
    for chunk in split(document, max_words=size):
        before, after = document.text[: chunk.start][-1:], document.text[chunk.end :][:1]
        assert not (re.match(r"[a-z]", before) and re.match(r"[a-z]", chunk.text))
        assert not (re.match(r"[a-z]", after) and re.match(r"[a-z]", chunk.text[-1]))
        if "。" not in document.text:  # a run without spaces counts as one unit up to 2,000 characters
            assert count_words(chunk.text) <= size or len(chunk.text.split()) == 1


def test_a_section_keeps_its_heading_and_names_its_path() -> None:
    document = _markdown(f"# Hub\n\n{_sentences(14)}\n\n## Lights\n\n### Amber\n\n{_sentences(14, 'light')}")
    first, second = split(document)
    assert first.heading_path == ()
    assert first.text.startswith("This is sentence number 0")
    assert second.heading_path == ("Lights", "Amber")
    assert second.text.startswith("Lights\n\nAmber\n\nThis is")


def test_small_sections_join_their_siblings_under_the_parent_that_they_share() -> None:
    faq = "\n\n".join(f"### Question {n}?\n\nA short answer of seven words." for n in range(6))
    document = _markdown(f"# Help\n\n{_sentences(14)}\n\n## FAQ\n\n{faq}\n\n## Refunds\n\n{_sentences(14)}")
    chunks = split(document)
    assert [chunk.heading_path for chunk in chunks] == [(), ("FAQ",), ("Refunds",)]
    assert all(count_words(chunk.text) >= 25 for chunk in chunks)


def test_a_long_paragraph_is_cut_at_sentence_ends_and_leaves_no_crumb() -> None:
    chunks = split(_markdown(_sentences(60)))
    sizes = [count_words(chunk.text) for chunk in chunks]
    assert all(chunk.text.endswith("of it.") for chunk in chunks)
    assert max(sizes) <= 180
    assert min(sizes) >= 90


def test_a_long_list_is_cut_between_items_and_a_short_one_never() -> None:
    items = "\n".join(f"- Item number {n} says something useful here" for n in range(60))
    for chunk in split(_markdown(items)):
        assert chunk.text.startswith("- Item")
        assert chunk.text.endswith("here")
    document = _markdown(f"{_sentences(17)}\n\nDo this:\n\n" + "\n".join(f"{n}. Step" for n in range(1, 9)))
    assert any("Do this:\n\n1. Step" in chunk.text and "8. Step" in chunk.text for chunk in split(document))


def test_a_long_table_is_cut_between_rows() -> None:
    rows = "\n".join(f"| Plan {n} | {n} GB of storage | {n} euros a month |" for n in range(80))
    chunks = split(_markdown("| Plan | Storage | Price |\n|---|---|---|\n" + rows))
    assert len(chunks) > 1
    assert all(line.count(" | ") == 2 for chunk in chunks for line in chunk.text.split("\n"))


def test_a_word_is_cut_only_beyond_two_thousand_characters() -> None:
    document = convert(("x" * 1_900 + " and " + "y" * 5_000).encode(), name="key.txt")
    texts = [chunk.text for chunk in split(document, max_words=60)]
    assert "x" * 1_900 in " ".join(texts)
    assert all(len(word) <= 2_000 for text in texts for word in text.split())


def test_overlap_repeats_whole_words_of_the_same_section_only() -> None:
    document = _markdown(f"{_sentences(60)}\n\n## Next\n\n{_sentences(12)}")
    plain, lapped = split(document), split(document, overlap_words=20)
    assert [chunk.end for chunk in plain] == [chunk.end for chunk in lapped]
    for before, after in zip(plain, lapped, strict=True):
        assert 0 <= count_words(after.text) - count_words(before.text) <= 20
        assert after.text == document.text[after.start : after.end]
    assert lapped[-1].text.startswith("Next")


def test_a_title_alone_is_still_a_passage() -> None:
    assert [chunk.text for chunk in split(_markdown("# Only a title"))] == ["Only a title"]
