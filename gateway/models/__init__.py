"""Money, its alerts, and the audit log: rows of tenants, protected by row-level security. The
circuits of the models are nobody's."""

from gateway.models.alerts import AlertDelivery, AlertWebhook, BudgetAlert, DeliveryState, Threshold, new_salt
from gateway.models.audit import AuditContent, AuditHead, AuditPolicy, AuditRecord, AuditSubject
from gateway.models.circuits import Circuit
from gateway.models.clearances import RedactionPolicy
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
    "Circuit",
    "DeliveryState",
    "Period",
    "RedactionPolicy",
    "Reservation",
    "Threshold",
    "new_salt",
]
