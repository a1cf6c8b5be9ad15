"""Django's PostgreSQL backend, with `HOST = "embedded:<folder>"` meaning the embedded server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.db.backends.postgresql import base

from config.postgres.embedded import socket_folder

EMBEDDED = "embedded:"


class DatabaseWrapper(base.DatabaseWrapper):
    """Starts the embedded server at the first connection, never at import."""

    def get_connection_params(self) -> dict[str, Any]:
        host = self.settings_dict["HOST"]
        if host.startswith(EMBEDDED):
            self.settings_dict["HOST"] = str(socket_folder(Path(host.removeprefix(EMBEDDED))))
        return super().get_connection_params()
