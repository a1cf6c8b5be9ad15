"""How much of the true text comes out of documents, what becomes of hostile ones, and what the sandbox costs.

    .venv/bin/python bench/conversion.py DOCS [--rounds 5] [--each]

DOCS holds `manifest.jsonl`: a row for each file with `file`, `kind` (wellformed, html_article, odd, hostile)
and `truth`, the path of its text where it is known. Words are compared, lower-case, however often each stands
there; marks of Markdown in the truth do not count. Every file goes through the sandbox as in the product, with
a limit of 20 seconds, and then `--rounds` times through the converters in this process and through the sandbox by
turns, for what the sandbox adds.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from knowledge.converters import convert
from knowledge.errors import KnowledgeError
from knowledge.sandbox.limits import Limits
from knowledge.sandbox.pool import Pool

WORD = re.compile(r"\w+")
MARKS = re.compile(r"<!--.*?-->|!\[[^\]]*\]\([^)]*\)|\]\([^)]*\)|&\w+;", re.S)


def words(text: str) -> Counter[str]:
    return Counter(WORD.findall(text.lower()))


def compared(text: str, truth: str) -> tuple[float, float]:
    """(recall, precision) of the words."""
    found, true = words(text), words(MARKS.sub(" ", truth))
    shared = sum((found & true).values())
    return shared / max(sum(true.values()), 1), shared / max(sum(found.values()), 1)


def outcome(pool: Pool, data: bytes, name: str) -> tuple[str, str, float]:
    """(code, or "converted"; text; seconds)."""
    started = time.perf_counter()
    try:
        return "converted", pool.convert(data, name=name).text, time.perf_counter() - started
    except KnowledgeError as error:
        return error.code, "", time.perf_counter() - started


def overhead(pool: Pool, files: list[tuple[str, bytes]], rounds: int) -> dict[str, float]:
    inside, outside = [], []
    for _ in range(rounds):
        for name, data in files:
            started = time.perf_counter()
            convert(data, name=name)
            between = time.perf_counter()
            pool.convert(data, name=name)
            inside.append(between - started)
            outside.append(time.perf_counter() - between)
    added = [b - a for a, b in zip(inside, outside, strict=True)]
    return {
        "documents": len(files),
        "in_process_ms": round(1000 * statistics.mean(inside), 2),
        "sandbox_ms": round(1000 * statistics.mean(outside), 2),
        "added_ms_median": round(1000 * statistics.median(added), 2),
        "added_share": round(sum(outside) / sum(inside) - 1, 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("docs", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--each", action="store_true", help="a line for each file")
    options = parser.parse_args()
    rows = [json.loads(line) for line in (options.docs / "manifest.jsonl").read_text().splitlines()]
    pool = Pool(Limits(wall_seconds=20, cpu_seconds=20))
    measured: dict[str, list[tuple[float, float]]] = defaultdict(list)
    codes: dict[str, Counter[str]] = defaultdict(Counter)
    slowest = 0.0
    readable: list[tuple[str, bytes]] = []
    for row in rows:
        path = options.docs / row["file"]
        if not path.exists():
            continue
        data, kind = path.read_bytes(), f"{row['kind']} {path.suffix.lstrip('.')}"
        code, text, seconds = outcome(pool, data, path.name)
        slowest = max(slowest, seconds)
        codes[row["kind"]][code] += 1
        said: dict[str, Any] = {"file": row["file"], "code": code, "seconds": round(seconds, 3)}
        if code == "converted":
            readable.append((path.name, data))
            if row.get("truth"):
                said["recall"], said["precision"] = compared(text, (options.docs / row["truth"]).read_text())
                measured[kind].append((said["recall"], said["precision"]))
        if options.each:
            print(json.dumps(said))
    for kind, pairs in sorted(measured.items()):
        recall, precision = (statistics.mean(pair[side] for pair in pairs) for side in (0, 1))
        print(
            json.dumps({"of": kind, "files": len(pairs), "recall": round(recall, 3), "precision": round(precision, 3)})
        )
    for kind, counts in codes.items():
        print(json.dumps({"of": kind, **counts}))
    print(json.dumps({"slowest_seconds": round(slowest, 2)}))
    if options.rounds:
        print(json.dumps(overhead(pool, [each for each in readable if len(each[1]) < 200_000], options.rounds)))
    pool.close()


if __name__ == "__main__":
    main()
