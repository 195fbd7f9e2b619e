"""Verify the archive of a report without a network and without trust in whoever sent it.

What is checked, in this order:

1. the archive: every byte that is not content is written again and compared (archive.py);
2. the manifest: that its text is one, and each signature of a key that the reader brought;
3. every file: name, place, length, CRC-32, SHA-256, as the manifest lists them, and no other file.

*tampered*: something does not agree, and the finding says where. *not proven*: all agrees, but the
manifest is not signed, or not by a key of the reader's, or also by one that he did not bring.
*intact*: all agrees, and keys that the reader brought have signed the manifest. So no byte can be
changed that leaves a report intact.

What it proves: the files are those that the ledger's key signed for this period, read up to this
entry. That this entry is the ledger's shows its hash in an evidence bundle or proof; that the
figures follow from the entries shows whoever makes the report again of a bundle.

Reads the file as a stream. Never writes, opens nothing, reads no clock. The text of the manifest:
reportmanifest.py. The command: __main__.py. Standard library only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from audit.ledger import ed25519
from audit.ledger.archive import Member
from audit.ledger.errors import LedgerFact, NotSigned
from audit.ledger.manifest import FileSum
from audit.ledger.note import Note, OpenedNote, Verify, open_note, parse_note
from audit.ledger.offline import (
    ARCHIVE,
    Finding,
    Progress,
    Reading,
    Result,
    Tampered,
    Trust,
    differ,
    read_archive,
    read_small,
)
from audit.ledger.reportmanifest import (
    REPORT_MANIFEST,
    UNSIGNED,
    UNSIGNED_TEXT,
    ReportManifest,
    parse_report_manifest,
)


@dataclass(frozen=True, kw_only=True)
class ReportVerdict:
    """What was found out about the archive of a report."""

    result: Result
    reasons: tuple[str, ...] = ()
    """Why it is not proven, one sentence each."""
    finding: Finding | None = None
    """What was tampered with."""
    manifest: ReportManifest | None = None
    """What it says that it is; believe it only as far as the result goes."""
    signers: tuple[str, ...] = ()
    """The trusted keys that signed the manifest, as `name+id`."""


def header_of(file: BinaryIO) -> str:
    """Return the first line of an archive's manifest, which says what it is; empty without one.

    Unchecked: only good to tell a reader who mixed up a bundle and a report. Raises OSError.
    """
    try:
        data = read_small(file, read_archive(file)[REPORT_MANIFEST])
    except Tampered:
        return ""
    return data.partition(b"\n")[0].decode(errors="replace")


def verify_report(
    file: BinaryIO,
    *,
    trust: Trust,
    progress: Progress = lambda done, total: None,
    verify: Verify = ed25519.verify,
) -> ReportVerdict:
    """Return the verdict on an archive. Reads only; `file` must be seekable. Raises OSError alone.

    Of `trust` only keys count that have the name of the report's origin. A policy adds its logs;
    witnesses sign no report, so its quorum is not asked for.
    """
    manifest: ReportManifest | None = None
    try:
        members = read_archive(file)
        data = read_small(file, members[REPORT_MANIFEST])
        is_unsigned = UNSIGNED in members
        text = _text_of(data) if is_unsigned else _note_of(data).text
        manifest = _manifest_of(text)
        opened = None if is_unsigned else _opened(data, trust, manifest, verify)
        _check_files(file, members, manifest, progress)
        if is_unsigned:
            _check_unsigned(file, members[UNSIGNED])
    except Tampered as tampered:
        return ReportVerdict(result="tampered", finding=tampered.finding, manifest=manifest)
    signers = () if opened is None else tuple(sorted(map(str, opened.keys())))
    if is_unsigned:
        reasons: tuple[str, ...] = ("it agrees with itself, but nobody has signed it",)
    else:
        reasons = tuple(_missing(_note_of(data), opened, manifest, trust))
    return ReportVerdict(
        result="not proven" if reasons else "intact",
        reasons=reasons,
        manifest=manifest,
        signers=signers,
    )


def _text_of(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise differ(REPORT_MANIFEST, "text", expected="UTF-8", found=error) from error


def _note_of(data: bytes) -> Note:
    try:
        return parse_note(data)
    except LedgerFact as error:
        raise differ(
            REPORT_MANIFEST, "signed note", expected="one that holds", found=error
        ) from error


def _manifest_of(text: str) -> ReportManifest:
    try:
        return parse_report_manifest(text)
    except LedgerFact as error:
        raise differ(
            REPORT_MANIFEST, "text", expected="a report's manifest", found=error
        ) from error


def _opened(
    data: bytes, trust: Trust, manifest: ReportManifest, verify: Verify
) -> OpenedNote | None:
    """Return the note with its trusted signatures; None when no trusted key is named."""
    try:
        return open_note(data, keys=trust.known(manifest.origin), verify=verify)
    except NotSigned:
        return None
    except LedgerFact as error:
        raise differ(
            REPORT_MANIFEST, "signature", expected="one that holds", found=error
        ) from error


def _missing(
    note: Note, opened: OpenedNote | None, manifest: ReportManifest, trust: Trust
) -> Iterator[str]:
    """Yield what keeps a report in which all agrees from being intact."""
    named = [f"{each.name}+{each.key_id.hex()}" for each in note.signatures]
    if not trust.all_keys():
        yield "it agrees with itself, signer unknown: no key was given from outside"
    elif not trust.known(manifest.origin):
        given = ", ".join(sorted({key.name for key in trust.all_keys()}))
        yield f"it agrees with itself, signer unknown: it is of {manifest.origin}, not of {given}"
    elif opened is None:
        yield (
            f"it agrees with itself, signer unknown: it is signed by {', '.join(named)},"
            " which is none of the keys given"
        )
    else:
        trusted = {str(each.key) for each in opened.signed}
        for each in dict.fromkeys(named):
            if each not in trusted:
                yield f"it carries a signature of {each}, which is none of the keys given"
            elif named.count(each) > 1:
                yield f"it carries the signature of {each} more than once"


def _check_files(
    file: BinaryIO, members: dict[str, Member], manifest: ReportManifest, progress: Progress
) -> None:
    held = [name for name in members if name not in (REPORT_MANIFEST, UNSIGNED)]
    last = [UNSIGNED, REPORT_MANIFEST] if UNSIGNED in members else [REPORT_MANIFEST]
    if list(members) != [*held, *last]:
        raise differ(ARCHIVE, "the last files", expected=last, found=list(members)[-len(last) :])
    named = [each.name for each in manifest.files]
    if named != held:
        raise differ(ARCHIVE, "the files", expected=" ".join(named), found=" ".join(held))
    reading = Reading(file=file, total=sum(each.size for each in manifest.files), tell=progress)
    for each in manifest.files:
        _check_file(reading, members[each.name], each)


def _check_file(reading: Reading, member: Member, expected: FileSum) -> None:
    if member.size != expected.size:
        raise differ(expected.name, "length", expected=expected.size, found=member.size)
    for _ in reading.checked(member, expected):
        pass


def _check_unsigned(file: BinaryIO, member: Member) -> None:
    found = read_small(file, member)
    if found != UNSIGNED_TEXT.encode():
        raise differ(UNSIGNED, "text", expected="the text of every unsigned report", found=found)
