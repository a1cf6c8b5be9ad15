"""What was resolved, and what the calls to models for it cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import connection
from django.utils.translation import gettext as _

from gateway.usage.figures import Period
from gateway.usage.outcomes import Resolved

# By the chat that a ticket came from, and by its drafts; a call that is both counts once.
TICKETS = """
WITH done AS (
    SELECT id, tenant_id, conversation_id FROM tickets_ticket
    WHERE tenant_id = ANY (%(tenants)s) AND state IN ('solved', 'closed')
        AND changed_at >= %(since)s AND changed_at < %(until)s
),
calls AS (
    SELECT record.id, record.cost FROM done JOIN gateway_auditrecord AS record
        ON record.tenant_id = done.tenant_id AND record.conversation_id = done.conversation_id::text
    UNION
    SELECT record.id, record.cost FROM done JOIN tickets_draft AS draft
        ON draft.tenant_id = done.tenant_id AND draft.ticket_id = done.id AND draft.audit_id <> ''
    JOIN gateway_auditrecord AS record ON record.tenant_id = done.tenant_id AND record.id = draft.audit_id::uuid
)
SELECT (SELECT count(*) FROM done), (SELECT coalesce(sum(cost), 0) FROM calls)
"""
# The last answer was one, nobody found it unhelpful, and no person was asked for.
CONVERSATIONS = """
WITH done AS (
    SELECT chat.id, chat.tenant_id FROM assistant_conversation AS chat
    WHERE chat.tenant_id = ANY (%(tenants)s) AND chat.updated_at >= %(since)s AND chat.updated_at < %(until)s
        AND 'answered' = (
            SELECT status FROM assistant_message AS said
            WHERE said.conversation_id = chat.id AND said.role = 'assistant' ORDER BY number DESC LIMIT 1
        )
        AND NOT EXISTS (SELECT 1 FROM tickets_ticket AS ticket WHERE ticket.conversation_id = chat.id)
        AND NOT EXISTS (
            SELECT 1 FROM assistant_feedback AS thumb JOIN assistant_message AS said ON said.id = thumb.message_id
            WHERE said.conversation_id = chat.id AND thumb.value = 'down'
        )
)
SELECT (SELECT count(*) FROM done), coalesce(sum(record.cost), 0)
FROM done JOIN gateway_auditrecord AS record
    ON record.tenant_id = done.tenant_id AND record.conversation_id = done.id::text
"""


def resolved(tenants: Sequence[int], period: Period) -> list[Resolved]:
    """Of tickets that were solved or closed in the period, and of conversations that ended in it and needed
    no person. Runs in a scope that sees the tenants.

    Does not catch: calls for a ticket that is neither from a chat nor drafted for, such as a summary.
    """
    since, until = period.bounds
    within: dict[str, Any] = {"tenants": list(tenants), "since": since, "until": until}
    found = []
    with connection.cursor() as cursor:
        for name, statement in (
            (_("Conversations without a person"), CONVERSATIONS),
            (_("Tickets that were solved"), TICKETS),
        ):
            cursor.execute(statement, within)
            found.append(Resolved(name, *cursor.fetchone()))
    return found
