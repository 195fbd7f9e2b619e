"""The WSGI application that granian serves."""

from __future__ import annotations

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "obsplatform.settings")

application = get_wsgi_application()

from metrics import flushing, switches  # noqa: E402  (it reads settings)

flushing.start("web", is_on=switches.metrics_on)
