"""The script that fits the ranker's weights."""

from __future__ import annotations

import json
from pathlib import Path

import numpy
import pytest

from bench.train_ranker import Asked, Group, Question, best_first, by, fitted, fitted_without, ndcg, questions
from knowledge.retrieval.ranker import SIGNS, WEIGHTS_FILE


def _asked(text: str, telling: int, places: int, noise: numpy.random.Generator) -> Asked:
    """Document 0 answers, which the sign `telling` alone shows; the other signs are noise."""
    signs = noise.random((30, places))
    signs[:, telling] = 0.1
    signs[0, telling] = 0.9
    documents = [str(number) for number in range(30)]
    return Asked(Question(text, {"0": 1}, ""), documents, signs, {"hybrid": noise.random(30)})


@pytest.fixture
def groups() -> list[Group]:
    noise = numpy.random.default_rng(5)
    english, other = len(SIGNS["english"]), len(SIGNS["other"])
    return [
        Group(family, family, [_asked("How is it done?", 2, english, noise) for _ in range(60)])
        for family in ("first", "second")
    ] + [Group("third", "third", [_asked("Wie wird das gemacht?", 1, other, noise) for _ in range(60)])]


def test_the_sign_that_tells_gets_the_weight_in_each_language(groups: list[Group]) -> None:
    weights = fitted(groups)
    assert int(weights["english"].argmax()) == 2
    assert int(weights["other"].argmax()) == 1
    for values in weights.values():
        assert values.min() >= 0
        assert values.sum() == pytest.approx(1)
    assert min(ndcg(group, by(weights)) for group in groups) > 0.9 > ndcg(groups[0], lambda each: each.stages["hybrid"])


def test_the_set_that_is_measured_does_not_fit_its_own_weights(groups: list[Group]) -> None:
    odd = Group("odd", "odd", [each._replace(signs=each.signs[:, ::-1]) for each in groups[0].asked])
    assert fitted_without("odd", [*groups, odd])["english"].tolist() == fitted(groups)["english"].tolist()


def test_a_document_stands_where_its_best_passage_does() -> None:
    asked = Asked(Question("q", {"a": 1}, ""), ["a", "b", "a"], numpy.zeros((3, 4)), {})
    assert best_first(asked, numpy.array([0.1, 0.5, 0.9])) == [2, 1]


def test_questions_come_by_file_with_those_that_are_answered_alone(tmp_path: Path) -> None:
    rows = [
        {"text": "one", "relevant": {"a": 1}, "lang": "de"},
        {"text": "two", "relevant": {"a": 0}},
        {"text": "three", "relevant": {"b": 2}, "clean": True},
    ]
    for name in ("queries", "queries_multilingual"):
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    found = questions(tmp_path, most=10)
    assert list(found) == [tmp_path.name, f"{tmp_path.name} multilingual"]
    assert {(each.text, each.part) for each in found[tmp_path.name]} == {("one", "de"), ("three", "clean")}
    assert len(questions(tmp_path, most=1)[tmp_path.name]) == 1


def test_the_packaged_weights_name_every_sign() -> None:
    weights = json.loads(WEIGHTS_FILE.read_text(encoding="utf-8"))
    assert {language: tuple(values) for language, values in weights.items()} == SIGNS
