"""The Celery application: tasks are wake-ups, the work itself waits in Postgres."""

from __future__ import annotations

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "obsplatform.settings")

app = Celery("obsplatform")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
