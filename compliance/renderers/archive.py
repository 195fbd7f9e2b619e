"""Lay a report out as one ZIP of determined bytes, with a manifest that the ledger's key signs.

    report.pdf, executive.pdf, report.html, report.json, items.csv      those that were made
    controls.csv, population.csv         the lists of the content (csv_files.py)
    assessment-results.json, assessment-plan.json                       OSCAL (oscal.py)
    samples.jsonl                        the work papers, one JSON object a line
    README.txt, verify.py                how to check it without the platform
    UNSIGNED.txt                         only where nobody has signed it, and says so
    manifest                             every file's SHA-256 and length; a C2SP signed note

All but the last two are sorted by name. In this order:

    files = archive_files(content, {"pdf": path, "json": raw, ...})
    text = manifest_text(content, sums_of(files), origin=..., head_seq=..., head_hash=...)
    id = signatures.ask_for_signature(ledger, text)      # and wait: signatures.PATIENCE
    write_archive(out, files, manifest=text, note=signed.note)

The same files give the same bytes, and so does the note, since Ed25519 has one signature for a
text. The text of the manifest: audit.ledger.reportmanifest. Who checks: verify.py report FILE.zip.
Never signs. The bytes of a ZIP: stored_zip.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import BinaryIO, Final

import msgspec

from compliance.gather import (
    REPORT_MANIFEST,
    UNSIGNED,
    UNSIGNED_TEXT,
    FileSum,
    ReportManifest,
    format_report_manifest,
    parse_note,
    parse_report_manifest,
    verify_py,
)
from compliance.renderers.csv_files import controls_csv, population_csv
from compliance.renderers.oscal import oscal_files
from compliance.renderers.stored_zip import ArchiveChanged, Source, StoredZip, Sum, sum_of
from compliance.report_content import ITEMS, ReportContent
from compliance.result import canonical

NAMES: Final[Mapping[str, str]] = {
    "pdf": "report.pdf",
    "executive": "executive.pdf",
    "html": "report.html",
    "json": "report.json",
    "csv": ITEMS,
}
"""The names of the formats' files inside; `oscal` stands there as its two files."""

_README: Final = """\
{framework} of the ledger {ledger} ({origin})
{start} up to {end}, that day not included; report {report}

Management's evidence package. It is not an attestation report.

To check it, without a network and without the platform:

    python3 verify.py report REPORT.zip --key VKEY

REPORT.zip is the file from which this text comes, not the folder of an unpacked copy. VKEY is the
verifier key of the ledger, one line that begins with {origin}. Get it from the operator, from the
ledger's page or from anybody whom you trust, but not from this archive: whoever forges one brings
a key of his own. The same goes for verify.py itself.

    intact (exit code 0)        every byte agrees, and your key signed the list of files
    tampered (exit code 1)      something was changed; the answer names the file
    not proven (exit code 3)    nothing disagrees, but something is missing, such as the key

What is proven: these files are those that the ledger's key signed for this period, read up to
entry {head_seq}, whose hash is
{head_hash}.
That the figures follow from the entries shows an evidence bundle of the ledger: the report can be
made again of it, and report.json then has the same SHA-256.

    report.pdf, report.html     the report to read; executive.pdf is one page of it
    report.json                 all that the report says; the other files are made of it
    items.csv                   every failing, waived and pending item, one a row
    controls.csv                every control with each of its legs
    population.csv              entries by day, agent and action
    samples.jsonl               the work papers drawn of this snapshot, one a line
    assessment-results.json     the same as NIST OSCAL, with assessment-plan.json
    manifest                    SHA-256, length and name of every file, signed as a C2SP note
"""


def archive_files(content: ReportContent, made: Mapping[str, Source]) -> dict[str, Source]:
    """Return all files of the archive but the manifest, by name.

    `made` are the forms that were rendered, by the names of FORMATS; `oscal` and `zip` in it are
    passed over. Asks for `json` and `csv` at least, since the others are made of them.
    """
    assert {"json", "csv"} <= made.keys(), "an archive holds the content and its items"
    rendered = {NAMES[name]: source for name, source in made.items() if name in NAMES}
    written = {
        "controls.csv": controls_csv(content),
        "population.csv": population_csv(content),
        "samples.jsonl": samples_jsonl(content),
        **oscal_files(content),
        "README.txt": _readme(content),
        "verify.py": verify_py().encode(),
    }
    return dict(sorted({**rendered, **written}.items()))


def samples_jsonl(content: ReportContent) -> bytes:
    """Return the work papers, one canonical JSON object a line; empty when none was drawn."""
    lines = (canonical(msgspec.to_builtins(each)) for each in content.samples)
    return b"".join(line + b"\n" for line in lines)


def sums_of(files: Mapping[str, Source]) -> dict[str, tuple[int, str]]:
    """Return length and SHA-256 of each file, by name. Raises OSError."""
    return {name: (each.size, each.sha256) for name, each in map(_summed, files.items())}


def manifest_text(
    content: ReportContent,
    files: Mapping[str, tuple[int, str]],
    *,
    origin: str,
    head_seq: int,
    head_hash: str,
) -> str:
    """Return the text to have signed. Raises ManifestMalformed for names that no archive may hold.

    `files` are length and SHA-256 by name. `origin` is the ledger's, head the snapshot's.
    """
    cover = content.cover
    return format_report_manifest(
        ReportManifest(
            origin=origin,
            ledger=cover.ledger,
            report=cover.report_id,
            framework=cover.framework,
            start=cover.start,
            end=cover.end,
            snapshot=cover.snapshot,
            head_seq=head_seq,
            head_hash=head_hash,
            files=tuple(
                FileSum(name=name, size=size, sha256=digest)
                for name, (size, digest) in sorted(files.items())
            ),
        )
    )


def write_archive(
    out: BinaryIO, files: Mapping[str, Source], *, manifest: str, note: bytes | None
) -> None:
    """Write the ZIP to the start of `out`; without a note it says plainly that it is unsigned.

    Raises ArchiveChanged when a file is not as the manifest says, or the note is of another text;
    OSError when the disk is full. `out` then holds a part, and is to be thrown away.
    """
    listed = parse_report_manifest(manifest).files
    if {each.name for each in listed} != files.keys():
        raise ArchiveChanged("the manifest lists other files than are given")
    if note is not None and parse_note(note).text != manifest:
        raise ArchiveChanged("the signed note is of another manifest")
    zipped = StoredZip(out)
    for each in listed:
        zipped.add(each.name, files[each.name], sha256=each.sha256)
    if note is None:
        zipped.add(UNSIGNED, UNSIGNED_TEXT.encode())
    zipped.add(REPORT_MANIFEST, manifest.encode() if note is None else note)
    zipped.end()


def _summed(file: tuple[str, Source]) -> tuple[str, Sum]:
    return file[0], sum_of(file[1])


def _readme(content: ReportContent) -> bytes:
    cover, integrity = content.cover, content.integrity
    return _README.format(
        framework=cover.framework_name,
        ledger=cover.ledger,
        origin=cover.origin,
        start=cover.start,
        end=cover.end,
        report=cover.report_id,
        head_seq=integrity.head_seq,
        head_hash=integrity.head_hash,
    ).encode()
