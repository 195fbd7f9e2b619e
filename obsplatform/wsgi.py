"""The WSGI application that granian serves."""

from __future__ import annotations

import os

import django
from django.core.handlers.wsgi import WSGIHandler

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "obsplatform.settings")

django.setup(set_prefix=False)

from metrics import flushing  # noqa: E402  (they read settings)
from obsplatform import following  # noqa: E402
from tracing import own_spans  # noqa: E402

own_spans.start("web")  # before the middleware is loaded
application = WSGIHandler()

flushing.start("web", is_on=following.metrics_on)
