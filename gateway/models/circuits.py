"""What is known of the models themselves."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class Circuit(models.Model):
    """The state of a model's circuit breaker (`gateway.breaker.state.State`), kept here when there
    is no Redis. Of no tenant: whether a model answers is the same for all."""

    key = models.CharField(_("model"), max_length=120, primary_key=True)
    state = models.JSONField(default=dict)

    class Meta:
        verbose_name = _("model's circuit")
        verbose_name_plural = _("models and their circuits")

    def __str__(self) -> str:
        return self.key
