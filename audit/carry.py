r"""Keep what a projection had counted up to a minimum index, and load it again.

A carry is text, so that anybody can read it and hash it:

    obsplatform carry v1
    audit_agent<TAB>agent_id<TAB>…    a table and its columns, sorted by name
    …                                 its rows, one a line, in the order of its primary key
    \.                                the end of the table

Rows are as Postgres' COPY writes them in its text format, tab between columns, with times in UTC;
so the same rows are the same bytes, whichever server wrote them. The digest is the SHA-256 of all
of it, and stands in the entry `audit.purged`. Which rows there are: project.py. Rows of audit_carry
are written once (audit/sql/0012_retention.sql).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

import psycopg
from psycopg import sql

from audit.database import rows
from audit.errors import CarryUnreadable

HEADER: Final = b"obsplatform carry v1\n"
_END: Final = b"\\.\n"

# What makes a value one text and not another, for this transaction.
_ONE_SPELLING = """
SELECT set_config('timezone', 'UTC', true),
       set_config('datestyle', 'ISO, YMD', true),
       set_config('intervalstyle', 'postgres', true),
       set_config('bytea_output', 'hex', true),
       set_config('extra_float_digits', '1', true)
"""
_COLUMNS = """
SELECT a.attname, array_position(i.indkey::int2[], a.attnum), a.attcollation <> 0
FROM pg_attribute AS a
JOIN pg_index AS i ON i.indrelid = a.attrelid AND i.indisprimary
WHERE a.attrelid = to_regclass(%s)
  AND a.attnum > 0
  AND NOT a.attisdropped
  AND a.attgenerated = ''
ORDER BY a.attname
"""
_NEWEST = """
SELECT to_seq, digest, rows
FROM audit_carry
WHERE ledger_id = %s
  AND projection = %s
ORDER BY to_seq DESC
LIMIT 1
"""
_KEEP = """
INSERT INTO audit_carry (ledger_id, to_seq, projection, digest, rows)
VALUES (%s, %s, %s, %s, %s)
RETURNING to_seq
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Frozen:
    """What a projection had counted of the entries below a seq."""

    projection: str
    to_seq: int
    rows: bytes

    def digest(self) -> bytes:
        """Return the SHA-256 of the rows, 32 bytes."""
        return sha256(self.rows).digest()


def write_carry(cursor: psycopg.Cursor[Any], tables: Sequence[str]) -> bytes:
    """Return the rows of the session's temporary tables of these names as a carry.

    Call in a transaction: how values are spelled is set for its length.
    """
    cursor.execute(_ONE_SPELLING)
    return HEADER + b"".join(_write_table(cursor, table) for table in tables)


def _write_table(cursor: psycopg.Cursor[Any], table: str) -> bytes:
    found = cursor.execute(_COLUMNS, (f"pg_temp.{table}",)).fetchall()
    assert found, f"{table} has no primary key, so its rows have no order"
    columns = [name for name, _, _ in found]
    key = sorted(
        (position, name, is_text) for name, position, is_text in found if position is not None
    )
    statement = sql.SQL("COPY (SELECT {} FROM pg_temp.{} ORDER BY {}) TO STDOUT").format(
        sql.SQL(", ").join(map(sql.Identifier, columns)),
        sql.Identifier(table),
        # By bytes: what a language sorts first differs from server to server.
        sql.SQL(", ").join(
            sql.SQL('{} COLLATE "C"' if is_text else "{}").format(sql.Identifier(name))
            for _, name, is_text in key
        ),
    )
    with cursor.copy(statement) as copy:
        body = b"".join(bytes(each) for each in copy)
    return "\t".join([table, *columns]).encode() + b"\n" + body + _END


def read_rows(body: bytes) -> Iterator[list[str | None]]:
    """Yield the rows of a table of a carry, each value as text; None for NULL."""
    for line in body.decode().split("\n")[:-1]:
        yield [None if cell == "\\N" else _unescaped(cell) for cell in line.split("\t")]


_ESCAPE: Final = re.compile(r"\\(.)")
_ESCAPED: Final = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


def _unescaped(cell: str) -> str:
    # COPY writes a backslash before what would end a cell or a row, and before a backslash.
    if "\\" not in cell:
        return cell
    return _ESCAPE.sub(lambda found: _ESCAPED.get(found[1], found[1]), cell)


def load_carry(cursor: psycopg.Cursor[Any], frozen: Frozen, tables: Sequence[str]) -> None:
    """Put the rows of a carry into tables of their names, which hold nothing of its ledger.

    The tables are named without a schema, as projections name them. Raises CarryUnreadable when
    this version has no such table; a column that is gone is Postgres' own error.
    """
    for table, columns, body in read_tables(frozen):
        if table not in tables:
            raise CarryUnreadable(
                f"the carry of {frozen.projection} at #{frozen.to_seq:,} has rows of {table}, "
                "which this version does not have; install the version that made it"
            )
        with cursor.copy(
            sql.SQL("COPY {} ({}) FROM STDIN").format(
                sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
            )
        ) as copy:
            copy.write(body)


def read_tables(frozen: Frozen) -> Iterator[tuple[str, list[str], bytes]]:
    """Yield each table of a carry: its name, its columns, its rows as COPY writes them.

    Raises CarryUnreadable for a carry of another form.
    """
    rest = frozen.rows.removeprefix(HEADER)
    if rest == frozen.rows:
        raise CarryUnreadable(
            f"the carry of {frozen.projection} at #{frozen.to_seq:,} is of a form that this "
            "version does not read; install the version that made it"
        )
    while rest:
        head, _, rest = rest.partition(b"\n")
        end = 0 if rest.startswith(_END) else rest.index(b"\n" + _END) + 1
        table, *columns = head.decode().split("\t")
        yield table, columns, rest[:end]
        rest = rest[end + len(_END) :]


def newest_carry(ledger_id: int, projection: str) -> Frozen | None:
    """Return what a projection had counted before the newest purge that it was frozen for.

    None when there is none. Raises CarryUnreadable when it is not what was kept.
    """
    found = rows(_NEWEST, (ledger_id, projection))
    if not found:
        return None
    ((to_seq, digest, text),) = found
    frozen = Frozen(projection=projection, to_seq=to_seq, rows=bytes(text))
    if frozen.digest() != bytes(digest):
        raise CarryUnreadable(
            f"the carry of {projection} at #{to_seq:,} is not the one that was kept: its SHA-256 "
            f"is {frozen.digest().hex()}; restore audit_carry from a backup and compare with the "
            "entry audit.purged"
        )
    return frozen


def keep_carry(ledger_id: int, frozen: Frozen) -> None:
    """Keep a carry for ever, in the caller's transaction."""
    rows(_KEEP, (ledger_id, frozen.to_seq, frozen.projection, frozen.digest(), frozen.rows))
