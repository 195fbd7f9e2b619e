"""Registers the app with Django."""

from __future__ import annotations

from django.apps import AppConfig


class ComplianceConfig(AppConfig):
    """The compliance app."""

    name = "compliance"
    verbose_name = "Compliance"
