"""Who finds an attack: each demand of a finder, and the table of what was found and by whom."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from audit.ledger.errors import NotConsistent
from audit.ledger.merkle import check_consistency, prove_consistency, root_of
from audit.seal import seal
from audit.tree import tree_of
from audit.verify import Report, verify
from tests.audit.attacks.sealed import Sealed
from tests.audit.forging import size_of


@dataclass(frozen=True, kw_only=True)
class Found:
    """A line of the table."""

    attack: str
    by: str
    result: str
    cause: str


TABLE: list[Found] = []


def found_by_verification(attack: str, report: Report, *, seq: int, field: str) -> None:
    """Demand that it is tampered, first at this seq and field."""
    assert report.result == "tampered", report
    assert report.first is not None
    assert (report.first.seq, report.first.field) == (seq, field)
    assert report.first.expected != report.first.found
    tell(attack, "verification", "tampered", f"#{seq} {field}")


def not_proven(attack: str, report: Report, *, why: str, by: str = "verification") -> None:
    assert report.result == "not_proven", report
    assert why in report.note
    tell(attack, by, "not proven", report.note)


def found_outside(attack: str, sealed: Sealed, *, field: str, seq: int) -> None:
    """Demand that whoever kept a checkpoint finds it, with our command and without."""
    report = verify(sealed.ledger, holders=sealed.outside)
    assert report.result == "tampered", report
    assert report.first is not None
    assert (report.first.seq, report.first.field) == (seq, field)
    tell(attack, "a checkpoint kept outside", "tampered", f"#{seq} {field}")
    published, size = sealed.published, size_of(sealed.ledger)
    if size >= published.size:
        tree = tree_of(sealed.ledger.id, size=size)
        proof = prove_consistency(old_size=published.size, new_size=size, hashes=tree)
        with pytest.raises(NotConsistent):
            check_consistency(
                proof,
                old_size=published.size,
                old_root=published.root,
                new_size=size,
                new_root=root_of(size, tree),
            )


def refused_by_sealer(attack: str, sealed: Sealed, kind: type[Exception]) -> None:
    """Demand that the sealer signs nothing on top of it."""
    with pytest.raises(kind) as refused:
        seal(sealed.ledger)
    tell(attack, "the sealer", kind.__name__, str(refused.value))


def fooled(report: Report) -> None:
    """Say that verification alone cannot see it; another finder must."""
    assert report.result == "intact"
    assert "database's own word" in report.note or "no checkpoint yet" in report.note


def tell(attack: str, by: str, result: str, cause: str) -> None:
    TABLE.append(Found(attack=attack, by=by, result=result, cause=cause[:140]))
