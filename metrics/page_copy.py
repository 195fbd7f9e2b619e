"""Keep the newest page as a file in OBS_DATA, for when the database is away or slow.

One file a scope and format, replaced whole, read by its owner alone; every web process of the
machine reads the copy that any of them has kept. Not flushed to the disk: a copy that a power cut
takes is made again by the next scrape. When a page is kept and read: page.py.
"""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path

import structlog
from django.conf import settings

from metrics.served_page import Page
from metrics.text_format import Format

log = structlog.get_logger(__name__)


def keep(page: Page, scope: str, form: Format) -> None:
    """Keep a page unless the copy is as new.

    A folder that cannot be written is logged and no more: the page itself can be served.
    """
    path = _path(scope, form)
    try:
        if path.exists() and path.stat().st_mtime >= page.made_at:
            return
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _replace(path, page)
    except OSError as error:
        log.warning("metrics.copy_not_kept", path=str(path), error=str(error))


def read(scope: str, form: Format) -> Page | None:
    """Return the newest page that was kept; None when there is none that can be read."""
    path = _path(scope, form)
    try:
        first, _, body = path.read_text(encoding="utf-8").partition("\n")
    except FileNotFoundError:
        return None
    except OSError as error:
        log.warning("metrics.copy_not_read", path=str(path), error=str(error))
        return None
    said = json.loads(first)
    return Page(body=body, made_at=said["made_at"], seconds=said["seconds"])


def _replace(path: Path, page: Page) -> None:
    fresh = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
            said = {"made_at": page.made_at, "seconds": page.seconds}
            file.write(f"{json.dumps(said)}\n{page.body}")
        os.utime(fresh, (page.made_at, page.made_at))
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise


def _path(scope: str, form: Format) -> Path:
    # A ledger's name is letters, digits, dots and dashes, and may be `platform`.
    name = f"ledger-{scope}" if scope else "platform"
    return settings.DATA / "metrics" / f"{name}.{form}"
