"""The Celery application: tasks are wake-ups, the work itself waits in Postgres."""

from __future__ import annotations

import logging.config
import os
from typing import Any

from celery import Celery, signals
from django.conf import settings
from django.db import connections
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
    from metrics import celery_tasks, flushing  # they need Django's settings, made ready by now
    from obsplatform import following
    from tracing import slow_tasks

    celery_tasks.connect()
    slow_tasks.connect()
    flushing.start("worker", is_on=following.metrics_on)


@signals.worker_process_init.connect
def trace_child(**_: Any) -> None:
    """Make spans in each child: a thread that sends does not outlive a fork."""
    from tracing import own_spans

    own_spans.start("worker")


@signals.beat_init.connect
def count_beat(**_: Any) -> None:
    """Count what beat does, and begin the traces of what it rings for."""
    from metrics import flushing, switches
    from tracing import own_spans

    own_spans.start("beat")
    flushing.start("beat", is_on=switches.metrics_on)


@signals.task_prerun.connect
def look_at_connections(**_: Any) -> None:
    """Close connections that are broken, so that a task begins with one that works.

    They outlive tasks (CELERY_DB_REUSE_MAX), and Postgres may have gone and come back meanwhile.
    """
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:  # a task that is called within another's transaction
            connection.close_if_unusable_or_obsolete()
            connection.close_if_health_check_failed()


@signals.worker_process_shutdown.connect
@signals.worker_shutdown.connect
def tell_the_rest(**_: Any) -> None:
    """Send and write what was made last: a child of the worker ends without exit functions."""
    from metrics import flushing
    from tracing import own_spans

    own_spans.flush()
    flushing.flush()  # behind the spans, which it counts


@signals.setup_logging.connect
def set_up_logging(**_: Any) -> None:
    """Log as the web does. A receiver of this signal also keeps Celery from its own set-up."""
    logging.config.dictConfig(settings.LOGGING)
