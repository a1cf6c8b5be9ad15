"""Money, its alerts, policies, answers kept to be given again, and the audit log: rows of tenants,
protected by row-level security. The circuits of the models are nobody's, and the default policy of
routing is the operator's."""

from gateway.models.alerts import AlertDelivery, AlertWebhook, BudgetAlert, DeliveryState, Threshold, new_salt
from gateway.models.audit import AuditContent, AuditHead, AuditPolicy, AuditRecord, AuditSubject
from gateway.models.batches import OPEN_ITEMS, Batch, BatchItem, BatchPart, BatchState, ItemState, PartState
from gateway.models.cache import CachedAnswer, CacheLead, CachePolicy
from gateway.models.circuits import Circuit
from gateway.models.clearances import RedactionPolicy
from gateway.models.door import DoorPolicy, SavedAnswer
from gateway.models.money import Budget, BudgetUse, Period, Reservation
from gateway.models.routing import PolicyVersion, RoutingDefault, RoutingPolicy
from gateway.models.usage import Usage

__all__ = [
    "OPEN_ITEMS",
    "AlertDelivery",
    "AlertWebhook",
    "AuditContent",
    "AuditHead",
    "AuditPolicy",
    "AuditRecord",
    "AuditSubject",
    "Batch",
    "BatchItem",
    "BatchPart",
    "BatchState",
    "Budget",
    "BudgetAlert",
    "BudgetUse",
    "CacheLead",
    "CachePolicy",
    "CachedAnswer",
    "Circuit",
    "DeliveryState",
    "DoorPolicy",
    "ItemState",
    "PartState",
    "Period",
    "PolicyVersion",
    "RedactionPolicy",
    "Reservation",
    "RoutingDefault",
    "RoutingPolicy",
    "SavedAnswer",
    "Threshold",
    "Usage",
    "new_salt",
]
