from __future__ import annotations

import pytest
from django.conf import settings
from django.db import OperationalError, connection
from django.test import Client

from tests.conftest import TestDatabase


def test_a_process_with_its_database_is_ready(live_db: TestDatabase) -> None:
    response = Client().get("/ready")
    assert (response.status_code, response.json()) == (200, {"status": "ok", "failed": []})
    assert Client().get("/health").json() == {"status": "ok"}


def test_without_its_database_it_lives_but_is_not_ready(live_db: TestDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone() -> None:
        raise OperationalError("server closed the connection")

    monkeypatch.setattr(connection, "cursor", gone)
    response = Client().get("/ready")
    assert (response.status_code, response.json()["failed"]) == (503, ["database"])
    assert Client().get("/health").status_code == 200


def test_a_redis_that_does_not_answer_is_named(live_db: TestDatabase, settings_with_dead_redis: None) -> None:
    response = Client().get("/ready")
    assert (response.status_code, response.json()["failed"]) == (503, ["redis"])


@pytest.fixture
def settings_with_dead_redis(monkeypatch: pytest.MonkeyPatch, unused_port: int) -> None:
    from django.core.cache import caches

    url = f"redis://127.0.0.1:{unused_port}/0"
    monkeypatch.setattr(settings, "REDIS_URL", url)
    backend = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": url}}
    made = type(caches)(backend)
    monkeypatch.setattr("config.health.cache", made["default"])


@pytest.fixture
def unused_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
