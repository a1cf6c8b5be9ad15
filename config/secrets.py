"""Keys that the embedded installation makes for itself at its first start."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured


def local_secret(data_dir: Path, name: str) -> str:
    """The secret `name` kept in the data folder, made at the first call.

    Made with an exclusive link, so that the web process and the worker that start together agree
    on one. The audit key must outlive the database, so the file is never rewritten.
    """
    path = data_dir / "secrets" / name
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = path.with_name(f"{name}.{os.getpid()}")
        fresh.write_text(json.dumps(secrets.token_urlsafe(48)))
        fresh.chmod(0o600)
        try:
            os.link(fresh, path)
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    value = json.loads(path.read_text())
    if not isinstance(value, str) or len(value) < 32:
        raise ImproperlyConfigured(f"{path} does not hold a secret; restore it from a backup.")
    return value
