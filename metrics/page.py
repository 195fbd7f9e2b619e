"""The page of the platform's metrics: rendered once for all processes, into one row.

Whoever finds the row older than five seconds renders it anew while holding a lock; the others
serve what is there, so no process shows an older state than another. Only the first page of all is
waited for. When the database is away or slow, the newest page that this process can reach is
served with its age: the row it has just read, or the copy on disk (page_copy.py). What is rendered:
expose.py. The row: metrics_page in sql/0001_rollups.sql.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import structlog
from django.db import connection, transaction

from audit.database import raw_connection, rows
from metrics import expose, page_copy
from metrics.collected import UNANSWERED
from metrics.family import Detail
from metrics.served_page import Page
from metrics.text_format import FORMATS, Format

log = structlog.get_logger(__name__)

FRESH_SECONDS: Final = 5.0
STATEMENT_TIMEOUT_MS: Final = 2_000

_READ: Final = """
SELECT body, extract(epoch FROM made_at)::float8, seconds,
    extract(epoch FROM clock_timestamp() - made_at)::float8
FROM metrics_page
WHERE scope = %s
    AND format = %s
"""
# Held while a page is rendered and written.
_TRY_LOCK: Final = "SELECT pg_try_advisory_xact_lock(hashtext('metrics.page'), hashtext(%s))"
_WAIT_FOR_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtext('metrics.page'), hashtext(%s))"
_NOW: Final = "SELECT extract(epoch FROM clock_timestamp())::float8"
_WRITE: Final = """
INSERT INTO metrics_page (scope, format, body, seconds, made_at)
VALUES (%s, %s, %s, %s, to_timestamp(%s))
ON CONFLICT (scope, format) DO UPDATE
SET body = excluded.body, seconds = excluded.seconds, made_at = excluded.made_at
"""


class NoPage(Exception):
    """The database does not answer in time, and no page was kept on this machine."""


def newest(scope: str, form: Format, *, detail: Detail | None) -> Page:
    """Return the page of a scope: empty for all, or the name of the ledger that a key sees.

    Renders it when it is due, at this level of detail; None is switched off. Raises NoPage.
    """
    found: Page | None = None
    try:
        with _in_time():
            found = _read(scope, form)
        if found is None or _is_old(found):
            found = _renewed(scope, form, found, detail)
    except UNANSWERED as error:
        log.warning("metrics.page_not_rendered", scope=scope, error=str(error))
        return _last_resort(scope, form, found)
    page_copy.keep(found, scope, form)
    return found


def age_of(page: Page) -> float:
    """Return how old a page is, in seconds; of a copy by this machine's clock."""
    return page.age if page.age is not None else max(0.0, time.time() - page.made_at)


def _last_resort(scope: str, form: Format, found: Page | None) -> Page:
    kept = page_copy.read(scope, form)
    pages = [page for page in (found, kept) if page is not None]
    if not pages:
        raise NoPage
    return max(pages, key=lambda page: page.made_at)


def _renewed(scope: str, form: Format, old: Page | None, detail: Detail | None) -> Page:
    with _in_time():
        if not rows(_TRY_LOCK, (scope,))[0][0]:
            if old is not None:
                return old
            rows(_WAIT_FOR_LOCK, (scope,))
        found = _read(scope, form)  # another may have written it since
        if found is None or _is_old(found):
            found = _rendered(scope, detail)[form]
    return found


def _rendered(scope: str, detail: Detail | None) -> dict[Format, Page]:
    """Render and write both formats, so that neither shows an older state than the other."""
    made_at = rows(_NOW)[0][0]
    started = time.perf_counter()
    texts = expose.platform(detail=detail, ledger=scope or None)
    seconds = time.perf_counter() - started
    for form in FORMATS:
        body = zlib.compress(texts[form].encode(), 1)
        raw_connection().execute(_WRITE, (scope, form, body, seconds, made_at))
    return {
        form: Page(body=text, made_at=made_at, seconds=seconds, age=seconds)
        for form, text in texts.items()
    }


def _read(scope: str, form: Format) -> Page | None:
    found = rows(_READ, (scope, form))
    if not found:
        return None
    body, made_at, seconds, age = found[0]
    return Page(
        body=zlib.decompress(body).decode(), made_at=made_at, seconds=seconds, age=max(0.0, age)
    )


def _is_old(page: Page) -> bool:
    return age_of(page) >= FRESH_SECONDS


@contextmanager
def _in_time() -> Iterator[None]:
    """Run what is inside in one transaction whose every statement gives up in time."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = {STATEMENT_TIMEOUT_MS:d}")
        yield
