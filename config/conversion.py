"""What one conversion may use up, read from the environment."""

from __future__ import annotations

from config.env import Env
from knowledge.sandbox.limits import MEGABYTE, Limits


def conversion_limits(env: Env) -> Limits:
    """Raises `ImproperlyConfigured`, with a sentence that says what to set."""
    usual = Limits()
    return Limits(
        processes=env.integer("CITEDESK_CONVERSION_PROCESSES", usual.processes, low=1, high=64),
        wall_seconds=env.integer("CITEDESK_CONVERSION_SECONDS", usual.wall_seconds, low=1, high=240),
        cpu_seconds=env.integer("CITEDESK_CONVERSION_CPU_SECONDS", usual.cpu_seconds, low=1, high=240),
        memory_bytes=MEGABYTE
        * env.integer("CITEDESK_CONVERSION_MEMORY_MB", usual.memory_bytes // MEGABYTE, low=128, high=65536),
        output_bytes=MEGABYTE
        * env.integer("CITEDESK_CONVERSION_OUTPUT_MB", usual.output_bytes // MEGABYTE, low=1, high=1024),
        documents=env.integer("CITEDESK_CONVERSION_REUSE", usual.documents, low=1, high=100_000),
    )
