"""Finds the passages that may answer a question: dense and keyword in one round trip.

Both searches give candidates; every candidate then gets both scores exactly, so that they can be
summed. The sum, not reciprocal rank fusion, because ranks forget how sure a search was: on real
support questions fusion by rank falls below dense search alone.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Literal

from django.db import connection

from knowledge.models import TERM_SPACE
from knowledge.retrieval.keyword import CONFIGURATION, HASH
from knowledge.types import Hit

Stage = Literal["dense", "keyword", "hybrid", "ranked"]

DENSE_WEIGHT, KEYWORD_WEIGHT = 0.85, 0.15
CANDIDATES = 100

SEARCH = f"""
WITH asked AS MATERIALIZED (
    SELECT lexeme, {HASH} AS term FROM unnest(to_tsvector('{CONFIGURATION}', %(question)s))
), corpus AS MATERIALIZED (
    SELECT count(*)::float AS passages FROM knowledge_passage WHERE tenant_id = %(tenant)s
), idf AS MATERIALIZED (
    SELECT term, round(ln(1 + (corpus.passages - t.passages + 0.5) / (t.passages + 0.5))::numeric, 4) AS weight
    FROM asked JOIN knowledge_termcount t USING (term), corpus
    WHERE t.tenant_id = %(tenant)s AND t.passages > 0
    GROUP BY term, t.passages, corpus.passages
), question AS MATERIALIZED (
    SELECT ('{{' || coalesce(string_agg(term || ':' || weight, ',' ORDER BY term), '') || '}}/{TERM_SPACE}')::sparsevec
               AS weights,
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
    SELECT id, bool_or(d) AS in_dense, bool_or(NOT d) AS in_keyword
    FROM (SELECT id, true AS d FROM dense UNION ALL SELECT id, false FROM keyword) AS both_searches GROUP BY id
)
SELECT p.id, p.document_id::text, p.version_id::text, d.title, d.url, p.visibility, p.text, p.start, p."end",
       p.heading_path, p.page,
       1 - (p.embedding <=> %(vector)s::halfvec) AS dense,
       -(p.weights <#> question.weights) AS keyword, candidate.in_dense, candidate.in_keyword
FROM candidate JOIN knowledge_passage p USING (id) JOIN knowledge_document d ON d.id = p.document_id, question
"""


def retrieve(
    question: str,
    vector: Sequence[float],
    *,
    tenant_id: int,
    visibilities: Sequence[str],
    limit: int = 8,
    stage: Stage = "hybrid",
    candidates: int = CANDIDATES,
) -> list[Hit]:
    """The best passages, best first. `vector` is the question's embedding, of length 1.

    Call within `tenant_scope`. Visibility is filtered in the searches themselves, never after.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('hnsw.iterative_scan', 'strict_order', true), set_config('hnsw.ef_search', '100', true)"
        )
        cursor.execute(
            SEARCH,
            {
                "question": question,
                "vector": str(list(vector)),
                "tenant": tenant_id,
                "visibilities": list(visibilities),
                "candidates": candidates,
            },
        )
        rows = cursor.fetchall()
    hits = [_hit(row, stage, max((row[12] for row in rows), default=0.0)) for row in rows if _found_by(row, stage)]
    return sorted(hits, key=lambda hit: (-hit.score, hit.passage_id))[:limit]


def _found_by(row: tuple[Any, ...], stage: Stage) -> bool:
    return bool({"dense": row[13], "keyword": row[14], "hybrid": True, "ranked": True}[stage])


def _hit(row: tuple[Any, ...], stage: Stage, best_keyword: float) -> Hit:
    dense, keyword = float(row[11]), float(row[12])
    scores = {"dense": dense, "keyword": keyword}
    scores["hybrid"] = DENSE_WEIGHT * dense + KEYWORD_WEIGHT * (keyword / best_keyword if best_keyword > 0 else 0.0)
    scores["ranked"] = scores["hybrid"]
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
        score=scores[stage],
        scores=scores,
    )
