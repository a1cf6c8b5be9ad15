"""The number of a tenant's knowledge: it goes up in the transaction that changes what can be found, and
the document that was changed keeps it. So whoever read the number and then searched can tell later
whether a document is newer than what they found.

The tenant's row is locked from there to the end of the transaction: numbers become visible in their
order, and whoever changes passages takes the number first, so nobody waits in a circle for the counts
of terms. Does not count: a title or an address that changes while the passages stay.
"""

from __future__ import annotations

from django.db import connection

from knowledge.models import Corpus

ADVANCE = """
INSERT INTO knowledge_corpus AS corpus (tenant_id, number) VALUES (%s, 1)
ON CONFLICT (tenant_id) DO UPDATE SET number = corpus.number + 1
RETURNING number
"""


def number(tenant_id: int) -> int:
    """Runs in the tenant's scope. Read it before the search that it is for: what comes in between is
    then newer than the number, never older."""
    return Corpus.objects.filter(tenant_id=tenant_id).values_list("number", flat=True).first() or 0


def advance(tenant_id: int) -> int:
    """The next number, before anything else in the transaction."""
    with connection.cursor() as cursor:
        cursor.execute(ADVANCE, [tenant_id])
        return int(cursor.fetchone()[0])
