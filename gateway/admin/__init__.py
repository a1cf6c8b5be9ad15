"""The audit log, the circuits and batches, to read, and budgets and policies, to set. Django looks here for what
the admin shows."""

from __future__ import annotations

from gateway.admin.audit import AuditPolicyAdmin, AuditRecordAdmin, AuditSubjectAdmin
from gateway.admin.batches import BatchAdmin
from gateway.admin.budgets import AlertWebhookAdmin, BudgetAdmin
from gateway.admin.cache import CachePolicyAdmin
from gateway.admin.circuits import CircuitAdmin
from gateway.admin.door import DoorPolicyAdmin
from gateway.admin.redaction import RedactionPolicyAdmin
from gateway.admin.routing import RoutingDefaultAdmin, RoutingPolicyAdmin
from gateway.admin.usage import UsageAdmin

__all__ = [
    "AlertWebhookAdmin",
    "AuditPolicyAdmin",
    "AuditRecordAdmin",
    "AuditSubjectAdmin",
    "BatchAdmin",
    "BudgetAdmin",
    "CachePolicyAdmin",
    "CircuitAdmin",
    "DoorPolicyAdmin",
    "RedactionPolicyAdmin",
    "RoutingDefaultAdmin",
    "RoutingPolicyAdmin",
    "UsageAdmin",
]
