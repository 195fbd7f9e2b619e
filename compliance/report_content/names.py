"""Names that a report's content is made with: its form, its annex, its families."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

SCHEMA: Final = "obs-report/1"
LISTED: Final = 100
"""Rows of a listing that stand in the tree; more are in its annex."""
ITEMS: Final = "items.csv"
"""The annex with every failing, waived and pending item, one a row."""

Family: TypeAlias = Literal["soc2", "hipaa", "gdpr", "other"]
"""Which sections a report has; a customer's own framework is `other`."""
Text: TypeAlias = str
