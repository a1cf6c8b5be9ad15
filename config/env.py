"""The one place that reads the environment: typed, strict, and clear about what is wrong."""

from __future__ import annotations

import difflib
import os
import socket
from decimal import Decimal, InvalidOperation
from pathlib import Path
from urllib.parse import unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured
from dotenv import dotenv_values

PREFIX = "CITEDESK_"
TRUE, FALSE = {"1", "true", "yes", "on"}, {"0", "false", "no", "off"}


class Env:
    """Reads settings from the process environment and, below it, from a `.env` file.

    Every reader raises `ImproperlyConfigured` with a sentence that names the variable, what is
    wrong with its value and what would be right. Values of secrets are never repeated in it.
    """

    def __init__(self, file: Path | None = None, environ: dict[str, str] | None = None) -> None:
        from_file = {k: v for k, v in dotenv_values(file).items() if v is not None} if file and file.exists() else {}
        self._values: dict[str, str] = {**from_file, **(dict(os.environ) if environ is None else environ)}
        self._known: set[str] = set()

    def text(self, name: str, default: str = "") -> str:
        self._known.add(name)
        return self._values.get(name, "").strip() or default

    def boolean(self, name: str, default: bool) -> bool:
        value = self.text(name).lower()
        if not value:
            return default
        if value in TRUE | FALSE:
            return value in TRUE
        raise ImproperlyConfigured(f"{name}={value!r} is neither true nor false: use 1 or 0.")

    def integer(self, name: str, default: int, *, low: int, high: int) -> int:
        value = self.text(name)
        if not value:
            return default
        if not value.removeprefix("-").isdecimal() or not low <= int(value) <= high:
            raise ImproperlyConfigured(f"{name}={value!r} is not a whole number from {low} to {high}.")
        return int(value)

    def per_minute(self, name: str) -> float | None:
        """A whole number from 1 on, or None when unset or 0."""
        return float(self.integer(name, 0, low=0, high=1_000_000_000)) or None

    def token(self, name: str) -> str:
        """A random text that opens something, or empty."""
        value = self.text(name)
        if value and len(value) < 16:
            raise ImproperlyConfigured(f"{name} must be a random text of at least 16 characters.")
        return value

    def decimal(self, name: str, default: str, *, low: Decimal = Decimal(0)) -> Decimal:
        value = self.text(name, default)
        try:
            number = Decimal(value)
        except InvalidOperation:
            raise ImproperlyConfigured(f"{name}={value!r} is not a number.") from None
        if not number.is_finite() or number < low:
            raise ImproperlyConfigured(f"{name}={value!r} must be a finite number of at least {low}.")
        return number

    def choice(self, name: str, default: str, allowed: tuple[str, ...]) -> str:
        value = self.text(name, default)
        if value not in allowed:
            raise ImproperlyConfigured(f"{name}={value!r} is not one of: {', '.join(allowed)}.")
        return value

    def words(self, name: str, default: str = "") -> list[str]:
        """A list separated by commas."""
        return [word.strip() for word in self.text(name, default).split(",") if word.strip()]

    def http_url(self, name: str, default: str = "") -> str:
        """An absolute http or https URL without credentials, or empty."""
        value = self.text(name, default)
        parts = urlsplit(value)
        if value and (parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc):
            raise ImproperlyConfigured(f"{name} is not an absolute http(s) URL without user name and password.")
        return value.rstrip("/")

    def redis_url(self, name: str) -> str:
        value = self.text(name)
        if value and urlsplit(value).scheme not in {"redis", "rediss"}:
            raise ImproperlyConfigured(f"{name} does not begin with redis:// or rediss://.")
        return value

    def postgres(self, name: str) -> dict[str, str] | None:
        """`postgres://user:password@host:port/name` as Django's settings, or None when unset."""
        value = self.text(name)
        if not value:
            return None
        parts = urlsplit(value)
        if parts.scheme not in {"postgres", "postgresql"} or not parts.hostname or not parts.path.strip("/"):
            raise ImproperlyConfigured(f"{name} does not look like postgres://user:password@host:5432/name.")
        return {
            "NAME": parts.path.strip("/"),
            "USER": unquote(parts.username or ""),
            "PASSWORD": unquote(parts.password or ""),
            "HOST": parts.hostname,
            "PORT": str(parts.port or 5432),
        }

    def smtp(self, name: str) -> tuple[str, int, str, str, bool] | None:
        """`smtp://user:password@host:587` (STARTTLS) or `smtps://…:465` (TLS from the first byte) as
        (host, port, user, password, is smtps), or None when unset."""
        value = self.text(name)
        if not value:
            return None
        parts = urlsplit(value)
        if parts.scheme not in {"smtp", "smtps"} or not parts.hostname:
            raise ImproperlyConfigured(f"{name} does not look like smtp://user:password@host:587.")
        tls = parts.scheme == "smtps"
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
        return parts.hostname, parts.port or (465 if tls else 587), user, password, tls

    def pass_on(self, prefix: str) -> None:
        """What the `.env` file sets for a library that reads the process environment by itself."""
        for name, value in self._values.items():
            if name.startswith(prefix):
                os.environ.setdefault(name, value)

    def secrets(self) -> list[str]:
        """Every value that no log may hold: keys, tokens, and the passwords in URLs."""
        keys = [value for name, value in self._values.items() if name.endswith(("_KEY", "_TOKEN"))]
        return keys + [
            urlsplit(value).password or ""
            for name, value in self._values.items()
            if name.startswith(PREFIX) and "://" in value
        ]

    def refuse_unknown(self) -> None:
        """Call when all is read: a misspelt `CITEDESK_…` must not pass for the default."""
        for name in sorted(self._values):
            if name.startswith(PREFIX) and name not in self._known:
                near = difflib.get_close_matches(name, self._known, n=1)
                raise ImproperlyConfigured(f"{name} is not a setting.{f' Did you mean {near[0]}?' if near else ''}")


def calm_native_threads() -> None:
    """How the numeric libraries behave on cores that others use too; to be called before any is loaded.

    OpenMP's threads spin while they wait for each other. With another process on one of two cores
    that made an embedding of 5 ms take 138, and indexing eight times as long.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


def traces_exporter(env: Env) -> str:
    """`otlp` or `console`, by OpenTelemetry's own variables; empty when nobody asked for spans."""
    endpoint = env.text("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") or env.text("OTEL_EXPORTER_OTLP_ENDPOINT")
    chosen = env.choice("OTEL_TRACES_EXPORTER", "otlp" if endpoint else "none", ("otlp", "console", "none"))
    return "" if chosen == "none" or env.boolean("OTEL_SDK_DISABLED", False) else chosen


def share_metrics(folder: str) -> None:
    """Where processes add up their metrics; to be called before `prometheus_client` is loaded. It tells them
    apart by number, which is the same in every container, so each host has a folder of its own."""
    if folder:
        own = Path(folder) / socket.gethostname()
        own.mkdir(parents=True, exist_ok=True)
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(own)
