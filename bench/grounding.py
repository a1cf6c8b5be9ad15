"""How well the grounding check tells supported sentences from others, on claims that people judged.

    .venv/bin/python bench/grounding.py ../shared/eval

Prints for each set: claims, the area under the ROC curve of the support score, and at the threshold
that is used the share of supported and of other claims that are called supported. Each sentence of
a claim cites the claim's passage; a claim is as good as its worst sentence.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from sklearn.metrics import roc_auc_score

from assistant.pipeline.citations import Mark, Piece, Text
from assistant.pipeline.grounding import check
from gateway.sentences import sentence_spans
from gateway.types import Source

SETS = {
    "support_begin": ("support_begin/items.jsonl", "response", "Fully attributable"),
    "support_wice": ("support_wice/items.jsonl", "claim", "supported"),
    "scifact": ("scifact/support.jsonl", "claim", "supported"),
}


def judged(folder: Path, name: str) -> Iterator[tuple[bool, bool, float]]:
    """(supported by the people's word, by ours, our score) of each claim."""
    file, field, yes = SETS[name]
    for line in (folder / file).open(encoding="utf-8"):
        row = json.loads(line)
        if row["label"] == "Generic":
            continue
        source = Source(1, row["passage"], "", "", "", "", 0, len(row["passage"]))
        sentences = check(list(_cited(row[field])), [source])
        supported = bool(sentences) and all(sentence.supported for sentence in sentences)
        yield row["label"] == yes, supported, min((sentence.score for sentence in sentences), default=0.0)


def _cited(claim: str) -> Iterator[Piece]:
    for start, end in sentence_spans(claim):
        yield Text(claim[start:end] + " ")
        yield Mark(1)


def main() -> None:
    folder = Path(sys.argv[1])
    for name in SETS:
        rows = list(judged(folder, name))
        truth, said = [row[0] for row in rows], [row[1] for row in rows]
        right = sum(s for t, s in zip(truth, said, strict=True) if t) / sum(truth)
        wrong = sum(s for t, s in zip(truth, said, strict=True) if not t) / (len(truth) - sum(truth))
        area = roc_auc_score(truth, [row[2] for row in rows])
        print(f"{name}: {len(rows)} claims, AUC {area:.3f}, supported called so {right:.2f}, others {wrong:.2f}")


if __name__ == "__main__":
    main()
