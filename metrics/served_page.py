"""A page of /metrics as it is kept between two renderings. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """The platform's families in one format, as they stood at one moment."""

    body: str
    """Without what is said of the page itself, and without an `# EOF`."""
    made_at: float
    """Unix time in seconds when its rows began to be read, by the clock of the database."""
    seconds: float
    """How long it took to render."""
    age: float | None = None
    """In seconds when it was read from its row, by the clock of the database; None of a copy."""
