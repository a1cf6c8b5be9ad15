"""Money, its alerts, the audit log and kept answers: rows of tenants, protected by row-level security. The
circuits of the models are nobody's."""

from gateway.models.alerts import AlertDelivery, AlertWebhook, BudgetAlert, DeliveryState, Threshold, new_salt
from gateway.models.audit import AuditContent, AuditHead, AuditPolicy, AuditRecord, AuditSubject
from gateway.models.cache import CachedAnswer, CacheLead, CachePolicy
from gateway.models.circuits import Circuit
from gateway.models.money import Budget, BudgetUse, Period, Reservation

__all__ = [
    "AlertDelivery",
    "AlertWebhook",
    "AuditContent",
    "AuditHead",
    "AuditPolicy",
    "AuditRecord",
    "AuditSubject",
    "Budget",
    "BudgetAlert",
    "BudgetUse",
    "CacheLead",
    "CachePolicy",
    "CachedAnswer",
    "Circuit",
    "DeliveryState",
    "Period",
    "Reservation",
    "Threshold",
    "new_salt",
]
