"""What an example of PromQL is, as the reference of metrics shows it and a test runs it. Pure.

The examples themselves: agent_examples.py and platform_examples.py. The page: reference_page.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MAY_BE_EMPTY: Final = "# may be empty"
"""The line under a query that shows nothing while all is well, or while nothing feeds it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Example:
    """A question and the query that answers it."""

    asks: str
    """In a few words, without a stop."""
    query: str
    """One line of PromQL."""
    is_quiet: bool = False
    """Whether it may show nothing where everything runs: an alert, a share of what is rare."""


def ask(asks: str, query: str) -> Example:
    """Return an example that shows something wherever its family has samples."""
    return Example(asks=asks, query=query)


def quiet(asks: str, query: str) -> Example:
    """Return an example that shows nothing as long as all is well."""
    return Example(asks=asks, query=query, is_quiet=True)
