"""Registers the app with Django."""

from __future__ import annotations

from django.apps import AppConfig


class TracingConfig(AppConfig):
    """The tracing app."""

    name = "tracing"
    verbose_name = "Traces"
