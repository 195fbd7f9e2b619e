"""Errors of the language of checks: each names where and what, and the way out. Pure."""

from __future__ import annotations


class DefinitionError(ValueError):
    """A check, control, list or framework is not sound. The message is one line."""
