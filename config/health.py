"""For load balancers and containers: does the process live, and can it serve?"""

from __future__ import annotations

from django.conf import settings
from django.core.cache import cache
from django.db import Error, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from redis.exceptions import RedisError


def live(request: HttpRequest) -> HttpResponse:
    """The process answers. Asks nothing of the database, whose fall a restart would not mend."""
    return JsonResponse({"status": "ok"})


def ready(request: HttpRequest) -> HttpResponse:
    """200 when the database, and Redis where there is one, answer; else 503 with what does not.
    With the database gone it takes as long as the pool waits (20 s). Does not look at workers."""
    failed = [name for name, answers in (("database", _database), ("redis", _redis)) if not answers()]
    return JsonResponse({"status": "unavailable" if failed else "ok", "failed": failed}, status=503 if failed else 200)


def _database() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Error:
        return False
    return True


def _redis() -> bool:
    if not settings.REDIS_URL:
        return True
    try:
        cache.get("citedesk-ready")
    except RedisError:
        return False
    return True
