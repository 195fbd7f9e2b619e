"""Registers the project with Django, for its commands, its system checks and Celery."""

from __future__ import annotations

from django.apps import AppConfig


class PlatformConfig(AppConfig):
    """What wires the apps together."""

    name = "obsplatform"
    verbose_name = "Platform"

    def ready(self) -> None:
        """Register the system checks, the log-ins, and our Celery application."""
        from obsplatform import celery, system_checks  # noqa: F401  (importing them does it)
        from obsplatform.people_acts import connect

        connect()
