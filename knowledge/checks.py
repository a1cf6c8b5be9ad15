"""What `manage.py check` says of the sandbox."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Warning, register

from knowledge.sandbox import seccomp


@register()
def converters_are_confined(app_configs: Any, **_: Any) -> Sequence[CheckMessage]:
    """Asks the kernel and starts nothing."""
    if seccomp.available():
        return []
    return [
        Warning(
            "Converters run without a system call filter: a flaw in a parser could open files or sockets.",
            hint="Run on Linux, x86_64 or aarch64, with a kernel that has seccomp filters.",
            id="knowledge.W001",
        )
    ]
