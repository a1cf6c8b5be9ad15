"""The ASGI application: HTTP by Django, websockets by Channels."""

from __future__ import annotations

import os
from typing import Any

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django_application = get_asgi_application()

from django.urls import path  # noqa: E402  models may be imported only now

from assistant.consumers import PortalConsumer  # noqa: E402
from config.bodies import bound  # noqa: E402
from config.observed import Observed  # noqa: E402
from config.tracing import start as start_tracing  # noqa: E402
from gateway.connections import warm_up  # noqa: E402
from gateway.door.asgi import application as door  # noqa: E402
from knowledge.consumers import UploadConsumer  # noqa: E402

# The first question should not wait for the embedding model to load.
warm_up()
bound()
start_tracing()


async def http(scope: Any, receive: Any, send: Any) -> None:
    """The door for other programs stands beside Django: no session or cookie opens it."""
    await (door if scope["path"].startswith("/v1/") else django_application)(scope, receive, send)


application = ProtocolTypeRouter(
    {
        "http": Observed(http),
        # Refuses a missing or foreign Origin (T4).
        "websocket": Observed(
            AllowedHostsOriginValidator(
                AuthMiddlewareStack(
                    URLRouter(
                        [
                            path("ws/t/<slug:tenant>/", PortalConsumer.as_asgi()),
                            path("ws/t/<slug:tenant>/knowledge/", UploadConsumer.as_asgi()),
                        ]
                    )
                )
            )
        ),
    }
)
