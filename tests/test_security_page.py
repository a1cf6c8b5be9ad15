"""docs/security.md names tests that exist and carry the id, and leaves out no id that a test carries."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

TESTS = Path(__file__).parent
PAGE = TESTS.parent / "docs" / "security.md"
COUNTS = {"S": 10, "F": 9, "O": 8, "P": 9, "T": 12, "B": 6, "V": 10, "R": 12, "A": 4}


def rows() -> dict[str, list[str]]:
    """Per id, the tests that its row names."""
    cells = [re.split(r" \| ", line.strip("| ")) for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    return {cell[0]: re.findall(r"`(\S+?::\w+)`", cell[-1]) for cell in cells if re.fullmatch(r"[A-Z]\d+", cell[0])}


def ids_of(node: ast.AST) -> set[str]:
    """The ids in every `pytest.mark.threat(…)` below the node."""
    calls = [each for each in ast.walk(node) if isinstance(each, ast.Call)]
    marks = [call for call in calls if ast.unparse(call.func) == "pytest.mark.threat"]
    return {str(ast.literal_eval(argument)) for call in marks for argument in call.args}


@cache
def marked() -> dict[str, set[str]]:
    """Per test, as `file.py::name` below tests/, its ids; those that the module or class carries too."""
    found: dict[str, set[str]] = {}
    for path in sorted(TESTS.rglob("test_*.py")):
        module = ast.parse(path.read_text())
        shared = set().union(*(ids_of(each) for each in module.body if isinstance(each, ast.Assign)))
        for node in ast.walk(module):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                own = set().union(*(ids_of(each) for each in node.decorator_list))
                found[f"{path.relative_to(TESTS)}::{node.name}"] = shared | own
    return found


def test_the_page_has_a_row_for_every_threat() -> None:
    assert set(rows()) == {f"{letter}{number}" for letter in COUNTS for number in range(1, COUNTS[letter] + 1)}


def test_every_test_that_the_page_names_exists_and_carries_the_id() -> None:
    wrong = [(i, test) for i, tests in rows().items() for test in tests if i not in marked().get(test, set())]
    assert wrong == []


def test_every_id_that_a_test_carries_is_on_the_page() -> None:
    assert set().union(*marked().values()) <= set(rows())
