"""Catch slow tasks of the worker while somebody captures them: the signals of capture.py."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from celery import Task, signals

from tracing.capture import caught

_going: dict[str, ExitStack] = {}


def connect() -> None:
    """Listen from now on; a second call changes nothing."""
    signals.task_prerun.connect(_begin, dispatch_uid="tracing.slow_tasks.begin")
    signals.task_postrun.connect(_end, dispatch_uid="tracing.slow_tasks.end")


def _begin(task_id: str, task: Task, **_: Any) -> None:
    going = ExitStack()
    going.enter_context(caught("task", process="worker")).name = task.name
    _going[task_id] = going


def _end(task_id: str, **_: Any) -> None:
    going = _going.pop(task_id, None)
    if going is not None:
        going.close()
