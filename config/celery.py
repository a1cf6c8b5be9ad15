"""The Celery application. Without Redis the broker is kombu's filesystem transport: it needs no
server and no further package, and survives a restart. A message that it loses does no harm,
because the state of a row is what work is found by (`knowledge.tasks.sweep`)."""

from __future__ import annotations

import os

from celery import Celery

from config import carried

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
app = Celery("citedesk")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
carried.connect()
