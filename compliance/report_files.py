"""Keep the files of reports: where they lie, which link opens one, and who took one.

A report's files lie in a folder of its own, named after its uid: `content.json`, `items.csv` and
each form under the name that a person saves. It is made under a name of the attempt and renamed
when all of it is there, so that what has a report's name is never half a report, and a worker that
comes back late harms none. Readable by this user alone; web and workers run as the same. Who makes
the files: make_report.py. Who serves them: download.py.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from datetime import date, timedelta
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, Final
from urllib.parse import quote

from django.conf import settings
from django.core import signing
from django.urls import reverse

from compliance.models import Report, ReportFile, Snapshot
from compliance.renderers import FORMATS
from compliance.report_content import ITEMS, content_digest, parse_content

CONTENT: Final = "content.json"

_MOST_LOOKED_AT = 5  # reports of one result whose content is looked for
_READ = 1 << 20
_SALT = "compliance.report_files"
_PART = ".part"
_KEPT_AS: Final = {"json": CONTENT, "csv": ITEMS}
"""Forms that lie there anyway, under another name than a person saves."""


# --- Where they lie -------------------------------------------------------------------------------


def folder_of(report: Report) -> Path:
    """Return where the files of a report that is done lie."""
    return Path(settings.REPORT_DIR) / str(report.uid)


def path_of(report: Report, file: ReportFile) -> Path:
    """Return where one file of a report lies."""
    return folder_of(report) / kept_name(file.format, file.name)


def kept_name(format: str, name: str) -> str:
    """Return the name that a form has in its folder."""
    return _KEPT_AS.get(format, name)


def files_of(report: Report) -> list[ReportFile]:
    """Return the files of a report in the order in which formats are offered; none before done."""
    found = ReportFile.objects.filter(ledger_id=report.ledger_id, report_id=report.id)
    order = list(FORMATS)
    return sorted(found, key=lambda file: order.index(file.format))


def file_named(report: Report, name: str) -> ReportFile | None:
    """Return the file of a report that has this name."""
    if "\0" in name:
        return None
    return ReportFile.objects.filter(
        ledger_id=report.ledger_id, report_id=report.id, name=name
    ).first()


def stem(ledger: str, framework: str, start: date, end: date) -> str:
    """Return what the names of files begin with: ledger, framework, first and last day."""
    return f"{ledger}-{framework}-{start}-{end - timedelta(days=1)}"


def stem_of(report: Report) -> str:
    """Return what the names of a report's files begin with."""
    return stem(report.ledger.name, report.framework, report.start_day, report.end_day)


def shown_name(report: Report, format: str) -> str:
    """Return the name that a person saves one form under."""
    return stem_of(report) + FORMATS[format].suffix


def stored_content(snapshot: Snapshot) -> Path | None:
    """Return a folder in which the content of a sealed result lies unharmed; None for none.

    Later reports of the result begin with it. What does not have the sums that were kept is passed
    over.
    """
    made = Report.objects.filter(
        ledger_id=snapshot.ledger_id, snapshot_id=snapshot.id, state="done"
    )
    for report in made.newest_first()[:_MOST_LOOKED_AT]:
        folder = folder_of(report)
        if _is_unharmed(folder, report.content_sha256):
            return folder
    return None


def _is_unharmed(folder: Path, digest: str) -> bool:
    if not (folder / CONTENT).is_file() or not (folder / ITEMS).is_file():
        return False
    raw = (folder / CONTENT).read_bytes()
    if content_digest(raw) != digest:
        return False
    sums = {annex.name: annex.sha256 for annex in parse_content(raw).annexes}
    return sums.get(ITEMS) == sum_up(folder / ITEMS)[1]


# --- While one is made ----------------------------------------------------------------------------


def part_folder(report: Report, attempt: int) -> Path:
    """Return where an attempt works."""
    return Path(settings.REPORT_DIR) / f"{report.uid}.{attempt}{_PART}"


def make_part_folder(report: Report, attempt: int) -> Path:
    """Make an attempt's empty folder; only this user may read it. What older ones left goes."""
    remove_parts(report)
    path = part_folder(report, attempt)
    path.mkdir(mode=0o700, parents=True)
    return path


def take_over_folder(report: Report, *, attempt: int) -> Path | None:
    """Return what the attempt before has made, as this attempt's folder; None when it is gone.

    The rename is what keeps a late worker of that attempt away.
    """
    path = part_folder(report, attempt)
    try:
        part_folder(report, attempt - 1).rename(path)
    except FileNotFoundError:
        return None
    return path


def make_whole(report: Report, *, attempt: int) -> None:
    """Put an attempt's folder under the report's name, flushed to disk."""
    part, whole = part_folder(report, attempt), folder_of(report)
    _flush(part)
    if whole.exists():  # a transaction that was lost after the rename left it
        shutil.rmtree(whole)
    part.rename(whole)
    _flush(whole.parent)


def remove_parts(report: Report, *, before: int | None = None) -> None:
    """Remove what attempts have made, all of it or that of attempts before one."""
    for path in Path(settings.REPORT_DIR).glob(f"{report.uid}.*{_PART}"):
        attempt = int(path.name.split(".")[1])
        if before is None or attempt < before:
            shutil.rmtree(path)


def open_part(path: Path) -> BinaryIO:
    """Make and open a file for writing that only this user may read."""
    number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    return os.fdopen(number, "w+b")


def put(path: Path, chunks: Iterable[bytes]) -> None:
    """Write a file whole and flush it to disk; only this user may read it."""
    with open_part(path) as file:
        for chunk in chunks:
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())


def sum_up(path: Path) -> tuple[int, str]:
    """Return the length in bytes and the SHA-256 in hex of a file."""
    found, length = sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(_READ):
            found.update(chunk)
            length += len(chunk)
    return length, found.hexdigest()


def _flush(folder: Path) -> None:
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


# --- Links ----------------------------------------------------------------------------------------


def make_link(report: Report, file: ReportFile) -> str:
    """Return an address that opens a file for whoever holds it, for OBS_REPORT_LINK_SECONDS.

    Absolute when OBS_PUBLIC_URL is set, else a path of this server.
    """
    token = signing.TimestampSigner(salt=_SALT).sign(f"{report.uid}/{file.name}")
    return f"{settings.PUBLIC_URL}{address_of(report, file)}?link={quote(token)}"


def address_of(report: Report, file: ReportFile) -> str:
    """Return the path of a file for a person who is logged in."""
    return reverse("report-file", args=[report.id, file.name])


def link_opens(token: str, report: Report, name: str) -> bool:
    """Tell whether a token was made here for this file, and has not expired."""
    try:
        said = signing.TimestampSigner(salt=_SALT).unsign(
            token, max_age=settings.REPORT_LINK_SECONDS
        )
    except signing.BadSignature:
        return False
    return said == f"{report.uid}/{name}"
