"""Draws what `bench/retrieval.py` measured: for each set the peers and ours on one scale, as SVG."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

LEFT, WIDTH, ROW, TOP = 190, 760, 34, 60
LOW, HIGH = 0.2, 1.0
COLOURS = {"BM25": "#9a6b00", "embedding": "#5b6b7c", "fusion": "#7a4fa3", "sum": "#2b7a5b", "ranked": "#c2185b"}
NAMES = {"ranked": "Citedesk", "embedding": "embedding alone", "sum": "weighted sum"}


def drawn(results: Sequence[tuple[str, int, dict[str, dict[str, float]]]]) -> str:
    """One row for each group of questions; dark text and a white ground, for either colour scheme."""
    height = TOP + ROW * len(results) + 40
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" '
        'font-size="13" fill="#1d2733" role="img" aria-label="nDCG@10 by set">',
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
        *_legend(),
        *_scale(height - 40),
    ]
    for number, (name, count, row) in enumerate(results):
        y = TOP + ROW * number + ROW // 2
        parts.append(f'<text x="{LEFT - 14}" y="{y + 4}" text-anchor="end">{escape(name)} ({count})</text>')
        values = [row[system]["ndcg@10"] for system in COLOURS]
        parts.append(f'<path d="M{_x(min(values))} {y}H{_x(max(values))}" stroke="#c5ccd3"/>')
        for system, colour in COLOURS.items():
            radius = 6 if system == "ranked" else 4
            value = row[system]["ndcg@10"]
            title = f"<title>{NAMES.get(system, system)} {value:.3f}</title>"
            parts.append(f'<circle cx="{_x(value)}" cy="{y}" r="{radius}" fill="{colour}">{title}</circle>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _legend() -> Iterator[str]:
    for number, (system, colour) in enumerate(COLOURS.items()):
        x = 20 + number * 145
        yield f'<circle cx="{x}" cy="22" r="5" fill="{colour}"/>'
        yield f'<text x="{x + 12}" y="26">{NAMES.get(system, system)}</text>'


def _scale(bottom: int) -> Iterator[str]:
    for tenth in range(round(LOW * 10), round(HIGH * 10) + 1, 2):
        x = _x(tenth / 10)
        yield f'<path d="M{x} {TOP - 10}V{bottom}" stroke="#e6e9ed"/>'
        yield f'<text x="{x}" y="{bottom + 20}" text-anchor="middle">{tenth / 10:.1f}</text>'
    yield f'<text x="{LEFT - 14}" y="{bottom + 20}" text-anchor="end">nDCG@10</text>'


def _x(value: float) -> float:
    return round(LEFT + (max(value, LOW) - LOW) / (HIGH - LOW) * (WIDTH - LEFT - 30), 1)
