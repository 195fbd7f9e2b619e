"""Write down for a data subject what a ledger holds about it (GDPR Article 15). Leaves an entry.

The file is a ZIP: `index.html` to read and print, `entries.ndjson` with each record as it was
hashed beside its `personal` in clear, `README.txt`. Everything in it is in clear, so whoever gets
it holds personal data. Only what this subject's key opens is opened: pseudonyms of others stay
pseudonyms, and what is sealed under another key stays sealed.

It is written as it is read, one part of the entries at a time; in memory stays one number an
entry. The act is the entry `audit.exported`, which names the key and never the id. Which entries:
the index of subject_index.py. Asking for it: the pages and the command of erasures.
"""

from __future__ import annotations

import hashlib
import io
from array import array
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO, Any, Final
from uuid import UUID
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from cryptography.exceptions import InvalidTag
from django.db import transaction
from django.template.loader import get_template
from django.utils import timezone

from audit.database import rows
from audit.erase import subject_entries
from audit.errors import EntriesPruned, NoLivingKey, RecordUnreadable
from audit.ledger.canonical import JSONValue, canonicalise
from audit.ledger.record import format_time, leaf_hash
from audit.models import Ledger
from audit.pruned import minimum_index
from audit.reading import blocks, is_readable, sentence
from audit.receive import receive_own
from audit.renderings import parse_record
from audit.subjects import Subject, hold_known_subjects, read_subject

CONTENT_TYPE: Final = "application/zip"

PURPOSE: Final = "GDPR 15 access"
"""What the entry says that it was for."""

_AT_ONCE = 200  # entries in memory; a record has at most 65,535 bytes
_SEARCHED = 2_000  # seqs that one statement searches where the index has not come yet
_INDEX = "subjects"
_THIS_PERSON = "(the person this file is about)"

_HEAD = "SELECT size FROM audit_head WHERE ledger_id = %s"
_INDEXED_TO = "SELECT next_seq FROM audit_projection WHERE ledger_id = %s AND name = %s"
_SEARCH = """
SELECT seq
FROM audit_entry
WHERE ledger_id = %s
  AND seq >= %s
  AND seq < %s
  AND position(%s::bytea IN record) > 0
ORDER BY seq
"""
_READ = """
SELECT u.seq, encode(e.hash, 'hex'), e.record
FROM unnest(%s::bigint[]) WITH ORDINALITY AS u(seq, position),
     LATERAL (
         SELECT hash, record
         FROM audit_entry
         WHERE ledger_id = %s
           AND seq = u.seq
         OFFSET 0  -- one index step a seq, whatever the statistics say
     ) AS e
ORDER BY u.position
"""
_QUARANTINED = """
SELECT count(*)
FROM audit_quarantine
WHERE ledger_id = %s
  AND position(%s::bytea IN event) > 0
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class AccessFacts:
    """What a file of access holds."""

    ledger: str
    key_id: UUID
    """The subject's data key, which names the subject in the entry."""
    pseudonym: str
    made_at: datetime
    size: int
    """Entries of the ledger that were looked at: all below this seq."""
    minimum: int
    """The first seq that is kept; entries below it were pruned."""
    entries: int
    personal_entries: int
    """Entries whose `personal` stands in clear in the file."""
    sealed_entries: int
    """Entries whose `personal` is sealed under another key and stays so."""
    quarantined: int
    """Events in quarantine that name the subject; they are not in the file."""
    first_seq: int | None
    last_seq: int | None
    file_size: int
    """Bytes of the file."""
    sha256: str
    """Of the whole file, in hex."""


def access_file_name(ledger: Ledger, made_at: datetime) -> str:
    """Return the name that a person saves the file under; it does not name the subject."""
    return f"{ledger.name}-access-{made_at.astimezone(UTC):%Y%m%dT%H%M%SZ}.zip"


def write_access(
    ledger: Ledger,
    subject_id: str,
    out: IO[bytes],
    *,
    by: str,
    seqs: Iterable[int] | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> AccessFacts:
    """Write a ZIP of all entries about a subject to `out`, which is only written to.

    Give it to nobody before this returns: only then has the key outlived the writing, and the act
    its entry. `by` is the person's user name, empty for the platform itself. `seqs`, ascending, are
    the entries to take instead of those that the index and a search behind it find. `on_progress`
    is told the entries written so far. Raises NoLivingKey when the subject has no key, or was
    erased meanwhile; EntriesPruned when entries went meanwhile; RecordUnreadable for an entry that
    somebody changed in the database.
    """
    subject = read_subject(ledger.id, ledger.name, subject_id)
    if subject is None:
        raise NoLivingKey(
            f"{ledger.name} holds no key of this data subject: no event named it in "
            "data.subject_ids, or it was erased, and then nothing can be read"
        )
    writing = _Writing(ledger, subject, made_at=timezone.now(), on_progress=on_progress)
    counted = _Counted(out)
    with ZipFile(counted, "w", ZIP_DEFLATED) as archive:
        writing.write(archive, writing.found() if seqs is None else seqs)
    facts = writing.facts(counted)
    with transaction.atomic():
        held = hold_known_subjects([subject_id], ledger_id=ledger.id, ledger_name=ledger.name)
        if subject_id not in held or held[subject_id].key_id != subject.key_id:
            raise NoLivingKey("the data subject was erased meanwhile; destroy what was written")
        _leave_entry(ledger, facts, by=by)
    return facts


def _leave_entry(ledger: Ledger, facts: AccessFacts, *, by: str) -> None:
    receive_own(
        ledger,
        "audit.exported",
        by=by,
        target={"type": "data_subject", "id": str(facts.key_id)},
        reason="answers the access request of a data subject (GDPR Article 15)",
        data={"purpose": PURPOSE},
        integrity={"from_seq": facts.minimum, "to_seq": facts.size},
        details={
            "format": "access",
            "size": facts.size,
            "entries": facts.entries,
            "personal_entries": facts.personal_entries,
            "first_seq": facts.first_seq,
            "last_seq": facts.last_seq,
            "bytes": facts.file_size,
            "sha256": facts.sha256,
        },
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Read:
    """One entry, opened as far as the subject's key opens it."""

    seq: int
    hash: str
    record: bytes
    parsed: dict[str, Any]
    personal: dict[str, JSONValue] | None
    is_sealed: bool
    """Whether it holds `personal` that another key opens."""


class _Writing:
    """One file on its way."""

    def __init__(
        self,
        ledger: Ledger,
        subject: Subject,
        *,
        made_at: datetime,
        on_progress: Callable[[int], None] | None,
    ) -> None:
        self.ledger, self.subject, self.made_at = ledger, subject, made_at
        self.pseudonym = subject.pseudonym()
        self.minimum = minimum_index(ledger.id)
        ((self.size,),) = rows(_HEAD, (ledger.id,))
        self.on_progress = on_progress
        self.written = array("q")
        self.personal = self.sealed = 0
        ((self.quarantined,),) = rows(_QUARANTINED, (ledger.id, self.pseudonym.encode()))

    def found(self) -> Iterator[int]:
        """Yield the seqs of entries that name the subject, by index, then by search behind it."""
        indexed = rows(_INDEXED_TO, (self.ledger.id, _INDEX))
        indexed_to = min(int(indexed[0][0]) if indexed else 0, self.size)
        after = self.minimum - 1
        while page := subject_entries(self.ledger, self.pseudonym, after=after):
            for seq in page:
                if seq >= indexed_to:
                    break
                yield seq
            after = page[-1]
        start = max(indexed_to, self.minimum)
        for begin in range(start, self.size, _SEARCHED):
            end = min(begin + _SEARCHED, self.size)
            for (seq,) in rows(_SEARCH, (self.ledger.id, begin, end, self.pseudonym.encode())):
                yield seq

    def write(self, archive: ZipFile, seqs: Iterable[int]) -> None:
        """Write the three members. The entries are read twice: a page tells its counts first."""
        with _member(archive, "entries.ndjson", self.made_at) as out:
            for each in self._read(seqs):
                out.write(_line(each))
                self.written.append(each.seq)
                self.personal += each.personal is not None
                self.sealed += each.is_sealed
                if self.on_progress is not None and len(self.written) % _AT_ONCE == 0:
                    self.on_progress(len(self.written))
        if self.on_progress is not None:
            self.on_progress(len(self.written))
        told = self._told()
        with _member(archive, "index.html", self.made_at) as out:
            out.write(get_template("audit/access_head.html").render(told).encode())
            shown = get_template("audit/access_entry.html")
            for each in self._read(self.written):
                out.write(shown.render({"entry": each} | self._shown(each)).encode())
            out.write(get_template("audit/access_foot.html").render(told).encode())
        with _member(archive, "README.txt", self.made_at) as out:
            out.write(get_template("audit/access_readme.txt").render(told).encode())

    def facts(self, counted: _Counted) -> AccessFacts:
        """Return what was written; the archive is closed by now."""
        return AccessFacts(
            ledger=self.ledger.name,
            key_id=self.subject.key_id,
            pseudonym=self.pseudonym,
            made_at=self.made_at,
            size=self.size,
            minimum=self.minimum,
            entries=len(self.written),
            personal_entries=self.personal,
            sealed_entries=self.sealed,
            quarantined=self.quarantined,
            first_seq=self.written[0] if self.written else None,
            last_seq=self.written[-1] if self.written else None,
            file_size=counted.length,
            sha256=counted.sum.hexdigest(),
        )

    def _told(self) -> dict[str, Any]:
        return {
            "ledger": self.ledger,
            "key_id": self.subject.key_id,
            "pseudonym": self.pseudonym,
            "subject_id": self.subject.subject_id,
            "made_at": format_time(self.made_at),
            "size": self.size,
            "minimum": self.minimum,
            "entries": len(self.written),
            "personal": self.personal,
            "sealed": self.sealed,
            "quarantined": self.quarantined,
        }

    def _read(self, seqs: Iterable[int]) -> Iterator[_Read]:
        for part in _parts(seqs):
            found = rows(_READ, (part, self.ledger.id))
            missing = set(part) - {row[0] for row in found}
            if missing:
                raise self._gone(min(missing))
            for seq, digest, record in found:
                yield self._opened(seq, digest, bytes(record))

    def _gone(self, seq: int) -> Exception:
        if seq < minimum_index(self.ledger.id):
            return EntriesPruned(
                f"entries from #{seq:,} on were pruned while the file was written; begin again"
            )
        return RecordUnreadable(seq=seq)

    def _opened(self, seq: int, digest: str, record: bytes) -> _Read:
        if leaf_hash(record).hex() != digest:
            raise RecordUnreadable(seq=seq)
        parsed = parse_record(record, seq=seq)
        try:
            sealed = parsed["event"].get("personal")
            is_own = sealed is not None and sealed["key_id"] == str(self.subject.key_id)
            event_id = UUID(parsed["event"]["id"])
            personal = self.subject.decrypt(sealed, event_id=event_id) if is_own else None
        except (KeyError, TypeError, ValueError, AttributeError, InvalidTag) as error:
            # Every chained record has these fields, and opens; this one was changed since.
            raise RecordUnreadable(seq=seq) from error
        return _Read(
            seq=seq,
            hash=digest,
            record=record,
            parsed=parsed,
            personal=personal,
            is_sealed=sealed is not None and not is_own,
        )

    def _shown(self, each: _Read) -> dict[str, Any]:
        """Return what the page says of an entry, with the subject in words for its pseudonym."""
        event = {name: value for name, value in each.parsed["event"].items() if name != "personal"}
        named = _named(event, self.pseudonym)
        return {
            "sentence": sentence(named) if is_readable(named) else "",
            "received_at": each.parsed.get("received_at", ""),
            "blocks": blocks(named),
            "personal": blocks({"personal": each.personal}) if each.personal is not None else [],
        }


def _parts(seqs: Iterable[int]) -> Iterator[list[int]]:
    part: list[int] = []
    for seq in seqs:
        part.append(seq)
        if len(part) == _AT_ONCE:
            yield part
            part = []
    if part:
        yield part


def _named(value: Any, pseudonym: str) -> Any:
    """Return JSON in which the subject's pseudonym gave way to words."""
    if isinstance(value, dict):
        return {name: _named(each, pseudonym) for name, each in value.items()}
    if isinstance(value, list):
        return [_named(each, pseudonym) for each in value]
    return _THIS_PERSON if value == pseudonym else value


def _line(each: _Read) -> bytes:
    """Return an entry as a line of JSON; the record in it is byte for byte the one hashed."""
    return b'{"hash":"%s","personal":%s,"record":%s,"seq":%d}\n' % (
        each.hash.encode(),
        b"null" if each.personal is None else canonicalise(each.personal),
        each.record,
        each.seq,
    )


@contextmanager
def _member(archive: ZipFile, name: str, made_at: datetime) -> Iterator[IO[bytes]]:
    """Open one file of the archive for writing; readable by its owner alone once unpacked."""
    info = ZipInfo(name, date_time=made_at.astimezone(UTC).timetuple()[:6])
    info.compress_type = ZIP_DEFLATED
    info.external_attr = 0o100600 << 16
    with archive.open(info, "w", force_zip64=True) as out:
        yield out


class _Counted(io.RawIOBase):
    """Passes on what is written, and knows its length and SHA-256."""

    def __init__(self, out: IO[bytes]) -> None:
        super().__init__()
        self._out = out
        self.length = 0
        self.sum = hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, chunk: Any) -> int:
        """Write all of it; the archive cannot go back, so it may be a pipe."""
        self._out.write(chunk)
        self.sum.update(chunk)
        self.length += len(chunk)
        return len(chunk)
