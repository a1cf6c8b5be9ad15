"""How the page of usage says money and time."""

from __future__ import annotations

from decimal import Decimal

from django import template
from django.utils.formats import number_format

register = template.Library()


@register.filter
def money(cost: Decimal) -> str:
    """US dollars; below one with the places that a call's cost needs."""
    return f"${number_format(cost, 2 if cost >= 1 or not cost else 4, use_l10n=True, force_grouping=True)}"


@register.filter
def seconds(milliseconds: float) -> str:
    return f"{number_format(milliseconds / 1000, 2, use_l10n=True)} s"
