"""Registers the project with Django, for its commands and its system checks."""

from __future__ import annotations

from django.apps import AppConfig


class PlatformConfig(AppConfig):
    """What wires the apps together."""

    name = "obsplatform"
    verbose_name = "Platform"

    def ready(self) -> None:
        """Register the system checks."""
        from obsplatform import system_checks  # noqa: F401  (importing it registers them)
