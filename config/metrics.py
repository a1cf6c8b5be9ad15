"""`/metrics`, for Prometheus: for whoever has the operator's token, or, where there is none, for this machine."""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Iterable
from pathlib import Path

from django.conf import settings
from django.db import Error
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from gateway.telemetry.standing import Standing

FORWARDED = ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_VIA")


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Of all processes that share `CITEDESK_METRICS_DIR`, or of this one. When the database is down, what
    stands in it is left out and `citedesk_standing_read` is 0."""
    if not _allowed(request):
        return HttpResponse("A token is needed.\n", status=401, headers={"WWW-Authenticate": "Bearer"})
    text = generate_latest(Together() if settings.METRICS_DIR else REGISTRY)
    try:
        text += generate_latest(Standing()) + _read(1)
    except Error:
        text += _read(0)
    return HttpResponse(text, content_type=CONTENT_TYPE_LATEST)


class Together(Collector):
    """What all processes counted into the shared folder, those that have ended too."""

    def collect(self) -> Iterable[Metric]:
        files = [str(path) for path in Path(settings.METRICS_DIR).glob("*/*.db")]
        found: Iterable[Metric] = MultiProcessCollector.merge(files, accumulate=True)  # type: ignore[no-untyped-call]
        return found


def _allowed(request: HttpRequest) -> bool:
    """Behind a proxy everybody seems to be of this machine, so there only the token opens."""
    if settings.METRICS_TOKEN:
        shown = request.headers.get("Authorization", "")
        return hmac.compare_digest(shown.encode(), f"Bearer {settings.METRICS_TOKEN}".encode())
    proxied = settings.HTTPS or any(name in request.META for name in FORWARDED)
    return not proxied and _loopback(request.META.get("REMOTE_ADDR", ""))


def _loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _read(value: int) -> bytes:
    return f"# TYPE citedesk_standing_read gauge\ncitedesk_standing_read {value}\n".encode()
