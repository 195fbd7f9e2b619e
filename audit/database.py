"""Reach Postgres below Django's cursor where an event is counted in microseconds.

Django's cursor builds each statement as text on the client; the hot paths here send parameters in
binary and let Postgres keep the plan. Same connection, same transaction as Django's.
"""

from __future__ import annotations

from typing import Any

import psycopg
from django.db import connection
from psycopg.rows import TupleRow


def raw_connection() -> psycopg.Connection[TupleRow]:
    """Return the psycopg connection under Django's, connecting first when needed."""
    connection.ensure_connection()
    found: psycopg.Connection[TupleRow] = connection.connection
    return found


_make_cursor: type[psycopg.Cursor[TupleRow]] = psycopg.Cursor


def make_cursors_with(kind: type[psycopg.Cursor[TupleRow]]) -> None:
    """Make raw cursors of this kind from now on, in this process: one that tells of statements."""
    global _make_cursor
    _make_cursor = kind


def cursor_kind() -> type[psycopg.Cursor[TupleRow]]:
    """Return what raw cursors are made of now, for who makes a kind of it."""
    return _make_cursor


def raw_cursor() -> psycopg.Cursor[TupleRow]:
    """Return a cursor that sends parameters apart from the statement and reads binary results."""
    return _make_cursor(raw_connection())


def rows(statement: str, parameters: Any = None) -> list[TupleRow]:
    """Run one statement on a raw cursor and return all its rows; the plan is kept by Postgres."""
    with raw_cursor() as cursor:
        return cursor.execute(statement, parameters, binary=True).fetchall()
