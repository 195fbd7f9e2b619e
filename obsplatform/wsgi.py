"""The WSGI application that granian serves.

All that a request may need is loaded at the start, by nobody's request, and the collector of cycles
is told that it stays: a collection that looks at 200,000 objects of modules and pages costs some
100 ms, in the middle of whichever request sets it off.
"""

from __future__ import annotations

import gc
import os

import django
from django.core.handlers.wsgi import WSGIHandler

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "obsplatform.settings")

django.setup(set_prefix=False)

from django.urls import get_resolver  # noqa: E402  (they read settings)

from metrics import flushing  # noqa: E402
from obsplatform import following  # noqa: E402
from tracing import own_spans  # noqa: E402

own_spans.start("web")  # before the middleware is loaded
application = WSGIHandler()

flushing.start("web", is_on=following.metrics_on)

_ = get_resolver().url_patterns  # loads every page and its forms
gc.collect()
gc.freeze()
