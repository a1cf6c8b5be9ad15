"""Finds the passages that may answer a question: dense and keyword in one round trip.

Both searches give candidates; every candidate then gets all scores exactly, so that they can be
summed (`knowledge.retrieval.ranker`). The sum, not reciprocal rank fusion, because ranks forget how
sure a search was: on real support questions fusion by rank falls below dense search alone.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

from django.db import connection

from knowledge.models import TERM_SPACE
from knowledge.retrieval.keyword import CONFIGURATION, HASH, MOST
from knowledge.retrieval.language import is_english, spaced
from knowledge.retrieval.ranker import UNTITLED, Question, hybrid, ranked
from knowledge.types import Hit

Stage = Literal["dense", "keyword", "hybrid", "ranked"]

CANDIDATES = 100
AHEAD = 0.02  # of the best current passage, where an outdated article is what was asked for
NUMBERED = re.compile(r"\w*\d\w*")

SEARCH = f"""
WITH asked AS MATERIALIZED (
    SELECT lexeme, {HASH} AS term FROM unnest(to_tsvector('{CONFIGURATION}', %(question)s))
), corpus AS MATERIALIZED (
    SELECT count(*)::float AS passages FROM knowledge_passage WHERE tenant_id = %(tenant)s
), idf AS MATERIALIZED (
    SELECT term, round(ln(1 + (corpus.passages - counted.passages + 0.5) / (counted.passages + 0.5))::numeric, 4)
               AS weight
    FROM corpus, (SELECT DISTINCT term FROM asked) AS terms, LATERAL (
        SELECT coalesce(sum(passages), 0) AS passages FROM knowledge_termcount t
        WHERE t.tenant_id = %(tenant)s AND t.term = terms.term
    ) AS counted
), question AS MATERIALIZED (
    SELECT ('{{' || coalesce(string_agg(term || ':' || weight, ',' ORDER BY term), '') || '}}/{TERM_SPACE}')::sparsevec
               AS weights,
           coalesce(sum(weight), 0) * {MOST} AS most,
           (SELECT string_agg(quote_literal(lexeme), ' | ') FROM asked)::tsquery AS terms
    FROM idf WHERE weight > 0
), dense AS MATERIALIZED (
    SELECT id FROM knowledge_passage
    WHERE tenant_id = %(tenant)s AND visibility = ANY(%(visibilities)s)
    ORDER BY embedding <=> %(vector)s::halfvec LIMIT %(candidates)s
), keyword AS MATERIALIZED (
    SELECT p.id FROM knowledge_passage p, question
    WHERE p.tenant_id = %(tenant)s AND p.visibility = ANY(%(visibilities)s) AND p.keywords @@ question.terms
    ORDER BY p.weights <#> question.weights LIMIT %(candidates)s
), candidate AS (
    SELECT id FROM dense UNION SELECT id FROM keyword
)
SELECT p.id, p.document_id::text, p.version_id::text, d.title, d.url, p.visibility, p.text, p.start, p."end",
       p.heading_path, p.page,
       1 - (p.embedding <=> %(vector)s::halfvec) AS dense,
       -(p.weights <#> question.weights) AS keyword,
       1 - (coalesce(d.embedding, p.embedding) <=> %(vector)s::halfvec) AS document,
       coalesce(1 - (d.title_embedding <=> %(vector)s::halfvec), {UNTITLED}) AS title,
       (SELECT count(*) FROM asked) AS terms, question.most, d.outdated, d.corpus
FROM candidate JOIN knowledge_passage p USING (id) JOIN knowledge_document d ON d.id = p.document_id, question
"""


def retrieve(
    question: str,
    vector: Sequence[float],
    *,
    tenant_id: int,
    visibilities: Sequence[str],
    limit: int = 8,
    stage: Stage = "ranked",
    candidates: int = CANDIDATES,
) -> list[Hit]:
    """The best passages, best first. `vector` is the question's embedding, of length 1.

    Call within `tenant_scope`. Visibility is filtered in the searches themselves, never after.
    """
    found = search(question, vector, tenant_id=tenant_id, visibilities=visibilities, candidates=candidates)
    best = ordered(found, stage)
    return (current(question, best) if stage == "ranked" else best)[:limit]


def search(
    question: str, vector: Sequence[float], *, tenant_id: int, visibilities: Sequence[str], candidates: int
) -> list[Hit]:
    """All that either search finds, in no order, each with its scores by every stage."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('hnsw.iterative_scan', 'strict_order', true), set_config('hnsw.ef_search', '100', true)"
        )
        cursor.execute(
            SEARCH,
            {
                "question": spaced(question),
                "vector": str(list(vector)),
                "tenant": tenant_id,
                "visibilities": list(visibilities),
                "candidates": candidates,
            },
        )
        rows = cursor.fetchall()
    if not rows:
        return []
    asked = Question(
        terms=rows[0][15],
        english=is_english(question),
        best_keyword=max(float(row[12]) for row in rows),
        most_keyword=float(rows[0][16]),
    )
    return [_hit(row, asked) for row in rows]


def ordered(found: Sequence[Hit], stage: Stage) -> list[Hit]:
    """By one stage's score, best first. What only the other search found comes after all that this
    one did, so the first `candidates` are those of the stage alone."""
    kept = [replace(hit, score=hit.scores[stage]) for hit in found if stage != "keyword" or hit.scores["keyword"] > 0]
    return sorted(kept, key=lambda hit: (-hit.score, hit.passage_id))


def current(question: str, hits: Sequence[Hit]) -> list[Hit]:
    """Without the passages of outdated articles, unless the question is for just them: none of a
    current article comes near, or it names the year or version that stands in the title."""
    best = max((hit.score for hit in hits if not hit.outdated), default=-math.inf)
    named = frozenset(NUMBERED.findall(question.lower()))
    return [
        hit
        for hit in hits
        if not hit.outdated or hit.score > best + AHEAD or named.intersection(NUMBERED.findall(hit.title.lower()))
    ]


def _hit(row: tuple[Any, ...], asked: Question) -> Hit:
    dense, keyword, document, title = map(float, row[11:15])
    signs = {
        "dense": dense,
        "share": asked.share(keyword),
        "coverage": asked.coverage(keyword),
        "document": document,
        "title": title,
    }
    order = ranked(asked, signs)
    return Hit(
        passage_id=row[0],
        document=row[1],
        version=row[2],
        title=row[3],
        url=row[4],
        visibility=row[5],
        text=row[6],
        start=row[7],
        end=row[8],
        heading_path=tuple(json.loads(row[9])),
        page=row[10],
        score=order,
        scores={**signs, "keyword": keyword, "hybrid": hybrid(asked, dense, keyword), "ranked": order},
        outdated=row[17],
        corpus=row[18],
    )
