"""Write the forms of a report into a folder, each from the content alone.

The folder holds `content.json` and `items.csv` already (report_build.py); every other form is a
pure function of the content (compliance/renderers/), so the same content gives the same bytes. The
archive holds every form whatever was asked for, so that one snapshot has one archive; its manifest
is signed by whoever holds the ledger's key (audit/signatures.py) or by nobody. Who takes reports
and keeps their rows: make_report.py.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Final

from compliance.renderers import FORMATS
from compliance.renderers.archive import (
    NAMES,
    archive_files,
    manifest_text,
    sums_of,
    write_archive,
)
from compliance.renderers.executive import render_executive
from compliance.renderers.html import render_html
from compliance.renderers.oscal import render_oscal
from compliance.renderers.pdf import render_pdf
from compliance.renderers.stored_zip import Source
from compliance.report_content import ReportContent
from compliance.report_files import kept_name, open_part, put

Progress = Callable[[str, int, int], None]
"""Is told a stage in words, how much of it is done, and of how much; 0 of 0 when nobody knows."""

STORED: Final = frozenset({"json", "csv"})
"""Forms that the content's own files are."""
ARCHIVE: Final = "zip"

_RENDERERS: Final[Mapping[str, Callable[[ReportContent], bytes]]] = {
    "pdf": render_pdf,
    "executive": render_executive,
    "html": render_html,
    "oscal": render_oscal,
}
_IN_ARCHIVE: Final = tuple(NAMES)
"""Forms that stand in the archive."""


def write_forms(
    content: ReportContent,
    folder: Path,
    *,
    formats: Collection[str],
    stem: str,
    on_progress: Progress,
) -> dict[str, Path]:
    """Write the forms asked for, but no archive, and return where each lies.

    For an archive all that it holds are written. Files are private to this user and flushed to
    disk.
    """
    paths = forms_in(folder, formats=formats, stem=stem)
    for name, path in paths.items():
        if name not in STORED:
            on_progress(f"writing {FORMATS[name].word}", 0, 0)
            put(path, [_RENDERERS[name](content)])
    return paths


def forms_in(folder: Path, *, formats: Collection[str], stem: str) -> dict[str, Path]:
    """Return where each form lies that write_forms writes, in the order of FORMATS."""
    return {
        name: folder / kept_name(name, stem + each.suffix)
        for name, each in FORMATS.items()
        if name != ARCHIVE and (name in formats or (ARCHIVE in formats and name in _IN_ARCHIVE))
    }


def archived(content: ReportContent, forms: Mapping[str, Path]) -> dict[str, Source]:
    """Return what the archive holds, by the names there; `forms` are what write_forms made."""
    return archive_files(content, {name: forms[name] for name in _IN_ARCHIVE})


def manifest_of(content: ReportContent, files: Mapping[str, Source]) -> str:
    """Return the text that is signed: it names every file of the archive with its SHA-256."""
    return manifest_text(
        content,
        sums_of(files),
        origin=content.cover.origin,
        head_seq=content.integrity.head_seq,
        head_hash=content.integrity.head_hash,
    )


def put_archive(
    path: Path, files: Mapping[str, Source], *, manifest: str, note: bytes | None
) -> None:
    """Write the archive, flushed to disk; `note` is the signed manifest, None when nobody signs."""
    with open_part(path) as out:
        write_archive(out, files, manifest=manifest, note=note)
        out.flush()
        os.fsync(out.fileno())


def copy_whole(made: Path, out: Path) -> None:
    """Put a copy of a file where somebody wants it: all of it, or none."""
    part = out.with_name(f".{out.name}.part")
    try:
        with made.open("rb") as source, part.open("wb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
            target.flush()
            os.fsync(target.fileno())
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)
