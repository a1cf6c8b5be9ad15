"""Django's PostgreSQL backend, with `HOST = "embedded:<folder>"` meaning the embedded server."""

from __future__ import annotations

import select
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from django.db.backends.base.base import NO_DB_ALIAS
from django.db.backends.postgresql import base
from psycopg import Connection
from psycopg_pool import ConnectionPool

from config.postgres.embedded import socket_folder

EMBEDDED = "embedded:"


class DatabaseWrapper(base.DatabaseWrapper):
    """Starts the embedded server at the first connection, never at import."""

    _connection_pools: ClassVar[dict[str, ConnectionPool]]
    _configure_connection: Callable[[Connection], None]

    def get_connection_params(self) -> dict[str, Any]:
        host = self.settings_dict["HOST"]
        if host.startswith(EMBEDDED):
            self.settings_dict["HOST"] = str(socket_folder(Path(host.removeprefix(EMBEDDED))))
        return super().get_connection_params()

    @property
    def pool(self) -> ConnectionPool | None:
        """Django's own, but for its check of a connection that is taken out of it: this one costs no round trip."""
        options = self.settings_dict["OPTIONS"].get("pool")
        if not options or self.alias == NO_DB_ALIAS:
            return None
        if self.alias not in self._connection_pools:
            pool = ConnectionPool(
                kwargs={**self.get_connection_params(), "autocommit": True},
                open=False,
                configure=self._configure_connection,
                check=alive,
                **options,
            )
            self._connection_pools.setdefault(self.alias, pool)
        return self._connection_pools[self.alias]


def alive(connection: Connection) -> None:
    """Raises `psycopg.OperationalError` where the server has gone. An idle connection has nothing to be read; one
    that was shut, or told that it will be, has.

    Does not catch: a network that swallows everything without a word, which the first statement finds out.
    """
    waiting = select.poll()
    waiting.register(connection.fileno(), select.POLLIN)
    if waiting.poll(0):
        ConnectionPool.check_connection(connection)
