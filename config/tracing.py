"""Where spans go: nowhere, until the standard OTEL_… variables say so."""

from __future__ import annotations

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from opentelemetry import trace

MISSING = "OTEL_… asks for spans, but the SDK is missing: pip install 'citedesk[otel]'."


def start() -> None:
    """Once in each process that serves or works. The endpoint, the sampler, the service's name and the
    rest are the SDK's own to read. Raises `ImproperlyConfigured` where it is not installed."""
    if not settings.TRACES_EXPORTER:
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter
    except ImportError as error:
        raise ImproperlyConfigured(MISSING) from error
    # What OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say comes over this.
    provider = TracerProvider(resource=Resource.create({"service.name": settings.SERVICE_NAME}))
    console = settings.TRACES_EXPORTER == "console"
    provider.add_span_processor(BatchSpanProcessor(ConsoleSpanExporter() if console else OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
