"""Registers the app with Django."""

from __future__ import annotations

from django.apps import AppConfig


class MetricsConfig(AppConfig):
    """The metrics app."""

    name = "metrics"
    verbose_name = "Operations"
