"""Ways to forge a bundle, each with what must be said of it. Both verifiers are tried."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from audit.ledger.manifest import CHECKPOINT, MANIFEST, PROOFS, RECORDS
from audit.ledger.offline import Result
from tests.audit.ledger.bundles import (
    FORGER,
    LOG,
    ORIGIN,
    bundle,
    checkpoint,
    ledger,
    pack,
    resign,
    unpack,
)

SIZE = 40
RENDERINGS = [("entries.csv", [b"seq,action\r\n", b"1,data.read\r\n"])]


@dataclass(frozen=True, kw_only=True)
class Attack:
    """A forged bundle and what must be said about it under the ledger's real key."""

    name: str
    data: bytes
    result: Result
    file: str | None = None
    """Where the finding must be; None where there is none or several would be right."""
    seq: int | None = None


def attacks(count: int, *, seed: int) -> Iterator[Attack]:
    """Yield so many attacks, every kind in turn, each on another bundle and at another place."""
    chance = random.Random(seed)
    for number in range(count):
        size = chance.randrange(20, SIZE)
        is_dense = bool(number % 2)
        start = chance.randrange(0, 8)
        seqs = list(range(start, start + 9)) if is_dense else sorted(chance.sample(range(size), 9))
        files = unpack(bundle(ledger(size), seqs, renderings=RENDERINGS))
        kind = KINDS[number // 2 % len(KINDS)]
        yield kind(files, seqs, chance)


def lines_of(files: dict[str, bytes]) -> list[bytes]:
    return files[RECORDS].splitlines(keepends=True)


def with_lines(files: dict[str, bytes], lines: list[bytes]) -> dict[str, bytes]:
    return files | {RECORDS: b"".join(lines)}


Files = dict[str, bytes]


def edited_without_a_new_manifest(files: Files, seqs: list[int], chance: random.Random) -> Attack:
    lines, at = lines_of(files), chance.randrange(9)
    lines[at] = lines[at].replace(b"entry", b"entrY")
    return Attack(
        name="a record edited",
        data=pack(with_lines(files, lines).items()),
        result="tampered",
        file=RECORDS,
    )


def edited_and_signed_anew(files: Files, seqs: list[int], chance: random.Random) -> Attack:
    """The forger signs a manifest that fits; the checkpoint is the real one."""
    lines, at = lines_of(files), chance.randrange(9)
    lines[at] = lines[at].replace(b"entry", b"entrY")
    is_dense = seqs[-1] - seqs[0] == 8
    # With `prev` links it is the next entry that does not fit; the last has none.
    return Attack(
        name="a record edited, the manifest signed anew",
        data=resign(with_lines(files, lines), FORGER),
        result="tampered",
        file=RECORDS,
        seq=seqs[at] if not is_dense else seqs[at + 1] if at < 8 else None,
    )


def reordered(files: Files, seqs: list[int], chance: random.Random) -> Attack:
    lines = lines_of(files)
    at = chance.randrange(1, 8)
    lines[at], lines[at + 1] = lines[at + 1], lines[at]
    data = resign(with_lines(files, lines), FORGER)
    return Attack(name="two records reordered", data=data, result="tampered", file=None)


def duplicated(files: Files, seqs: list[int], chance: random.Random) -> Attack:
    lines, at = lines_of(files), chance.randrange(9)
    lines.insert(at, lines[at])
    data = resign(with_lines(files, lines), FORGER)
    return Attack(name="a record twice", data=data, result="tampered", file=RECORDS)


def dropped(files: Files, seqs: list[int], chance: random.Random) -> Attack:
    lines = lines_of(files)
    del lines[chance.randrange(1, 8)]
    data = resign(with_lines(files, lines), FORGER, count=8)
    return Attack(name="a record dropped, the count too", data=data, result="tampered", file=None)


def cut_at_the_end(files: Files, seqs: list[int], chance: random.Random) -> Attack:
    lines = lines_of(files)[:-1]
    data = resign(with_lines(files, lines), FORGER, count=8, last=seqs[-2])
    return Attack(name="the last record dropped, count and last too", data=data, result="tampered")


def renderings_swapped(files: Files, seqs: list[int], chance: random.Random) -> Attack:
    forged = files | {"entries.csv": b"seq,action\r\n1,data.none\r\n"}
    data = pack(forged.items())
    return Attack(name="another CSV", data=data, result="tampered", file="entries.csv")


def two_files_swapped(files: Files, seqs: list[int], chance: random.Random) -> Attack:
    one, two = chance.sample([RECORDS, PROOFS, CHECKPOINT, "entries.csv", "README.txt"], 2)
    data = pack((files | {one: files[two], two: files[one]}).items())
    return Attack(name="two files swapped", data=data, result="tampered")


def file_left_out(files: Files, seqs: list[int], chance: random.Random) -> Attack:
    gone = chance.choice([name for name in files if name != MANIFEST])
    data = pack((name, content) for name, content in files.items() if name != gone)
    return Attack(name="a file left out", data=data, result="tampered")


def file_added(files: Files, seqs: list[int], chance: random.Random) -> Attack:
    places = list(files.items())
    places.insert(chance.randrange(len(places)), ("extra.txt", b"believe this\n"))
    return Attack(name="a file added", data=pack(places), result="tampered")


def other_ledgers_checkpoint(files: Files, seqs: list[int], chance: random.Random) -> Attack:
    head = checkpoint(ledger(chance.randrange(20, SIZE)), origin=f"{ORIGIN}.other", signer=LOG)
    data = resign(files | {CHECKPOINT: head}, LOG)
    name = "another ledger's checkpoint under our own key"
    return Attack(name=name, data=data, result="tampered", file=CHECKPOINT)


def other_size_of_checkpoint(files: Files, seqs: list[int], chance: random.Random) -> Attack:
    head = checkpoint(ledger(SIZE + chance.randrange(1, 9)))
    data = resign(files | {CHECKPOINT: head}, FORGER)
    return Attack(
        name="a checkpoint of another size", data=data, result="tampered", file=CHECKPOINT
    )


def manifest_signed_by_a_forger(files: Files, seqs: list[int], chance: random.Random) -> Attack:
    data = resign(files, FORGER, left_out=f"Nothing is left out {chance.random()}.")
    return Attack(name="only the manifest forged", data=data, result="not proven")


def all_signed_by_a_forger(files: Files, seqs: list[int], chance: random.Random) -> Attack:
    """A whole ledger of the forger's making, under the same name."""
    data = bundle(ledger(SIZE + chance.randrange(9)), seqs, signer=FORGER)
    return Attack(name="everything made by a forger", data=data, result="not proven")


def forger_names_the_real_key(files: Files, seqs: list[int], chance: random.Random) -> Attack:
    left_out = f"Nothing {chance.random()}."
    data = resign(files, FORGER, keys=(LOG.key,), left_out=left_out)
    name = "a forger's signature, the real key named"
    return Attack(name=name, data=data, result="tampered", file=MANIFEST)


def proofs_edited(files: Files, seqs: list[int], chance: random.Random) -> Attack:
    lines = files[PROOFS].splitlines(keepends=True)
    del lines[chance.randrange(1, len(lines))]
    data = resign(files | {PROOFS: b"".join(lines)}, FORGER)
    return Attack(name="a line of the proofs left out", data=data, result="tampered")


def other_ledgers_name(files: Files, seqs: list[int], chance: random.Random) -> Attack:
    data = resign(files, FORGER, ledger="other")
    name = "the ledger's name in the manifest"
    return Attack(name=name, data=data, result="tampered", file=RECORDS, seq=seqs[0])


def bytes_around(files: Files, seqs: list[int], chance: random.Random) -> Attack:
    whole, extra = pack(files.items()), chance.randbytes(chance.randrange(1, 40))
    place = chance.choice([0, len(whole), chance.randrange(len(whole))])
    data = whole[:place] + extra + whole[place:]
    return Attack(name="bytes put in", data=data, result="tampered")


def cut_off(files: Files, seqs: list[int], chance: random.Random) -> Attack:
    whole = pack(files.items())
    data = whole[: chance.randrange(len(whole))]
    return Attack(name="cut off", data=data, result="tampered")


KINDS: list[Callable[[Files, list[int], random.Random], Attack]] = [
    edited_without_a_new_manifest,
    edited_and_signed_anew,
    reordered,
    duplicated,
    dropped,
    cut_at_the_end,
    renderings_swapped,
    two_files_swapped,
    file_left_out,
    file_added,
    other_ledgers_checkpoint,
    other_size_of_checkpoint,
    manifest_signed_by_a_forger,
    all_signed_by_a_forger,
    forger_names_the_real_key,
    proofs_edited,
    other_ledgers_name,
    bytes_around,
    cut_off,
]
