"""Registers the project with Django, for its commands, its system checks and Celery."""

from __future__ import annotations

from django.apps import AppConfig
from django.conf import settings


class PlatformConfig(AppConfig):
    """What wires the apps together."""

    name = "obsplatform"
    verbose_name = "Platform"

    def ready(self) -> None:
        """Register the system checks, the log-ins and our Celery application; count commands."""
        from metrics import flushing, switches
        from obsplatform import celery, system_checks  # noqa: F401  (importing them does it)
        from obsplatform.people_acts import connect
        from tracing import own_spans

        connect()
        if settings.PROCESS_ROLE:
            own_spans.start(settings.PROCESS_ROLE)
            flushing.start(settings.PROCESS_ROLE, is_on=switches.metrics_on)
