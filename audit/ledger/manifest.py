"""Say what a bundle holds. Owns the text of a manifest, which is signed as a note (note.py).

    obsplatform evidence bundle v1
    origin <origin>               whose ledger
    ledger <name>
    size <n>                      the tree size that the query was answered at
    root <base64>                 the root of that tree, as the checkpoint says it
    query <JSON>                  the filter, in canonical form (RFC 8785)
    left-out <sentence>           what a reader might miss, in words
    entries <count>
    first <seq>                   `first` and `last` are left out when there are no entries
    last <seq>
    key <verifier key>            one line each: who the bundle says signs for the ledger
    file <sha256> <length> <name> one line each, in the order of the archive; all but `manifest`

No number has a leading zero; SHA-256 is 64 lower-case hex digits.

Whoever signs this signs no checkpoint, and the other way round. A checkpoint's second line is a
decimal size (C2SP tlog-checkpoint), that of a manifest starts with `origin `; and no ledger has
the first line as its origin, since a key's name, which an origin is, holds no space. A signer that
checks with `parse_manifest` before it signs can therefore never be made to sign a head.

Never signs, never reads a file. Who writes bundles: bundle.py; who reads them: offline.py.
Standard library only.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from audit.ledger.checkpoint import MAX_SIZE
from audit.ledger.errors import KeyMalformed, ManifestMalformed
from audit.ledger.merkle import HASH_SIZE
from audit.ledger.note import (
    ED25519,
    VerifierKey,
    decode_base64,
    encode_base64,
    format_verifier_key,
    is_key_name,
    parse_verifier_key,
)

HEADER = "obsplatform evidence bundle v1"

PROOFS_HEADER = "obsplatform bundle proofs v1"
"""The first line of the proofs, whose format is told in bundle.py."""

RECORDS = "records.ndjson"
PROOFS = "proofs"
CHECKPOINT = "checkpoint"
README = "README.txt"
VERIFY_PY = "verify.py"
VERIFY_HTML = "verify.html"
MANIFEST = "manifest"

BEFORE = (RECORDS, PROOFS, CHECKPOINT)
"""The files that every bundle begins with, in this order; then come the renderings."""

AFTER = (README, VERIFY_PY, VERIFY_HTML)
"""The files that end every bundle, in this order; after them stands only the manifest."""

_LEDGER = re.compile(r"[a-z0-9][a-z0-9.-]{0,62}")
_NUMBER = re.compile(r"0|[1-9][0-9]{0,18}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,59}")
_FILE = re.compile(r"([0-9a-f]{64}) (0|[1-9][0-9]{0,18}) ([A-Za-z0-9][A-Za-z0-9.-]{0,59})")
_CONTROL = re.compile("[\x00-\x1f\ud800-\udfff]")


@dataclass(frozen=True, kw_only=True)
class FileSum:
    """One file of a bundle."""

    name: str
    size: int
    """Bytes."""
    sha256: str
    """64 hex digits."""


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What a bundle says that it is. Raises ManifestMalformed for what no text could say."""

    origin: str
    ledger: str
    size: int
    root: bytes
    """32 bytes."""
    query: str
    """A JSON object in canonical form."""
    left_out: str
    """One sentence."""
    count: int
    first: int | None
    """Seq of the first entry; None when there is none."""
    last: int | None
    keys: tuple[VerifierKey, ...]
    files: tuple[FileSum, ...]

    def __post_init__(self) -> None:
        """Refuse what could not be written, not be read again, or not be true."""
        _refuse(not is_key_name(self.origin), "the origin")
        _refuse(not _LEDGER.fullmatch(self.ledger), "the ledger's name")
        _refuse(not 0 <= self.size <= MAX_SIZE, "the size")
        _refuse(len(self.root) != HASH_SIZE, "the root")
        _refuse(bool(_CONTROL.search(self.query)) or not _is_object(self.query), "the query")
        _refuse(not self.left_out or bool(_CONTROL.search(self.left_out)), "what is left out")
        _refuse(not _is_span(self.count, self.first, self.last, self.size), "the seqs")
        _refuse(not self.keys or len(set(self.keys)) != len(self.keys), "the keys")
        _refuse(any(key.algorithm != ED25519 for key in self.keys), "a witness's key")
        names = [each.name for each in self.files]
        rendered = names[len(BEFORE) : len(names) - len(AFTER)]
        _refuse(
            names != [*BEFORE, *rendered, *AFTER]
            or len({*names, MANIFEST}) != len(names) + 1
            or not all(map(is_file_name, names)),
            "the files",
        )

    def is_dense(self) -> bool:
        """Tell whether every entry from first to last is there."""
        return self.first is not None and self.last == self.first + self.count - 1


def is_file_name(name: str) -> bool:
    """Tell whether a bundle may hold a file of this name."""
    return _NAME.fullmatch(name) is not None


def format_manifest(manifest: Manifest) -> str:
    """Return the text to sign; ends in a newline."""
    span = []
    if manifest.first is not None:
        span = [f"first {manifest.first}", f"last {manifest.last}"]
    lines = [
        HEADER,
        f"origin {manifest.origin}",
        f"ledger {manifest.ledger}",
        f"size {manifest.size}",
        f"root {encode_base64(manifest.root)}",
        f"query {manifest.query}",
        f"left-out {manifest.left_out}",
        f"entries {manifest.count}",
        *span,
        *(f"key {format_verifier_key(key)}" for key in manifest.keys),
        *(f"file {each.sha256} {each.size} {each.name}" for each in manifest.files),
    ]
    return "".join(f"{line}\n" for line in lines)


def parse_manifest(text: str) -> Manifest:
    """Return what a manifest's text says. Raises ManifestMalformed.

    There is one text for each manifest: what `format_manifest` would not write is refused.
    """
    header, *lines = text.split("\n")
    _refuse(header != HEADER, f"the first line, which must be {HEADER!r}")
    _refuse(not lines or lines.pop() != "", "the last line, which must end in a newline")
    lines.reverse()
    manifest = Manifest(
        origin=_take(lines, "origin"),
        ledger=_take(lines, "ledger"),
        size=_number(_take(lines, "size"), "the size"),
        root=decode_base64(_take(lines, "root")) or b"",
        query=_take(lines, "query"),
        left_out=_take(lines, "left-out"),
        count=_number(_take(lines, "entries"), "the count"),
        first=_optional(lines, "first"),
        last=_optional(lines, "last"),
        keys=tuple(_key(each) for each in _take_all(lines, "key")),
        files=tuple(_file(each) for each in _take_all(lines, "file")),
    )
    _refuse(bool(lines), f"the line {lines[-1]!r}" if lines else "")
    return manifest


def _refuse(is_wrong: bool, what: str) -> None:
    if is_wrong:
        raise ManifestMalformed(reason=f"{what} cannot be")


def _take(lines: list[str], name: str) -> str:
    """Take the value of the next line, which must have this name; `lines` run backwards."""
    _refuse(not lines or not lines[-1].startswith(f"{name} "), f"a text without {name!r} here")
    return lines.pop()[len(name) + 1 :]


def _take_all(lines: list[str], name: str) -> list[str]:
    taken = []
    while lines and lines[-1].startswith(f"{name} "):
        taken.append(_take(lines, name))
    return taken


def _optional(lines: list[str], name: str) -> int | None:
    if not lines or not lines[-1].startswith(f"{name} "):
        return None
    return _number(_take(lines, name), name)


def _number(text: str, what: str) -> int:
    _refuse(not _NUMBER.fullmatch(text), what)
    return int(text)


def _key(text: str) -> VerifierKey:
    try:
        return parse_verifier_key(text)
    except KeyMalformed as error:
        raise ManifestMalformed(reason=str(error)) from error


def _file(text: str) -> FileSum:
    found = _FILE.fullmatch(text)
    if found is None:
        raise ManifestMalformed(reason="a file's line is not SHA-256, length and name")
    return FileSum(sha256=found[1], size=int(found[2]), name=found[3])


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def _is_span(count: int, first: int | None, last: int | None, size: int) -> bool:
    if first is None or last is None:
        return count == 0 and first is None and last is None
    return (
        0 <= first <= last < size
        and 1 <= count <= last - first + 1
        and (count > 1) == (first < last)
    )
