"""Say what a report's archive holds. Owns the text of its manifest, signed as a note (note.py).

    obsplatform report obs-report/1
    origin <origin>               whose ledger
    ledger <name>
    report <32 hex>               what names the report
    framework <id>
    from <day>                    the period, whole UTC days, such as 2026-10-01
    to <day>                      the day after the last
    snapshot <uuid>               left out when the report was made of a bundle that holds none
    head-seq <n>                  the last entry that was read for it
    head-hash <64 hex>            the hash of that entry
    file <sha256> <length> <name> one line each, sorted by name; all but `manifest`

No number has a leading zero; SHA-256 is 64 lower-case hex digits. There is one text for each
manifest: what `format_report_manifest` would not write is refused.

Whoever signs this signs no checkpoint and no manifest of an evidence bundle, and the other way
round. The first line holds a space, so it is no ledger's origin, with which a checkpoint begins;
the second starts with `origin `, where a checkpoint has a decimal size (C2SP tlog-checkpoint) and
a cosignature `time `; and the first line of an evidence bundle's manifest is another. A signer that
checks with `parse_report_manifest` before it signs can therefore never be made to sign those.

Never signs, never reads a file. Who writes archives: compliance/renderers/archive.py; who checks
them: offlinereport.py. Standard library only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

from audit.ledger.checkpoint import MAX_SIZE
from audit.ledger.errors import ManifestMalformed
from audit.ledger.manifest import FileSum, is_file_name
from audit.ledger.note import is_key_name

REPORT_HEADER = "obsplatform report obs-report/1"

REPORT_MANIFEST = "manifest"
"""The name of the manifest in the archive: its last file."""

UNSIGNED = "UNSIGNED.txt"
"""Stands before the manifest where nobody signed it, and says so."""

UNSIGNED_TEXT = """\
This report is not signed.

The file `manifest` lists the SHA-256 of every other file, but no key of the ledger has signed it.
So the files agree with that list, and nothing shows who made the list: whoever changes a file can
write a list that fits. Ask for the report again from an installation whose sealing process runs
(manage.py seal --follow) to get a signed one.
"""

_LEDGER = re.compile(r"[a-z0-9][a-z0-9.-]{0,62}")
_REPORT = re.compile(r"[0-9a-f]{32}")
_HASH = re.compile(r"[0-9a-f]{64}")
_LONGEST_FRAMEWORK = 200
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_NUMBER = re.compile(r"0|[1-9][0-9]{0,18}")


@dataclass(frozen=True, kw_only=True)
class ReportManifest:
    """What a report's archive says that it is. Raises ManifestMalformed for what cannot be."""

    origin: str
    ledger: str
    report: str
    """32 hex digits."""
    framework: str
    start: str
    """A day, such as 2026-10-01."""
    end: str
    """The day after the last."""
    snapshot: str
    """A UUID; empty when the report was made of a bundle without a sealed snapshot."""
    head_seq: int
    head_hash: str
    """64 hex digits."""
    files: tuple[FileSum, ...]
    """Sorted by name, each once; at least one."""

    def __post_init__(self) -> None:
        """Refuse what could not be written, or not be read again."""
        _refuse(not is_key_name(self.origin), "the origin")
        _refuse(not _LEDGER.fullmatch(self.ledger), "the ledger's name")
        _refuse(not _REPORT.fullmatch(self.report), "the report's id")
        _refuse(not _is_framework(self.framework), "the framework")
        _refuse(not (_is_day(self.start) and _is_day(self.end)), "a day")
        _refuse(not self.start < self.end, "a period without a day")
        _refuse(bool(self.snapshot) and not _UUID.fullmatch(self.snapshot), "the snapshot")
        _refuse(not 0 <= self.head_seq < MAX_SIZE, "the head's seq")
        _refuse(not _HASH.fullmatch(self.head_hash), "the head's hash")
        names = [each.name for each in self.files]
        taken = {*names, REPORT_MANIFEST, UNSIGNED}
        _refuse(not names or names != sorted(names), "the order of the files")
        _refuse(len(taken) != len(names) + 2 or not all(map(is_file_name, names)), "the files")
        _refuse(
            not all(_HASH.fullmatch(each.sha256) and each.size >= 0 for each in self.files),
            "the sum of a file",
        )


def format_report_manifest(manifest: ReportManifest) -> str:
    """Return the text to sign; ends in a newline."""
    snapshot = [f"snapshot {manifest.snapshot}"] if manifest.snapshot else []
    lines = [
        REPORT_HEADER,
        f"origin {manifest.origin}",
        f"ledger {manifest.ledger}",
        f"report {manifest.report}",
        f"framework {manifest.framework}",
        f"from {manifest.start}",
        f"to {manifest.end}",
        *snapshot,
        f"head-seq {manifest.head_seq}",
        f"head-hash {manifest.head_hash}",
        *(f"file {each.sha256} {each.size} {each.name}" for each in manifest.files),
    ]
    return "".join(f"{line}\n" for line in lines)


def parse_report_manifest(text: str) -> ReportManifest:
    """Return what a report's manifest says. Raises ManifestMalformed."""
    header, *lines = text.split("\n")
    _refuse(header != REPORT_HEADER, f"the first line, which must be {REPORT_HEADER!r}")
    _refuse(not lines or lines.pop() != "", "the last line, which must end in a newline")
    said: dict[str, str] = {}
    while lines and not lines[0].startswith("file "):
        name, _, value = lines.pop(0).partition(" ")
        said[name] = value
    try:
        manifest = ReportManifest(
            origin=said["origin"],
            ledger=said["ledger"],
            report=said["report"],
            framework=said["framework"],
            start=said["from"],
            end=said["to"],
            snapshot=said.get("snapshot", ""),
            head_seq=_number(said["head-seq"]),
            head_hash=said["head-hash"],
            files=tuple(map(_file, lines)),
        )
    except KeyError as error:
        raise ManifestMalformed(reason=f"a text without {error.args[0]!r} cannot be") from error
    # Lines that stand twice, in another order or under another name end here.
    _refuse(format_report_manifest(manifest) != text, "another way to write the same")
    return manifest


def _refuse(is_wrong: bool, what: str) -> None:
    if is_wrong:
        raise ManifestMalformed(reason=f"{what} cannot be")


def _is_framework(text: str) -> bool:
    """Tell whether this may be the id of a framework: people choose those of their own."""
    return 0 < len(text) <= _LONGEST_FRAMEWORK and text.isprintable() and text == text.strip()


def _is_day(text: str) -> bool:
    if not _DAY.fullmatch(text):
        return False
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _number(text: str) -> int:
    _refuse(not _NUMBER.fullmatch(text), "a number")
    return int(text)


def _file(line: str) -> FileSum:
    parts = line.split(" ")
    _refuse(len(parts) != 4 or parts[0] != "file", "a file's line")
    return FileSum(sha256=parts[1], size=_number(parts[2]), name=parts[3])
