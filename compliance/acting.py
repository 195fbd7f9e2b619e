"""Read what a person acts with: who it is, which texts and days were given, and what is refused.

Every verb of people's part takes a `Person` and answers what it cannot do with ActRefused, which
names the field of the form and the way out. What Postgres refuses (compliance/sql/0003_people.sql)
is said in the same way. Verbs: statement.py, waiver.py, scope.py, nil_return.py, review.py,
finding.py, limits.py, uploaded.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final

from django.db import Error
from psycopg import Error as PostgresError

MOST_REASON: Final = 500
"""Characters of a reason, as in events."""
MOST_TEXT: Final = 4_000
"""Characters of a longer text, which an entry holds whole."""
MOST_NAME: Final = 200
"""Characters of an id, as in events."""
EARLIEST: Final = date(1970, 1, 1)
LATEST: Final = date(2199, 12, 31)
"""Days beyond these are slips of the pen."""

_OURS: Final = frozenset({"OBS01", "OBS02"})
"""What Postgres says when a rule of ours refuses."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Person:
    """Who acts: an account that is logged in."""

    id: int
    name: str
    """The user name, which entries carry."""


class ActRefused(Exception):
    """A person's act is not done. `field` names the input it is about, `message` the way out."""

    def __init__(self, *, field: str, message: str) -> None:
        super().__init__(field, message)
        self.field = field
        self.message = message

    def __str__(self) -> str:
        """Read as a line."""
        return f"{self.field}: {self.message}"


def today() -> date:
    """Return the day it is in UTC, in which all days of compliance are counted."""
    return datetime.now(UTC).date()


def read_text(field: str, text: str, *, missing: str, most: int = MOST_TEXT) -> str:
    """Return a text without the blanks around it. Raises ActRefused: `missing` when it is empty."""
    text = text.strip()
    if not text:
        raise ActRefused(field=field, message=missing)
    return read_optional(field, text, most=most)


def read_optional(field: str, text: str, *, most: int = MOST_TEXT) -> str:
    """Likewise for a text that may be empty."""
    text = text.strip()
    if len(text) > most:
        raise ActRefused(
            field=field, message=f"at most {most:,} characters; this has {len(text):,}"
        )
    # Neither Postgres nor an event takes them, so no entry could say what was typed.
    if "\0" in text or any("\ud800" <= each <= "\udfff" for each in text):
        raise ActRefused(field=field, message="it holds a character that no entry can hold")
    return text


def read_day(field: str, text: str) -> date:
    """Return the day that was typed, such as 2026-10-04. Raises ActRefused."""
    try:
        day = date.fromisoformat(text.strip())
    except ValueError:
        day = None
    if day is None or not EARLIEST <= day <= LATEST:
        raise ActRefused(field=field, message="give a day such as 2026-10-04")
    return day


def read_count(field: str, text: str) -> int:
    """Return the whole number that was typed. Raises ActRefused."""
    digits = text.strip().replace(",", "")
    if not (digits.isascii() and digits.isdigit() and len(digits) < 16):
        raise ActRefused(field=field, message="give a whole number, 0 or more")
    return int(digits)


def read_choice(field: str, value: str, known: Sequence[str]) -> str:
    """Return the value when it is one of those known. Raises ActRefused."""
    if value not in known:
        some = ", ".join(known[:10]) + (" …" if len(known) > 10 else "")
        raise ActRefused(field=field, message=f"choose one of {some}" if some else "none is known")
    return value


@contextmanager
def refusals(field: str = "act") -> Iterator[None]:
    """Turn what the rules in Postgres refuse into ActRefused, with their words."""
    try:
        yield
    except Error as error:
        cause = error.__cause__
        if not isinstance(cause, PostgresError) or cause.sqlstate not in _OURS:
            raise
        said = cause.diag.message_primary or str(cause)
        raise ActRefused(field=field, message=said) from error
