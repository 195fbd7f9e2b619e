"""The Celery application: tasks are wake-ups, the work itself waits in Postgres."""

from __future__ import annotations

import logging.config
import os
from typing import Any

from celery import Celery, signals
from django.conf import settings
from django_structlog.celery.steps import DjangoStructLogInitStep

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "obsplatform.settings")

app = Celery("obsplatform")
app.set_default()  # `current_app` is by thread; without a default another's would ring nowhere
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.steps["worker"].add(DjangoStructLogInitStep)  # the request's id, out of the message


@signals.worker_init.connect
def count_worker(**_: Any) -> None:
    """Count what the worker does; its children, forked from here, go on by themselves."""
    from metrics import (  # they need Django's settings, made ready by now
        celery_tasks,
        flushing,
        switches,
    )

    celery_tasks.connect()
    flushing.start("worker", is_on=switches.metrics_on)


@signals.beat_init.connect
def count_beat(**_: Any) -> None:
    """Count what beat does."""
    from metrics import flushing, switches

    flushing.start("beat", is_on=switches.metrics_on)


@signals.worker_process_shutdown.connect
@signals.worker_shutdown.connect
def tell_the_rest(**_: Any) -> None:
    """Write what was counted last: a child of the worker ends without exit functions."""
    from metrics import flushing

    flushing.flush()


@signals.setup_logging.connect
def set_up_logging(**_: Any) -> None:
    """Log as the web does. A receiver of this signal also keeps Celery from its own set-up."""
    logging.config.dictConfig(settings.LOGGING)
