"""Check that the folders of an installation are there and let this process do what it does there.

A worker writes exports, reports and tombstones, the web reads them; keys are nobody's but ours. The
folder of signing keys belongs to the process that seals, which says itself what is wrong with it
(the check `seal`). One check of readiness.py; it makes nothing and removes nothing.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings

from obsplatform.finding import Finding, told


def check_files() -> Finding:
    """Critical when OBS_DATA cannot be used, degraded when a folder in it cannot."""
    problem = (
        _cannot_write("OBS_DATA", settings.DATA)
        if settings.DATA.exists()
        else (f"OBS_DATA {settings.DATA} is not there")
    )
    if problem:
        return Finding(status="critical", detail=problem)
    return told(list(_problems()), fine="every folder is there and open to this process alone")


def _problems() -> Iterator[str]:
    folders = {"OBS_EXPORT_DIR": settings.EXPORT_DIR, "OBS_REPORT_DIR": settings.REPORT_DIR}
    if settings.DATABASE_ROLE == "web":
        looks = [_cannot_read(name, folder) for name, folder in folders.items()]
    else:
        folders["OBS_TOMBSTONES"] = settings.TOMBSTONES
        looks = [_cannot_write(name, folder) for name, folder in folders.items()]
    yield from filter(None, looks)
    if settings.KEY_DIR.exists() and stat.S_IMODE(settings.KEY_DIR.stat().st_mode) & 0o077:
        yield f"others can reach OBS_KEY_DIR {settings.KEY_DIR}: chmod -R go= it"


def _cannot_read(name: str, folder: Path) -> str:
    """Say why nothing can be read there, if so; what is not there yet holds nothing to read."""
    if not folder.exists():
        return ""
    if not folder.is_dir():
        return f"{name} {folder} is no folder"
    return "" if os.access(folder, os.R_OK | os.X_OK) else f"{name} {folder} cannot be read"


def _cannot_write(name: str, folder: Path) -> str:
    """Say why nothing can be written there, if so; a folder that is not there yet is made later."""
    there = folder
    while not there.exists():
        there = there.parent
    if not there.is_dir():
        return f"{name} {folder} is no folder, or lies below a file"
    if not os.access(there, os.W_OK | os.X_OK):
        return f"{name} {folder} cannot be written"
    return ""
