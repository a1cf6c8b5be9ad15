"""What a record says, to whoever may read it, and what became of it where it says nothing."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from accounts.models import User
from gateway.audit.keys import Unreadable
from gateway.audit.ledger import Ledger
from gateway.models import AuditContent, AuditRecord, AuditSubject
from gateway.types import JSON

QUESTION_WORDS, QUESTION_LENGTH = 12, 80


def who(record: AuditRecord) -> str:
    """Who asked, by the name that their account has now."""
    try:
        person = record.actor
        account = person.user if person else None
    except AuditSubject.DoesNotExist:
        person = account = None
    except User.DoesNotExist:
        account = None
    if account is not None:
        return str(account)
    if person is None:
        return str(_("erased")) if record.actor_id else "-"
    return str(_("an account that is gone") if person.user_id else _("nobody signed in"))


def asked(record: AuditRecord) -> str:
    """The first words of the question; nothing where there is none, or it is gone."""
    stored: AuditContent | None = getattr(record, "content", None)  # a missing one raises an AttributeError
    if stored is None:
        return ""
    try:
        words = str(stored.data["question"]).split()
    except Unreadable:
        return ""
    first = " ".join(words[:QUESTION_WORDS])[:QUESTION_LENGTH]
    return first if len(first) == len(" ".join(words)) else f"{first}…"


def text_of(record: AuditRecord, ledger: Ledger) -> tuple[str, JSON]:
    """What became of the record's text, and the text: `kept`, `erased`, `expired`, `unreadable` (no
    record says why), or `none` where there never was one."""
    if record.kind != AuditRecord.Kind.COMPLETION:
        return "none", {}
    if str(record.subject_id) in ledger.erased:
        return "erased", {}
    stored: AuditContent | None = getattr(record, "content", None)  # a missing one raises an AttributeError
    if stored is None:
        return "expired" if ledger.expired(record.sequence) else "unreadable", {}
    try:
        return "kept", stored.data
    except Unreadable:
        return "unreadable", {}
