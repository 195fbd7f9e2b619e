"""Verify an evidence bundle without a network and without trust in whoever sent it.

Three results. *tampered*: something does not agree, and the finding says where. *not proven*: all
agrees, and something is still missing: a key from outside, an entry, a quorum. *intact*: all
agrees, and a key that the reader brought has signed both manifest and checkpoint.

What is checked, in this order:

1. the archive: every byte that is not content is written again and compared (archive.py);
2. the manifest: its signatures, and that the archive holds the files it names, and no other;
3. the checkpoint: its signatures, its origin, its size and its root;
4. every file but the records: length, CRC-32, SHA-256;
5. every record: JSON of version 1, of this ledger, its seq after the one before and as the proofs
   want it, `prev` where the entry before is there too, its leaf hash; then the root, the number
   of entries, first and last, and the SHA-256 of the records.

The renderings are only covered by step 4: the evidence is the records. That nothing which matches
the query was left out is proven where no seq is missing; else the signer of the manifest says so.

Reads the file as a stream, some MB at once. Never writes, opens nothing, reads no clock. The bytes
of a bundle: bundle.py. The command: __main__.py. Standard library only.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, BinaryIO, Literal, TypeAlias
from zlib import crc32

from audit.ledger import ed25519
from audit.ledger.archive import COPIED, Member, Misplaced, read_members
from audit.ledger.checkpoint import SignedCheckpoint, open_checkpoint
from audit.ledger.errors import LedgerFact
from audit.ledger.manifest import (
    CHECKPOINT,
    MANIFEST,
    PROOFS,
    PROOFS_HEADER,
    RECORDS,
    FileSum,
    Manifest,
    parse_manifest,
)
from audit.ledger.merkle import HASH_SIZE, Frontier, cover
from audit.ledger.note import (
    ED25519,
    NOTE_LIMIT,
    OpenedNote,
    VerifierKey,
    Verify,
    decode_base64,
    open_note,
    parse_note,
)
from audit.ledger.policy import Policy, Standing, weigh
from audit.ledger.record import FORMAT_VERSION, GENESIS, RECORD_LIMIT

Result: TypeAlias = Literal["intact", "tampered", "not proven"]

Progress: TypeAlias = Callable[[int, int], None]
"""Is told now and then how many bytes of how many were read."""

ARCHIVE = "the archive"
"""Where a finding is that is in no file of the bundle."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What does not agree: the first such thing."""

    file: str
    """A file of the bundle, or `the archive`."""
    field: str
    """What of it: `sha256`, `signature`, `prev`."""
    expected: str
    found: str
    seq: int | None = None
    """The entry, where it is about one."""

    def __str__(self) -> str:
        """Read as one line."""
        where = self.file if self.seq is None else f"{self.file}, seq {self.seq}"
        return f"{where}: {self.field}: expected {self.expected}, found {self.found}"


class Tampered(Exception):
    """Something in a bundle does not agree; the finding says what."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding)
        self.finding = finding


@dataclass(frozen=True, kw_only=True)
class Trust:
    """What the reader brings from outside; nothing in a bundle adds to it."""

    keys: tuple[VerifierKey, ...] = ()
    """Verifier keys of ledgers; only those named as the bundle's origin count."""
    policy: Policy | None = None
    """Adds its logs to the keys, and asks for the cosignatures of its quorum."""

    def all_keys(self) -> tuple[VerifierKey, ...]:
        """Return all keys of ledgers, those of the policy too."""
        logs = self.policy.logs if self.policy is not None else ()
        return (*self.keys, *(each.key for each in logs))

    def known(self, origin: str) -> tuple[VerifierKey, ...]:
        """Return the keys that may speak for a ledger: those of its name."""
        return tuple(
            key for key in self.all_keys() if key.name == origin and key.algorithm == ED25519
        )


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What was found out about a bundle."""

    result: Result
    reasons: tuple[str, ...] = ()
    """Why it is not proven, one sentence each."""
    finding: Finding | None = None
    """What was tampered with."""
    manifest: Manifest | None = None
    """What the bundle says that it is; believe it only as far as the result goes."""
    signers: tuple[str, ...] = ()
    """The trusted keys that signed the manifest, as `name+id`."""
    witnessed: str | None = None
    """How many witnesses of the policy have cosigned the checkpoint, as `2 of 3`."""


def verify_bundle(
    file: BinaryIO,
    *,
    trust: Trust,
    progress: Progress = lambda done, total: None,
    verify: Verify = ed25519.verify,
) -> Verdict:
    """Return the verdict on a bundle. Reads only; `file` must be seekable. Raises OSError alone.

    Signatures are checked with the standard library unless `verify` is another way.
    """
    manifest: Manifest | None = None
    try:
        members = read_archive(file)
        opened, manifest = _open_manifest(file, members, trust, verify)
        signed = _open_checkpoint(file, members[CHECKPOINT], manifest, trust, verify)
        _check_files(file, members, manifest, progress)
    except Tampered as tampered:
        return Verdict(result="tampered", finding=tampered.finding, manifest=manifest)
    reasons = tuple(_missing(manifest, opened, signed, trust))
    trusted = opened.keys() & set(trust.known(manifest.origin))
    return Verdict(
        result="not proven" if reasons else "intact",
        reasons=reasons,
        manifest=manifest,
        signers=tuple(sorted(map(str, trusted))),
        witnessed=str(_standing(signed, trust)) if trust.policy is not None else None,
    )


def differ(
    file: str, what: str, *, expected: object, found: object, seq: int | None = None
) -> Tampered:
    """Return what is raised for something that does not agree."""
    return Tampered(
        Finding(file=file, field=what, expected=_shown(expected), found=_shown(found), seq=seq)
    )


def _shown(value: object) -> str:
    """Return a value as a finding shows it: on one line, of bounded length."""
    text = value.hex() if isinstance(value, bytes) else str(value)
    text = text if text.isprintable() else repr(text)
    return (text if len(text) <= 200 else f"{text[:200]}…") or "nothing"


# --- Archive, manifest, checkpoint ----------------------------------------------------------------


def read_archive(file: BinaryIO) -> dict[str, Member]:
    """Return the members by name, every byte but content checked. Raises Tampered."""
    try:
        members = read_members(file)
    except Misplaced as error:
        raise differ(ARCHIVE, str(error), expected=error.expected, found=error.found) from error
    if members[-1].name != MANIFEST:
        raise differ(ARCHIVE, "the last file", expected=MANIFEST, found=members[-1].name)
    named = {member.name: member for member in members}
    if len(named) != len(members):
        names = " ".join(member.name for member in members)
        raise differ(ARCHIVE, "the files", expected="each once", found=names)
    return named


def _open_manifest(
    file: BinaryIO, members: dict[str, Member], trust: Trust, verify: Verify
) -> tuple[OpenedNote, Manifest]:
    data = read_small(file, members[MANIFEST])
    try:
        manifest = parse_manifest(parse_note(data).text)
        known = trust.known(manifest.origin)
        opened = open_note(data, keys=(*manifest.keys, *known), verify=verify)
    except LedgerFact as error:
        raise differ(MANIFEST, "signed note", expected="one that holds", found=error) from error
    # A line of a key that the manifest does not name would be bytes that nothing vouches for.
    ids = {(one.key.name, one.key.key_id) for one in opened.signed}
    lines = opened.note.signatures
    for each in lines:
        if (each.name, each.key_id) not in ids or lines.count(each) > 1:
            found = f"{each.name}+{each.key_id.hex()}"
            raise differ(MANIFEST, "signature", expected="each of its keys once", found=found)
    held = [(each.name, each.size) for each in members.values() if each.name != MANIFEST]
    named = [(each.name, each.size) for each in manifest.files]
    for wanted, got in zip(named, held, strict=False):
        if wanted != got:
            raise differ(
                wanted[0], "name and length", expected=_file_line(wanted), found=_file_line(got)
            )
    if len(named) != len(held):
        raise differ(ARCHIVE, "number of files", expected=len(named), found=len(held))
    return opened, manifest


def _file_line(file: tuple[str, int]) -> str:
    return f"{file[0]} of {file[1]} bytes"


def _open_checkpoint(
    file: BinaryIO, member: Member, manifest: Manifest, trust: Trust, verify: Verify
) -> SignedCheckpoint:
    known = trust.known(manifest.origin)
    data = read_small(file, member)
    # Before its own signature: it says which file was changed, whatever the change.
    check_sum(_file_of(manifest, CHECKPOINT), member, sha256(data).hexdigest(), crc32(data))
    try:
        signed = open_checkpoint(
            data,
            origin=manifest.origin,
            keys=(*manifest.keys, *known),
            witnesses=[each.key for each in trust.policy.witnesses] if trust.policy else (),
            verify=verify,
        )
    except LedgerFact as error:
        raise differ(CHECKPOINT, "signed note", expected="one that holds", found=error) from error
    head = signed.checkpoint
    for what, expected, found in (
        ("size", manifest.size, head.size),
        ("root", manifest.root, head.root),
    ):
        if expected != found:
            raise differ(CHECKPOINT, what, expected=expected, found=found)
    return signed


def read_small(file: BinaryIO, member: Member) -> bytes:
    """Return the content of a small file, its CRC-32 compared."""
    if member.size > NOTE_LIMIT:
        expected = f"at most {NOTE_LIMIT} bytes"
        raise differ(member.name, "length", expected=expected, found=member.size)
    file.seek(member.start())
    data = file.read(member.size)
    if crc32(data) != member.crc:
        raise differ(
            member.name, "CRC-32", expected=f"{member.crc:08x}", found=f"{crc32(data):08x}"
        )
    return data


def _standing(signed: SignedCheckpoint, trust: Trust) -> Standing | None:
    """Return how the checkpoint's cosignatures stand before the reader's policy."""
    return weigh(trust.policy, signed.opened.keys()) if trust.policy is not None else None


def _missing(
    manifest: Manifest, opened: OpenedNote, signed: SignedCheckpoint, trust: Trust
) -> Iterator[str]:
    """Yield what keeps a bundle in which all agrees from being intact."""
    if manifest.count == 0:
        yield "no entry was checked: the bundle holds none"
    known = trust.known(manifest.origin)
    if not trust.all_keys():
        yield "it agrees with itself, signer unknown: no key was given from outside"
    elif not known:
        named = ", ".join(sorted({key.name for key in trust.all_keys()}))
        yield f"it agrees with itself, signer unknown: it is of {manifest.origin}, not of {named}"
    else:
        for what, note in (("manifest", opened), ("checkpoint", signed.opened)):
            if not note.keys() & set(known):
                names = ", ".join(str(each.key) for each in note.signed)
                yield (
                    f"it agrees with itself, signer unknown: the {what} is signed by {names},"
                    " which is none of the keys given"
                )
    standing = _standing(signed, trust)
    if standing is not None and not standing.is_met:
        yield f"witnessed {standing}, which is less than the policy asks for"


# --- Files ----------------------------------------------------------------------------------------


def _check_files(
    file: BinaryIO, members: dict[str, Member], manifest: Manifest, progress: Progress
) -> None:
    """Check the proofs and all small files first, so that a record is held against good proofs."""
    reading = Reading(file=file, total=sum(each.size for each in manifest.files), tell=progress)
    for each in manifest.files:
        if each.name != RECORDS:
            for _ in reading.checked(members[each.name], each):
                pass
    proofs = _ProofLines(reading.lines(reading.read(members[PROOFS]), PROOFS))
    records = reading.checked(members[RECORDS], _file_of(manifest, RECORDS))
    check_records(reading.lines(records, RECORDS), proofs, manifest)


def _file_of(manifest: Manifest, name: str) -> FileSum:
    return next(each for each in manifest.files if each.name == name)


def check_sum(expected: FileSum, member: Member, digest: str, crc: int) -> None:
    """Compare SHA-256 and CRC-32 of a content. Raises Tampered."""
    if digest != expected.sha256:
        raise differ(expected.name, "sha256", expected=expected.sha256, found=digest)
    if crc != member.crc:
        raise differ(expected.name, "CRC-32", expected=f"{member.crc:08x}", found=f"{crc:08x}")


@dataclass(kw_only=True)
class Reading:
    """Reads contents in chunks, each at its own place, and tells how far it is."""

    file: BinaryIO
    total: int
    tell: Progress
    done: int = field(default=0)

    def read(self, member: Member) -> Iterator[bytes]:
        """Yield a member's content."""
        place, end = member.start(), member.end()
        while place < end:
            # Two members are read in turns.
            self.file.seek(place)
            chunk = self.file.read(min(COPIED, end - place))
            if not chunk:
                raise differ(member.name, "length", expected=member.size, found="less")
            place += len(chunk)
            yield chunk

    def checked(self, member: Member, expected: FileSum) -> Iterator[bytes]:
        """Yield a member's content, at its end compared with what the manifest says."""
        total, crc = sha256(), 0
        for chunk in self.read(member):
            total.update(chunk)
            crc = crc32(chunk, crc)
            yield chunk
            self.done += len(chunk)
            self.tell(self.done, self.total)
        check_sum(expected, member, total.hexdigest(), crc)

    def lines(self, chunks: Iterator[bytes], name: str) -> Iterator[bytes]:
        """Yield the lines of a text, each without its newline, which the last must have too."""
        rest = b""
        for chunk in chunks:
            first, *lines = chunk.split(b"\n")
            if not lines:
                rest += first
            else:
                yield rest + first
                rest = lines.pop()
                yield from lines
            if len(rest) > RECORD_LIMIT:
                expected = f"at most {RECORD_LIMIT} bytes"
                raise differ(name, "length of a line", expected=expected, found="more")
        if rest:
            raise differ(name, "last line", expected="a newline at its end", found=rest)


# --- Records --------------------------------------------------------------------------------------


class _ProofLines:
    """The lines of the proofs, asked for one by one as the tree needs them."""

    def __init__(self, lines: Iterator[bytes]) -> None:
        self._lines = lines
        header = next(lines, b"")
        if header != PROOFS_HEADER.encode():
            raise differ(PROOFS, "first line", expected=PROOFS_HEADER, found=header)

    def subtree(self) -> bytes:
        """Return the hash of the next perfect subtree."""
        return self._hash(next(self._lines, b""))

    def leaf(self) -> bytes:
        """Return the leaf hash that the next line states."""
        line = next(self._lines, b"")
        return self._hash(line[2:] if line.startswith(b"= ") else b"")

    def end(self) -> None:
        """Make sure that no line is left."""
        line = next(self._lines, None)
        if line is not None:
            raise differ(PROOFS, "end", expected="no more lines", found=line)

    def _hash(self, line: bytes) -> bytes:
        found = decode_base64(line.decode("ascii", "replace"))
        if found is None or len(found) != HASH_SIZE:
            raise differ(PROOFS, "line", expected="base64 of 32 bytes", found=line)
        return found


def check_records(lines: Iterator[bytes], proofs: _ProofLines, manifest: Manifest) -> None:
    """Check that records are the manifest's entries of the tree. Raises Tampered."""
    tree = Frontier()
    is_dense = manifest.is_dense()
    count, last = 0, -1
    prev = GENESIS
    for line in lines:
        seq, named = _read_record(line, manifest, after=last, count=count)
        if is_dense and count and seq != last + 1:
            raise differ(RECORDS, "seq", expected=last + 1, found=seq, seq=last + 1)
        if seq == last + 1 and named != prev.hex():
            raise differ(RECORDS, "prev", expected=prev.hex(), found=named, seq=seq)
        _skip(tree, proofs, to=seq)
        prev = sha256(b"\x00" + line).digest()
        if not is_dense and (leaf := proofs.leaf()) != prev:
            raise differ(RECORDS, "hash", expected=leaf, found=prev, seq=seq)
        tree.extend((prev,))
        count += 1
        last = seq
    _check_span(manifest, count=count, last=last)
    _skip(tree, proofs, to=manifest.size)
    proofs.end()
    if tree.root() != manifest.root:
        only = last if count == 1 else None
        raise differ(RECORDS, "root", expected=manifest.root, found=tree.root(), seq=only)


def _skip(tree: Frontier, proofs: _ProofLines, *, to: int) -> None:
    if tree.size != to:
        for node in cover(tree.size, to):
            tree.append_subtree(node, proofs.subtree())


def _read_record(line: bytes, manifest: Manifest, *, after: int, count: int) -> tuple[int, str]:
    """Return seq and `prev` of a record that is one of this ledger and of this tree."""
    try:
        record: Any = json.loads(line.decode())
        seq, prev, ledger = record["seq"], record["prev"], record["ledger"]
        version = record["v"]
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        guess = after + 1 if manifest.is_dense() and count else None
        if count == 0:
            guess = manifest.first
        raise differ(
            RECORDS, f"line {count + 1}", expected="a record", found=line, seq=guess
        ) from error
    where = seq if type(seq) is int else None
    expected: dict[str, tuple[object, object]] = {
        "ledger": (manifest.ledger, ledger),
        "v": (FORMAT_VERSION, version),
    }
    if count == 0:
        expected["seq"] = (manifest.first, seq)
    for what, (wanted, found) in expected.items():
        if wanted != found or type(wanted) is not type(found):
            raise differ(RECORDS, what, expected=wanted, found=found, seq=where)
    if type(seq) is not int or not after < seq < manifest.size:
        wanted = f"one from {after + 1} to {manifest.size - 1}"
        raise differ(RECORDS, "seq", expected=wanted, found=seq, seq=where)
    return seq, str(prev)


def _check_span(manifest: Manifest, *, count: int, last: int) -> None:
    if count != manifest.count:
        raise differ(RECORDS, "number of entries", expected=manifest.count, found=count)
    if count and last != manifest.last:
        raise differ(RECORDS, "last seq", expected=manifest.last, found=last, seq=last)
