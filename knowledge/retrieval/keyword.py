"""BM25 inside PostgreSQL, exactly, with pgvector's sparse vectors.

`ts_rank` knows no document frequency. So each passage keeps its saturated term frequencies

    w(t) = tf·(k1 + 1) / (tf + k1·(1 - b + b·length/AVERAGE))

as a `sparsevec` over hashed terms; a question becomes the sparse vector of its terms' inverse
document frequencies, ln(1 + (N - n + ½)/(n + ½)); their inner product is the BM25 score (Robertson
and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009). The text-search
configuration that stems the passage stems the question. The average length is a constant, because
the splitter makes passages of one size and a stored weight cannot follow a moving average.

Two terms share a dimension with probability 2⁻²⁸: not worth handling.
"""

from __future__ import annotations

from knowledge.models import TERM_SPACE

K1, B, AVERAGE_TERMS = 1.2, 0.6, 70
CONFIGURATION = "english"
MOST = K1 + 1  # no term's saturated frequency reaches it

# sparsevec counts dimensions from 1.
HASH = "(('x' || substr(md5(lexeme), 1, 7))::bit(28)::int + 1)"

# Arguments: the text. Null positions do not occur: to_tsvector keeps them.
WEIGHTS = f"""(
    SELECT ('{{' || coalesce(string_agg(term || ':' || weight, ',' ORDER BY term), '') || '}}/{TERM_SPACE}')::sparsevec
    FROM (
        SELECT {HASH} AS term,
               round(sum(tf * ({K1} + 1) / (tf + {K1} * (1 - {B} + {B} * length / {AVERAGE_TERMS})))::numeric, 4)
                   AS weight
        FROM (
            SELECT lexeme, cardinality(positions)::float AS tf, sum(cardinality(positions)) OVER ()::float AS length
            FROM unnest(keywords)
        ) AS counted
        GROUP BY 1
    ) AS weighed
)"""

# Brings the counts up to date for passages of `documents` that come, which are those of the versions `new`,
# and that go, which are the others. A term that is in as many as before is left alone. Terms in order, so
# that two writers never wait for each other in a circle. Nothing within `COUNT_LATER`.
COUNT_TERMS = f"""
    INSERT INTO knowledge_termcount (tenant_id, term, passages)
    SELECT tenant_id, term, sum(sign) FROM (
        SELECT p.tenant_id, {HASH} AS term, CASE WHEN p.version_id = ANY(%(new)s::uuid[]) THEN 1 ELSE -1 END AS sign
        FROM knowledge_passage p, unnest(p.keywords)
        WHERE p.document_id = ANY(%(documents)s::uuid[])
          AND current_setting('citedesk.count_later', true) IS DISTINCT FROM 'on'
    ) AS each
    GROUP BY 1, 2 HAVING sum(sign) <> 0 ORDER BY 1, 2
    ON CONFLICT (tenant_id, term) DO UPDATE SET passages = knowledge_termcount.passages + excluded.passages
"""

# For one transaction that takes in thousands of documents of a new tenant. A count that is updated
# again and again within one transaction leaves versions that cannot be cleared away before its end,
# and each update reads them all. `COUNT_ALL` then counts the tenant's passages at once.
COUNT_LATER = "SELECT set_config('citedesk.count_later', 'on', true)"
COUNT_ALL = f"""
    INSERT INTO knowledge_termcount (tenant_id, term, passages)
    SELECT p.tenant_id, {HASH}, count(*)
    FROM knowledge_passage p, unnest(p.keywords)
    WHERE p.tenant_id = %(tenant)s
    GROUP BY 1, 2
"""
