"""What the page of an entry shows of its proof: the checkpoint, the steps to its root, who signed.

The steps here are only laid out; whoever looks computes them in the browser (obs/proof.js) or by
the shell lines, since a page that checks itself proves nothing. Proofs: audit.proofs.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from audit.errors import NotSealed, TilesMissing
from audit.ledger.note import Signature, VerifierKey, encode_base64, format_verifier_key
from audit.models import Entry, Ledger
from audit.proofs import PublishedCheckpoint, prove_entry
from audit.seal import known_keys


@dataclass(frozen=True, kw_only=True, slots=True)
class ProofStep:
    """One hash of an inclusion proof and where it goes."""

    sibling: str
    """Hex."""
    side: str
    """`left` when it goes before what was computed so far, else `right`."""
    covers: str
    """The seqs under the result: `#40 to #47`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ProofSignature:
    """A line of the checkpoint's note, for people."""

    name: str
    key_id: str
    is_own: bool
    """Whether the ledger announced a key of that name and id."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ShownProof:
    """All that the card of a proof shows."""

    checkpoint: PublishedCheckpoint
    steps: tuple[ProofStep, ...]
    signatures: tuple[ProofSignature, ...]
    vkeys: tuple[str, ...]
    """The ledger's keys in signed-note form, newest first."""
    root: str
    """Hex."""
    note: str
    data: str
    """What the browser computes with, as JSON; see obs/proof.js."""


def shown_proof(entry: Entry) -> tuple[ShownProof | None, str]:
    """Return the proof of an entry, or None and why there is none."""
    try:
        proof, checkpoint = prove_entry(entry.ledger_id, entry.seq)
    except NotSealed as error:
        return None, str(error)
    except TilesMissing as error:
        return None, f"the tree is incomplete, so nothing can be proven: {error}"
    keys = known_keys(Ledger.objects.get(id=entry.ledger_id))
    places = path_of(index=entry.seq, size=checkpoint.size)
    steps = tuple(
        ProofStep(sibling=sibling.hex(), side=side, covers=covers)
        for sibling, (side, covers) in zip(proof.hashes, places, strict=True)
    )
    data = {
        "seq": entry.seq,
        "size": checkpoint.size,
        "origin": entry.ledger.origin,
        "steps": [{"sibling": step.sibling, "side": step.side} for step in steps],
        "note": encode_base64(checkpoint.note),
        "keys": [
            {"name": key.name, "id": key.key_id.hex(), "public": encode_base64(key.public)}
            for key in keys
        ],
    }
    return ShownProof(
        checkpoint=checkpoint,
        steps=steps,
        signatures=tuple(_signature(each, keys) for each in checkpoint.signatures()),
        vkeys=tuple(map(format_verifier_key, keys)),
        root=checkpoint.root.hex(),
        note=checkpoint.note.decode(),
        data=json.dumps(data),
    ), ""


def path_of(*, index: int, size: int) -> list[tuple[str, str]]:
    """Return for each hash of an inclusion proof its side and the seqs under the result.

    From the leaf up, as RFC 9162 section 2.1.3.1 splits a tree.
    """
    low, high = 0, size
    found = []
    while high - low > 1:
        covers = f"#{low:,} to #{high - 1:,}"
        middle = low + (1 << (high - low - 1).bit_length() - 1)
        if index < middle:
            found.append(("right", covers))
            high = middle
        else:
            found.append(("left", covers))
            low = middle
    return found[::-1]


def shell_lines(entry: Entry, proof: ShownProof, *, site: str) -> str:
    """Return the lines by which a stranger checks the downloads of the page."""
    name = f"{entry.ledger.name}-{entry.seq}"
    return "\n".join(
        [
            "# the hash of the record, which the proof begins with",
            "(printf '\\0'; cat record.json) | sha256sum",
            "# the verifier: one file, which the platform and every bundle of it give to anyone",
            f"curl -O {shlex.quote(f'{site}/verify.py')}",
            "# the whole proof, with a key that you have from somewhere else",
            f"python3 verify.py proof {name}.tlog-proof --record record.json \\",
            f"  --key {shlex.quote(proof.vkeys[0])}",
            "# the key as this ledger publishes it",
            f"curl -s {shlex.quote(f'{site}/ledger/{entry.ledger.name}/vkey')}",
        ]
    )


def _signature(given: Signature, keys: Sequence[VerifierKey]) -> ProofSignature:
    return ProofSignature(
        name=given.name,
        key_id=given.key_id.hex(),
        is_own=any((key.name, key.key_id) == (given.name, given.key_id) for key in keys),
    )
