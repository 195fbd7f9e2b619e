"""What a file of ordinary work offers: pieces of work, and how often each comes up."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from obsplatform.fleet.story import Story

Episodes: TypeAlias = tuple[tuple[int, Callable[[Story], None]], ...]
"""(weight, how it is told)."""
