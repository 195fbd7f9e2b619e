"""What is handed over of a report: its facts and its files, as a mail or as JSON says them. Pure.

Files are read where they lie and refused when they are not what their row says. How a parcel goes:
delivering.py. When and to whom: deliver_report.py.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Final
from uuid import UUID

ATTACHED: Final = 10_000_000
"""Bytes of all attachments of a mail; beyond that it has links alone."""
ATTACHED_FORMATS: Final = frozenset({"pdf", "executive"})
"""What people read; the rest is fetched by a link."""
_DAY: Final = 86_400


class NotDelivered(Exception):
    """The other side did not take a parcel; the text says why. `is_final`: no try will help."""

    def __init__(self, message: str, *, is_final: bool = False) -> None:
        super().__init__(message)
        self.is_final = is_final


@dataclass(frozen=True, kw_only=True, slots=True)
class ParcelFile:
    """One file of a report."""

    name: str
    format: str
    content_type: str
    size: int
    """Bytes."""
    sha256: str
    """Hex."""
    path: Path
    link: str
    """Where whoever holds it may fetch the file for a while; empty: there is no such address."""

    def read(self) -> bytes:
        """Return its bytes. Raises NotDelivered when they are not those that were made."""
        try:
            content = self.path.read_bytes()
        except OSError as error:
            raise NotDelivered(
                f"the file {self.name} cannot be read ({error.strerror}); ask for the report again"
            ) from error
        if sha256(content).hexdigest() != self.sha256:
            raise NotDelivered(
                f"the file {self.name} is not the one that was made: its SHA-256 differs;"
                " ask for the report again",
                is_final=True,
            )
        return content


@dataclass(frozen=True, kw_only=True, slots=True)
class Parcel:
    """A report on its way to one recipient, or a test without files."""

    uid: UUID
    """Of the delivery: the same at each try, so that a repeat is known for one."""
    ledger: str
    origin: str
    schedule: str
    """Its name; empty: none."""
    framework: str
    framework_name: str
    start: date
    end: date
    """The day after the last."""
    number: int
    """Of the report, as the desk's address names it."""
    report_uid: str
    report_id: str
    snapshot: str
    content_sha256: str
    evidenced: str | None
    tested: str | None
    coverage: str | None
    cap: int | None
    band: str | None
    stem: str
    """What the names of its files begin with."""
    page: str
    """The report's page; empty when the platform does not know its own address."""
    link_seconds: int
    files: tuple[ParcelFile, ...] = field(default=())
    is_test: bool = False

    @property
    def last_day(self) -> date:
        """Return the last day of the period."""
        return self.end - timedelta(days=1)

    def subject(self) -> str:
        """Return what a mail is about, on one line."""
        if self.is_test:
            return f"Test of the schedule {self.schedule}"
        short = self.framework_name.partition(" (")[0]  # editions stand in the text
        return f"{short} {self.start} to {self.last_day}, ledger {self.ledger}"


def attached(parcel: Parcel) -> tuple[ParcelFile, ...]:
    """Return the files that a mail carries: all that people read, or none when they are too big."""
    wanted = tuple(each for each in parcel.files if each.format in ATTACHED_FORMATS)
    return wanted if sum(each.size for each in wanted) <= ATTACHED else ()


def mail_text(parcel: Parcel) -> str:
    """Return the text of the mail."""
    if parcel.is_test:
        return (
            f"This is a test of the schedule {parcel.schedule} of the ledger {parcel.ledger}.\n"
            "Reports that it makes will come to this address. No report is attached.\n\n"
            f"Delivery {parcel.uid}.\n"
        )
    lines = [
        f"{parcel.framework_name}: evidence from {parcel.start} to {parcel.last_day}, whole days"
        f" in UTC, of the ledger {parcel.ledger}.",
        "",
        *_numbers(parcel),
        "",
        f"Report     {parcel.report_id}",
        f"Snapshot   {parcel.snapshot}",
        f"Content    SHA-256 {parcel.content_sha256}",
        "",
        *_file_lines(parcel),
        "This is management's evidence package, and not an attestation report.",
        *((f"Made by the schedule {parcel.schedule}.",) if parcel.schedule else ()),
        f"Delivery {parcel.uid}: a repeat of this mail has the same.",
    ]
    return "\n".join(lines) + "\n"


def _numbers(parcel: Parcel) -> list[str]:
    shown = {
        "EVIDENCED": parcel.evidenced or "no score was issued",
        "TESTED": parcel.tested or "none",
        "COVERAGE": parcel.coverage or "none",
    }
    lines = [f"{word:<10} {value}" for word, value in shown.items()]
    if parcel.cap is not None and parcel.cap < 100:  # 100 is no cap
        lines.append(f"{'CAP':<10} {parcel.cap}: what the report lists holds the score down")
    return lines


def _file_lines(parcel: Parcel) -> list[str]:
    carried = {each.name for each in attached(parcel)}
    lines = []
    for each in parcel.files:
        with_it = ", attached" if each.name in carried else ""
        lines += [
            f"{each.name} ({each.size:,} bytes{with_it})",
            f"  SHA-256 {each.sha256}",
            *((f"  {each.link}",) if each.link else ()),
        ]
    if any(each.link for each in parcel.files):
        lines.append(f"Links work for {_how_long(parcel.link_seconds)}, for whoever holds them.")
    elif parcel.page:
        lines.append(f"To fetch them: {parcel.page}")
    else:
        lines.append(f"To fetch them: log in, Reports, report {parcel.number}.")
    return [*lines, ""]


def _how_long(seconds: int) -> str:
    if seconds >= 2 * _DAY:
        return f"{seconds // _DAY} days"
    return f"{seconds // 3600} hours" if seconds >= 7200 else f"{seconds // 60} minutes"


def facts(parcel: Parcel) -> Mapping[str, object]:
    """Return what a webhook and an object store are told: the report, and each file's sum."""
    return {
        "type": "test" if parcel.is_test else "report",
        "delivery": str(parcel.uid),
        "ledger": parcel.ledger,
        "origin": parcel.origin,
        "schedule": parcel.schedule,
        "report": None
        if parcel.is_test
        else {
            "number": parcel.number,
            "uid": parcel.report_uid,
            "report_id": parcel.report_id,
            "framework": parcel.framework,
            "framework_name": parcel.framework_name,
            "from": str(parcel.start),
            "to": str(parcel.end),
            "snapshot": parcel.snapshot,
            "content_sha256": parcel.content_sha256,
            "evidenced": parcel.evidenced,
            "tested": parcel.tested,
            "coverage": parcel.coverage,
            "cap": parcel.cap,
            "band": parcel.band,
            "page": parcel.page,
        },
        "files": [
            {
                "name": each.name,
                "format": each.format,
                "content_type": each.content_type,
                "size": each.size,
                "sha256": each.sha256,
                "link": each.link,
            }
            for each in parcel.files
        ],
    }


def facts_json(parcel: Parcel) -> bytes:
    """Return the facts as JSON."""
    return json.dumps(facts(parcel), ensure_ascii=False, sort_keys=True).encode()
