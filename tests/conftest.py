"""The cast, the real database, and the walls around the tests."""

from __future__ import annotations

import dataclasses
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from asgiref.sync import SyncToAsync
from django.conf import settings
from django.core.management import call_command
from django.db import connections

from accounts.models import Membership, Role, Tenant, User
from accounts.permissions import Actor, actor_for
from accounts.tenancy import tenant_scope
from config.postgres.embedded import create_database, drop_database, socket_folder
from gateway.audit import anchor
from gateway.breaker import circuit
from gateway.routing import policies
from gateway.telemetry import ended
from tests.environment import DATA

PASSWORD = "correct-horse-battery"
KEPT = {"django_migrations", "django_content_type", "auth_permission"}


def pytest_configure() -> None:
    """Most tests sign somebody in. Four passwords hashed as in production take longer than the test."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--audit-mutations", type=int, default=150, help="how many mutations of the audit log to try")
    parser.addoption("--kills", type=int, default=0, help="how many workers to kill while they index; 0: one a step")
    parser.addoption("--ssrf-cases", type=int, default=10_000, help="how many hostile addresses to have fetched")


@dataclass(frozen=True)
class TestDatabase:
    """The database under test, and the superuser's way into it (to tamper, and to clean up)."""

    __test__ = False
    folder: Path
    name: str

    def superuser(self) -> psycopg.Connection[Any]:
        return psycopg.connect(host=str(self.folder), user="postgres", dbname=self.name, autocommit=True)

    def empty(self) -> None:
        """Removes all rows, audit records too, as only a superuser can."""
        with self.superuser() as connection:
            connection.execute("SET session_replication_role = replica")
            rows = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
            tables = sorted({row[0] for row in rows} - KEPT)
            used = [t for t in tables if connection.execute(f'SELECT 1 FROM "{t}" LIMIT 1').fetchone()]
            if used:
                connection.execute("TRUNCATE " + ", ".join(f'"{t}"' for t in used) + " RESTART IDENTITY CASCADE")


@pytest.fixture(scope="session")
def database(django_db_blocker: Any) -> Iterator[TestDatabase]:
    folder = socket_folder(DATA / "postgres")
    name = f"test_{os.getpid()}"
    _care_for_nothing(folder)
    create_database(folder, name, fresh=True)
    for alias in ("default", "owner"):
        connections[alias].close()
        settings.DATABASES[alias]["NAME"] = name
        connections[alias].settings_dict["NAME"] = name
    with django_db_blocker.unblock():
        call_command("migrate", database="owner", verbosity=0, skip_checks=True)
        connections["owner"].close()
        yield TestDatabase(folder, name)
    drop_database(folder, name)


def _care_for_nothing(folder: Path) -> None:
    """No test outlives a power cut, so none waits for the disk."""
    with psycopg.connect(host=str(folder), user="postgres", dbname="postgres", autocommit=True) as connection:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            connection.execute(f"ALTER SYSTEM SET {setting} = off")
        connection.execute("SELECT pg_reload_conf()")


@pytest.fixture
def live_db(
    database: TestDatabase, django_db_blocker: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[TestDatabase]:
    """Real, committed transactions in the role that serves requests; emptied afterwards. The
    audit's anchors go with them. Whoever keeps a connection is found at its own test, not where the
    pool runs dry a hundred tests later: work in a thread goes through `in_database`."""
    monkeypatch.setattr(settings, "GATEWAY", dataclasses.replace(settings.GATEWAY, data_dir=tmp_path))
    circuit.forget()
    policies.forget()
    ended.forget()
    with django_db_blocker.unblock():
        yield database
        connections["default"].close()
        # Django's asynchronous test client works in this thread, and leaves its connection open.
        SyncToAsync.single_thread_executor.submit(connections.close_all).result()
        kept = _connections_kept()
        anchor.flush()
        database.empty()
        assert kept == 0, "the test did not give back every connection that it took from the pool"


@pytest.fixture(scope="session")
def site(database: TestDatabase) -> Iterator[str]:
    """The address of the real server: Daphne in a thread of the tests' own process, on the test
    database, so that what a test does to the settings holds for the server too. Use it with
    `live_db`, which opens the database."""
    from daphne.server import Server
    from twisted.internet import reactor

    from config.asgi import application

    ready = threading.Event()
    server = Server(
        application=application,
        endpoints=["tcp:0:interface=127.0.0.1"],
        signal_handlers=False,
        ready_callable=ready.set,
        verbosity=0,
    )
    thread = threading.Thread(target=server.run, name="daphne", daemon=True)
    thread.start()
    assert ready.wait(30), "the server did not start"
    yield f"http://127.0.0.1:{server.listening_addresses[0][1]}"
    reactor.callFromThread(reactor.stop)  # type: ignore[attr-defined]
    thread.join(10)


def _connections_kept() -> int:
    """How many connections are out of the pool, once what still runs had time to finish."""
    pool = connections["default"].pool
    if pool.closed:  # no test has asked the database anything yet; the pool counts what it will open
        return 0
    deadline = time.monotonic() + 10
    while True:
        stats = pool.get_stats()
        out: int = stats["pool_size"] - stats["pool_available"]
        if out == 0 or time.monotonic() > deadline:
            return out
        time.sleep(0.02)


@dataclass(frozen=True)
class Cast:
    """alice (customer), adam (agent), ada (admin) of acme; mallory, admin of a tenant of her own."""

    acme: Tenant
    mallory_co: Tenant
    alice: User
    adam: User
    ada: User
    mallory: User

    def actor(self, name: str) -> Actor:
        tenant = self.mallory_co if name == "mallory" else self.acme
        actor = actor_for(getattr(self, name), tenant.slug)
        assert actor is not None
        return actor


@pytest.fixture
def cast(live_db: TestDatabase) -> Cast:
    acme = Tenant.objects.create(slug="acme", name="Acme")
    mallory_co = Tenant.objects.create(slug="mallory", name="Mallory")
    people = {}
    for name, tenant, role in (
        ("alice", acme, Role.CUSTOMER),
        ("adam", acme, Role.AGENT),
        ("ada", acme, Role.ADMIN),
        ("mallory", mallory_co, Role.ADMIN),
    ):
        people[name] = User.objects.create_user(f"{name}@example.com", PASSWORD, name=name.title())
        with tenant_scope(tenant.pk):
            Membership.objects.create(tenant=tenant, user=people[name], role=role)
    return Cast(acme, mallory_co, **people)


@pytest.fixture
def learn(cast: Cast) -> Callable[..., None]:
    """Puts articles into acme's knowledge base, by the product's own path."""
    from knowledge.indexing import Incoming, accept
    from knowledge.models import Source
    from knowledge.tasks import index_document

    def add(*articles: tuple[str, str], tenant: Tenant | None = None, visibility: str = "public") -> None:
        owner = tenant or cast.acme
        for title, text in articles:
            with tenant_scope(owner.pk):
                source, _ = Source.objects.get_or_create(tenant=owner, name="tests")
                data = f"# {title}\n\n{text}\n".encode()
                document = accept(source, Incoming(title, f"{title}.md", data, title=title, visibility=visibility))
            assert document is not None
            assert index_document(owner.pk, str(document.pk)) == "indexed"

    return add


@pytest.fixture
def shared_data() -> Path:
    """Real data beside the checkout; tests that want it skip where it is missing."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "eval"
    if not folder.exists():
        pytest.skip("the shared evaluation data is not beside this checkout")
    return folder
