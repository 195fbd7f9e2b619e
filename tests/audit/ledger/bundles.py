"""Ledgers in memory and bundles of them, for tests of writer and verifiers."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any
from zlib import crc32

from audit.ledger.archive import Member, directory, local_header, read_members
from audit.ledger.bundle import BundleSpec, BundleWriter
from audit.ledger.checkpoint import Checkpoint, format_checkpoint
from audit.ledger.manifest import MANIFEST, FileSum, format_manifest, parse_manifest
from audit.ledger.merkle import root_of
from audit.ledger.note import (
    SigningKey,
    add_signatures,
    cosign,
    format_note,
    format_verifier_key,
    make_signing_key,
    parse_note,
    sign_note,
)
from audit.ledger.record import GENESIS, link
from tests.audit.ledger.trees import MemoryTree

ORIGIN = "ledger.example.com/main"
LOG = make_signing_key(name=ORIGIN, seed=bytes([1]) * 32)
FORGER = make_signing_key(name=ORIGIN, seed=bytes([9]) * 32)
VKEY = format_verifier_key(LOG.key)
WITNESSES = [
    make_signing_key(name=f"witness-{n}.example.org", seed=bytes([20 + n]) * 32).as_cosigner()
    for n in range(3)
]
VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "vectors" / "bundles.json").read_text()
)
"""Bundles that must be judged as they are for as long as version 1 is read."""

LEFT_OUT = "Entries that do not match the query are not in this bundle."


@dataclass(frozen=True, kw_only=True)
class MemoryLedger:
    """A ledger of made-up entries."""

    name: str
    records: tuple[bytes, ...]
    hashes: tuple[bytes, ...]

    def tree(self) -> MemoryTree:
        return MemoryTree(self.hashes)

    def root(self) -> bytes:
        return root_of(len(self.hashes), self.tree())


def event(number: int) -> bytes:
    """Return a canonical event; text beyond ASCII is in it."""
    made = {
        "action": "data.read",
        "agent": {"id": f"agent-{number % 7}"},
        "details": {"said": f"entry {number} naïve 😀 \u2028"},
        "id": f"018f4e1c-7a51-7d30-9b8e-{number:012d}",
    }
    return json.dumps(made, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


@cache
def ledger(size: int, name: str = "main") -> MemoryLedger:
    """Return a ledger of so many entries."""
    source = b'{"key":"7Q2mX9aB","scope":"events","via":"api"}'
    events = [(event(n), "2026-11-20T22:06:54.533696Z", source) for n in range(size)]
    linked = list(link(events, ledger=name, size=0, head=GENESIS))
    return MemoryLedger(
        name=name,
        records=tuple(record for _, record, _ in linked),
        hashes=tuple(made for _, _, made in linked),
    )


def checkpoint(
    of: MemoryLedger,
    *,
    origin: str = ORIGIN,
    signer: SigningKey = LOG,
    witnesses: Iterable[SigningKey] = (),
) -> bytes:
    """Return the signed head of a ledger."""
    text = format_checkpoint(Checkpoint(origin=origin, size=len(of.hashes), root=of.root()))
    note = parse_note(sign_note(text, signers=[signer]))
    cosigned = [cosign(text, signer=each, moment=1_790_000_000) for each in witnesses]
    return format_note(add_signatures(note, cosigned))


def bundle(
    of: MemoryLedger,
    seqs: Iterable[int],
    *,
    signer: SigningKey = LOG,
    head: bytes | None = None,
    records: Sequence[bytes] | None = None,
    renderings: Iterable[tuple[str, list[bytes]]] = (),
) -> bytes:
    """Return a bundle of these seqs; `records` may be others than those of the ledger."""
    out, spool = io.BytesIO(), io.BytesIO()
    spec = BundleSpec(
        ledger=of.name,
        origin=signer.key.name,
        checkpoint=head if head is not None else checkpoint(of, signer=signer),
        query={"agent": ["agent-1", "agent-2"], "from": "2026-11-01"},
        verifier_keys=(format_verifier_key(signer.key),),
        left_out=LEFT_OUT,
    )
    writer = BundleWriter(out, spec, of.tree(), spool)
    for seq in seqs:
        writer.add(seq, (records or of.records)[seq])
    for name, chunks in renderings:
        writer.add_file(name, chunks)
    writer.finish(sign_note(writer.manifest_text(), signers=[signer]))
    return out.getvalue()


def unpack(data: bytes) -> dict[str, bytes]:
    """Return the files of a bundle, in order."""
    file = io.BytesIO(data)
    return {each.name: data[each.start() : each.end()] for each in read_members(file)}


def pack(files: Iterable[tuple[str, bytes]]) -> bytes:
    """Return an archive of these files, as a forger would make it."""
    whole = b""
    members: list[Member] = []
    for name, content in files:
        crc = crc32(content)
        members.append(Member(name=name, size=len(content), crc=crc, offset=len(whole)))
        whole += local_header(name=name, size=len(content), crc=crc) + content
    return whole + directory(members)


def resign(files: dict[str, bytes], signer: SigningKey, **changes: object) -> bytes:
    """Return a bundle of these files with a manifest that fits them, signed by whoever."""
    old = parse_manifest(parse_note(files[MANIFEST]).text)
    sums = tuple(
        FileSum(name=name, size=len(content), sha256=sha256(content).hexdigest())
        for name, content in files.items()
        if name != MANIFEST
    )
    facts = {"keys": (signer.key,), "files": sums, **changes}
    manifest = replace(old, **facts)  # type: ignore[arg-type]
    signed = sign_note(format_manifest(manifest), signers=[signer])
    return pack((files | {MANIFEST: signed}).items())
