"""Count the platform's own background tasks and how long they took, as Celery tells.

Runs in the worker's children. A task that is cut short by the end of its process is not counted:
Celery hands it out again.
"""

from __future__ import annotations

import time
from typing import Any, Final

from celery import Task, signals

from audit import measures
from metrics.platform_families import CELERY_SECONDS, CELERY_TASKS

_STATUS: Final = {"SUCCESS": "success", "FAILURE": "error"}
"""By Celery's state; what was put off or revoked is `other`."""

_began: dict[str, float] = {}


def connect() -> None:
    """Listen from now on; a second call changes nothing."""
    signals.task_prerun.connect(_begin, dispatch_uid="metrics.begin")
    signals.task_postrun.connect(_end, dispatch_uid="metrics.end")


def _begin(task_id: str, **_: Any) -> None:
    _began[task_id] = time.perf_counter()


def _end(task_id: str, task: Task, state: str | None = None, **_: Any) -> None:
    began = _began.pop(task_id, None)
    measures.count(CELERY_TASKS.name, task.name, _STATUS.get(state or "", "other"))
    if began is not None:
        measures.observe(CELERY_SECONDS.name, task.name, value=time.perf_counter() - began)
