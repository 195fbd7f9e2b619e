"""Find the page of docs/runbooks that an incident names, to be shown beside it.

A rule names it by its file; an Alertmanager by an address that ends in the file. Another address is
followed by whoever reads it; nothing is fetched here.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from django.conf import settings

FOLDER: Final[Path] = settings.BASE_DIR / "docs" / "runbooks"

_NAME: Final = re.compile(r"(?:.*/)?([A-Za-z0-9]{3,64})(?:\.md)?", re.ASCII)


def text_of(runbook: str) -> str:
    """Return the page in Markdown; empty where we have none of this name."""
    named = _NAME.fullmatch(runbook)
    if named is None:
        return ""
    page = FOLDER / f"{named[1]}.md"  # letters and digits: no way out of the folder
    return page.read_text(encoding="utf-8") if page.is_file() else ""


def link_of(runbook: str) -> str:
    """Return the address to follow; empty where it names none of the web."""
    return runbook if runbook.startswith(("https://", "http://")) else ""
