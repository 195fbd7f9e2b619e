"""Write evidence bundles. Owns which files a bundle has, their order, and the text of the proofs.

A bundle is a ZIP (archive.py) that answers a query at a tree size:

    records.ndjson    the records that match, as they were hashed, one a line, seq ascending
    proofs            that they stand in the tree, see below
    checkpoint        the signed head of that tree, with the cosignatures it was published with
    …                 renderings for people and machines, in the order in which they were added
    README.txt, verify.py, verify.html
    manifest          a signed note over all of them (manifest.py)

The proofs are text, one line each:

    obsplatform bundle proofs v1
    <base64>          a perfect subtree without any entry of the bundle, see merkle.cover()
    = <base64>        the leaf hash of the next entry; only in a bundle with gaps, so that a
                      changed record can be named

For seqs s1 < s2 < … of a tree of size n they are the hashes of cover(0, s1), then for each entry
its own line `=`, if any, followed by those of cover(s + 1, next s), at last of cover(s + 1, n).
Appended in that order to an empty tree, together with the hash of each record, they lead to the
root; that takes one pass and one hash a level. In a dense bundle, where no seq is missing between
the first and the last, the records' `prev` links name a changed record, and there is no line `=`.

Same query, size and records, same bytes. Memory is flat: records go to `out`, proofs to `spool`.

    with tempfile.TemporaryFile(dir=folder) as spool:
        writer = BundleWriter(out, spec, hashes, spool)
        for seq, record in …: writer.add(seq, record)
        writer.add_file("entries.csv", chunks)
        text = writer.manifest_text()
    # later, even in another process, once the holder of the key has signed the text
    finish_bundle(out, signed_manifest)

Never signs, never queries, opens no file. Trusts `hashes` and the records: wrong ones make a bundle
that does not verify.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import BinaryIO
from zlib import crc32

from audit.ledger.archive import (
    COPIED,
    LIMIT,
    Member,
    Misplaced,
    directory,
    local_header,
    make_room,
    read_member,
)
from audit.ledger.canonical import JSONValue, canonicalise
from audit.ledger.checkpoint import parse_checkpoint
from audit.ledger.errors import BundleUnfinished
from audit.ledger.manifest import (
    AFTER,
    BEFORE,
    CHECKPOINT,
    MANIFEST,
    PROOFS,
    PROOFS_HEADER,
    README,
    RECORDS,
    VERIFY_HTML,
    VERIFY_PY,
    FileSum,
    Manifest,
    format_manifest,
    is_file_name,
    parse_manifest,
)
from audit.ledger.merkle import HashReader, Node, cover
from audit.ledger.note import encode_base64, parse_note, parse_verifier_key
from audit.ledger.record import leaf_hash
from audit.ledger.singlefile import readme, verify_html, verify_py

# A sparse query may touch a tile a node, and a tile's hashes take 40 KB while they are in use.
_NODES_AT_ONCE = 256


@dataclass(frozen=True, kw_only=True)
class BundleSpec:
    """What a bundle answers."""

    ledger: str
    origin: str
    checkpoint: bytes
    """The signed note as it was published, cosignatures included; its size is the bundle's."""
    query: Mapping[str, str | Sequence[str]]
    """The filter by its names; empty, or with `ledger` alone, for every entry."""
    verifier_keys: tuple[str, ...]
    """The ledger's verifier keys; those that sign the manifest must be among them."""
    left_out: str
    """One sentence for the reader: what the query leaves out."""


class BundleWriter:
    """One bundle in the making; call add, add_file, manifest_text and finish in this order."""

    def __init__(
        self, out: BinaryIO, spec: BundleSpec, hashes: HashReader, spool: BinaryIO
    ) -> None:
        """Begin at the start of `out`, an empty file that can be read, written and sought.

        `spool` is another, for the proofs; nobody needs it after `manifest_text`. `hashes` reads
        the tree of the checkpoint's size. Raises CheckpointMalformed, NoteMalformed, KeyMalformed.
        """
        self._checkpoint = parse_checkpoint(parse_note(spec.checkpoint).text)
        assert self._checkpoint.origin == spec.origin, "a bundle is of the checkpoint's ledger"
        self._keys = tuple(map(parse_verifier_key, spec.verifier_keys))
        self._spec = spec
        self._out = out
        self._files: list[FileSum] = []
        self._proofs = _Proofs(hashes, spool)
        self._first: int | None = None
        self._last: int | None = None
        self._count = 0
        self._text: str | None = None
        self._member = _MemberWriter(out, RECORDS)

    def add(self, seq: int, record: bytes) -> None:
        """Append an entry; seqs ascend and are below the checkpoint's size."""
        assert self._last is None or seq > self._last, "seqs ascend"
        assert 0 <= seq < self._checkpoint.size, "a bundle holds what its checkpoint covers"
        assert b"\n" not in record, "canonical JSON holds no newline"
        assert not self._files, "entries come before renderings"
        self._proofs.add(seq, record)
        self._member.write(record + b"\n")
        self._first = seq if self._first is None else self._first
        self._last = seq
        self._count += 1

    def add_file(self, name: str, chunks: Iterable[bytes]) -> None:
        """Append a rendering under a name of ASCII letters, digits, dots and hyphens."""
        assert is_file_name(name), f"{name!r} is no name of a rendering"
        taken = {*BEFORE, *AFTER, MANIFEST, *(each.name for each in self._files)}
        assert name not in taken, f"{name!r} is taken"
        self._end_entries()
        self._write_file(name, chunks)

    def manifest_text(self) -> str:
        """Write what is left but the manifest, and return its text, which is to be signed."""
        if self._text is None:
            self._end_entries()
            for name, content in (
                (README, readme(ledger=self._spec.ledger, origin=self._spec.origin)),
                (VERIFY_PY, verify_py()),
                (VERIFY_HTML, verify_html()),
            ):
                self._write_file(name, [content.encode()])
            self._out.flush()
            self._text = format_manifest(self._manifest())
        return self._text

    def finish(self, signed_manifest: bytes) -> None:
        """Append the signed note over `manifest_text()` and end the file."""
        finish_bundle(self._out, signed_manifest)

    def _manifest(self) -> Manifest:
        query: dict[str, JSONValue] = {
            name: value if isinstance(value, str) else list(value)
            for name, value in self._spec.query.items()
        }
        return Manifest(
            origin=self._spec.origin,
            ledger=self._spec.ledger,
            size=self._checkpoint.size,
            root=self._checkpoint.root,
            query=canonicalise(query).decode(),
            left_out=self._spec.left_out,
            count=self._count,
            first=self._first,
            last=self._last,
            keys=self._keys,
            files=tuple(self._files),
        )

    def _end_entries(self) -> None:
        if self._files:
            return
        self._files.append(self._member.end())
        is_dense = self._first is None or self._last == self._first + self._count - 1
        self._write_file(PROOFS, self._proofs.end(self._checkpoint.size, is_dense=is_dense))
        self._write_file(CHECKPOINT, [self._spec.checkpoint])

    def _write_file(self, name: str, chunks: Iterable[bytes]) -> None:
        member = _MemberWriter(self._out, name)
        for chunk in chunks:
            member.write(chunk)
        self._files.append(member.end())


class _MemberWriter:
    """A member in the making: its content is written, then its header over the room left for it."""

    def __init__(self, out: BinaryIO, name: str) -> None:
        self._out = out
        self._name = name
        self._offset = out.tell()
        self._room = len(local_header(name=name, size=0, crc=0))
        self._sum = sha256()
        self._crc = 0
        self._size = 0
        self._pending: list[bytes] = []
        self._waiting = 0
        out.write(bytes(self._room))

    def write(self, chunk: bytes) -> None:
        self._pending.append(chunk)
        self._waiting += len(chunk)
        if self._waiting >= COPIED:
            self._flush()

    def end(self) -> FileSum:
        self._flush()
        header = local_header(name=self._name, size=self._size, crc=self._crc)
        start = self._offset + self._room
        if self._size >= LIMIT:
            make_room(self._out, start=start, end=start + self._size, by=len(header) - self._room)
        self._out.seek(self._offset)
        self._out.write(header)
        self._out.seek(self._offset + len(header) + self._size)
        return FileSum(name=self._name, size=self._size, sha256=self._sum.hexdigest())

    def _flush(self) -> None:
        data = b"".join(self._pending)
        self._sum.update(data)
        self._crc = crc32(data, self._crc)
        self._size += len(data)
        self._out.write(data)
        self._pending.clear()
        self._waiting = 0


class _Proofs:
    """The lines of the proofs, kept in a spool: whether `=` lines are needed is known at the end.

    The spool holds each hash as 33 bytes: `+` or `=`, then the hash.
    """

    def __init__(self, hashes: HashReader, spool: BinaryIO) -> None:
        self._hashes = hashes
        self._spool = spool
        self._next = 0
        self._waiting: list[Node | bytes] = []
        self._nodes = 0

    def add(self, seq: int, record: bytes) -> None:
        self._skip_to(seq)
        self._waiting.append(leaf_hash(record))
        self._next = seq + 1
        if self._nodes >= _NODES_AT_ONCE or len(self._waiting) >= 16 * _NODES_AT_ONCE:
            self._flush()

    def end(self, size: int, *, is_dense: bool) -> Iterable[bytes]:
        """Yield the file's bytes."""
        self._skip_to(size)
        self._flush()
        self._spool.seek(0)
        yield f"{PROOFS_HEADER}\n".encode()
        while chunk := self._spool.read(33 * 4096):
            lines = []
            for at in range(0, len(chunk), 33):
                is_leaf = chunk[at] == ord("=")
                if not (is_leaf and is_dense):
                    encoded = encode_base64(chunk[at + 1 : at + 33])
                    lines.append(f"= {encoded}\n" if is_leaf else f"{encoded}\n")
            yield "".join(lines).encode()

    def _skip_to(self, seq: int) -> None:
        nodes = cover(self._next, seq)
        self._waiting += nodes
        self._nodes += len(nodes)

    def _flush(self) -> None:
        nodes = [each for each in self._waiting if isinstance(each, Node)]
        found = iter(self._hashes.read_hashes(nodes) if nodes else ())
        self._spool.write(
            b"".join(
                b"+" + next(found) if isinstance(each, Node) else b"=" + each
                for each in self._waiting
            )
        )
        self._waiting.clear()
        self._nodes = 0


def finish_bundle(out: BinaryIO, signed_manifest: bytes) -> None:
    """Append a signed manifest and the archive's end to a file that holds all before it.

    For the process that comes back when the manifest is signed; calling it again gives the same
    bytes. Checks no signature. Raises ManifestMalformed, NoteMalformed, and BundleUnfinished when
    the file does not hold what the manifest names.
    """
    manifest = parse_manifest(parse_note(signed_manifest).text)
    length = out.seek(0, 2)
    members: list[Member] = []
    offset = 0
    for each in manifest.files:
        try:
            member = read_member(out, offset=offset, length=length)
        except Misplaced as error:
            raise BundleUnfinished(reason=str(error)) from error
        if member is None or (member.name, member.size) != (each.name, each.size):
            raise BundleUnfinished(reason=f"{each.name} of {each.size} bytes is not where it was")
        members.append(member)
        offset = member.end()
    crc = crc32(signed_manifest)
    header = local_header(name=MANIFEST, size=len(signed_manifest), crc=crc)
    members.append(Member(name=MANIFEST, size=len(signed_manifest), crc=crc, offset=offset))
    out.seek(offset)
    out.truncate()
    out.write(header + signed_manifest + directory(members))
    out.flush()
