"""From characters of the converted text to boxes on the page, whatever stands between the two."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from knowledge.converters import convert, draw_page
from knowledge.errors import KnowledgeError
from knowledge.pages.placing import fold, place
from knowledge.types import Block, BlockKind, Box, ConvertedDocument, PageCharacters
from tests.pdfs import Pdf


class Opened:
    """A PDF as it was converted, and its pages as they are drawn."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.document: ConvertedDocument = convert(data, name="a.pdf")
        self._pages: dict[int, PageCharacters | None] = {}

    def page(self, number: int) -> PageCharacters | None:
        if number not in self._pages:
            self._pages[number] = self._drawn(number)
        return self._pages[number]

    def _drawn(self, number: int) -> PageCharacters | None:
        try:
            return draw_page(self.data, number=number, width=60).characters
        except KnowledgeError:
            return None

    def boxes(self, quote: str, *, nth: int = 0) -> dict[int, list[Box]]:
        start = -1
        for _ in range(nth + 1):
            start = self.document.text.index(quote, start + 1)
        found = place(self.document.text, self.document.blocks, start, start + len(quote), self.page)
        assert found is not None
        return found

    def inside(self, boxes: dict[int, list[Box]]) -> str:
        """The letters whose middle lies in one of the boxes."""
        letters = ""
        for number, areas in sorted(boxes.items()):
            page = self.page(number)
            assert page is not None
            for character, (left, top, right, bottom) in zip(page.text, page.boxes, strict=True):
                x, y = (left + right) / 2, (top + bottom) / 2
                if any(a <= x <= c and b <= y <= d for a, b, c, d in areas):
                    letters += character
        return fold(letters).text


def test_the_boxes_hold_the_quoted_words_and_no_others() -> None:
    pdf = Opened(Pdf().title("Warranty").lines(["We repair every lamp for two years.", "Ask us."]).data)
    boxes = pdf.boxes("every lamp")
    assert pdf.inside(boxes) == "everylamp"
    assert [len(areas) for areas in boxes.values()] == [1]


def test_a_word_that_was_divided_is_boxed_on_both_lines() -> None:
    pdf = Opened(Pdf().lines(["The guarantee covers all trans-", "formers of the house and its garden."]).data)
    assert "transformers" in pdf.document.text
    boxes = pdf.boxes("all transformers of")
    assert pdf.inside(boxes) == "alltransformersof"
    assert len(boxes[1]) == 2


def test_the_second_of_two_equal_sentences_is_boxed_where_it_stands() -> None:
    twice = "Returns are free."
    lines = ["First part.", twice, "", "", "", "Second part is longer and has more to say.", "", "", twice]
    pdf = Opened(Pdf().lines(lines).data)
    assert pdf.document.text.count(twice) == 2
    first, second = pdf.boxes(twice)[1][0], pdf.boxes(twice, nth=1)[1][0]
    assert second[1] > first[1] + 500


def test_columns_keep_to_themselves() -> None:
    left = ["The left column speaks", "of lamps and of their", "bulbs for many lines."]
    right = ["The right column speaks", "of chairs and of their", "legs for many lines."]
    pdf = Opened(Pdf().lines(left).lines(right, x=330).data)
    boxes = pdf.boxes("of chairs and of their")[1]
    assert all(box[0] > 3000 for box in boxes)
    assert pdf.inside({1: boxes}) == "ofchairsandoftheir"


def test_each_cell_of_a_row_has_its_own_box() -> None:
    pdf = Pdf().row(["Part", "Price", "Weight"], y=700).row(["Bulb", "12 EUR", "40 g"], y=680)
    opened = Opened(pdf.row(["Shade", "30 EUR", "200 g"], y=660).data)
    boxes = opened.boxes("Shade | 30 EUR | 200 g")
    assert opened.inside(boxes) == "shade30eur200g"
    assert len(boxes[1]) == 3


@pytest.mark.parametrize("turned", [90, 180, 270])
def test_boxes_turn_with_the_page(turned: int) -> None:
    pdf = Opened(Pdf(rotated=turned).lines(["The landlord heats from October.", "The tenant pays."]).data)
    boxes = pdf.boxes("heats from")
    assert pdf.inside(boxes) == "heatsfrom"
    page = pdf.page(1)
    assert page is not None
    assert (page.size[0] > page.size[1]) == (turned in (90, 270))
    [box] = boxes[1]
    assert (box[2] - box[0] > box[3] - box[1]) == (turned == 180)


def test_a_sentence_that_goes_on_over_the_page_is_boxed_on_both() -> None:
    pdf = Pdf().lines(["A sentence that begins here and is", "long enough to go on over to"], y=100)
    opened = Opened(pdf.page().lines(["the following page, where it ends.", "", "", "And another one."]).data)
    boxes = opened.boxes("go on over to the following page")
    assert sorted(boxes) == [1, 2]
    assert opened.inside(boxes) == fold("go on over to the following page").text


def test_ligatures_and_accents_are_the_letters_they_stand_for() -> None:
    text = "The office is near the café"
    page = PageCharacters(
        "The oﬃce is near the cafe\u0301", tuple((i * 10, 0, i * 10 + 9, 20) for i in range(26)), (900, 900), 1
    )
    start = text.index("office")
    blocks = [Block(BlockKind.PARAGRAPH, 0, len(text), page=1)]
    assert place(text, blocks, start, start + 6, lambda _: page) == {1: [(40, 0, 79, 20)]}
    assert place(text, blocks, text.index("café"), len(text), lambda _: page) is not None


def test_words_that_are_not_on_the_page_have_no_place() -> None:
    pdf = Opened(Pdf().lines(["We repair every lamp for two years."]).data)
    other = "Nobody ever wrote this sentence down here."
    blocks = [Block(BlockKind.PARAGRAPH, 0, len(other), page=1)]
    assert place(other, blocks, 0, len(other), pdf.page) is None
    assert place("→", [Block(BlockKind.PARAGRAPH, 0, 1, page=1)], 0, 1, pdf.page) is None


def test_stretches_of_real_files_are_boxed_to_the_letter(shared_data: Path) -> None:
    """Every kind of PDF that its makers thought worth a test: 20 stretches of each."""
    tried = wrong = 0
    for path in sorted((shared_data / "docs" / "wellformed").rglob("*.pdf")):
        try:
            pdf = Opened(path.read_bytes())
        except KnowledgeError:
            continue
        text = pdf.document.text
        for start in range(0, len(text) - 40, max(40, len(text) // 20)):
            quote = fold(text[start : start + 40]).text
            if not quote:
                continue
            boxes = place(text, pdf.document.blocks, start, start + 40, pdf.page)
            tried += 1
            found = Counter(pdf.inside(boxes)) if boxes else Counter[str]()
            difference = (found - Counter(quote)).total() + (Counter(quote) - found).total()
            wrong += difference > 0.1 * len(quote)
    assert tried >= 50
    assert wrong == 0
