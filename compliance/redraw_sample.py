"""Draw a sample again and say whether it is the one that was drawn; anybody can, from a bundle.

What the entry of the draw says is not believed: the snapshot's entry gives head, period and
environment, the lens is made of the catalogue in force with what people had set by then, the seed
is computed, every entry up to the head is read. Then each word of the entry is compared. Only
reads; needs no row of compliance_sample. Drawing: draw_sample.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compliance.gather import Ledger
from compliance.sample import Drawn, draw, seed_of
from compliance.sample_lines import Sealed
from compliance.sample_population import population_of
from compliance.sample_source import (
    DrawnEntry,
    FromBundle,
    FromLedger,
    Progress,
    Source,
    lens_at,
)
from compliance.scratch import check_bundle


@dataclass(frozen=True, kw_only=True, slots=True)
class Redrawn:
    """What came of drawing again."""

    sample: str
    snapshot: str
    control: str
    check: str
    number: str
    seq: int
    """The entry of the draw."""
    sealed_seq: int
    """The entry of the snapshot."""
    drawn: Drawn
    differences: tuple[str, ...]
    """One line each; nothing when it is the same sample."""


def redraw_from_ledger(
    ledger: Ledger, sample: str, *, on_progress: Progress | None = None
) -> Redrawn:
    """Draw a sample again from the entries of this installation; `sample` is its uid.

    Raises NotDrawable, UnknownFramework.
    """
    return _redrawn(FromLedger(ledger), sample, on_progress)


def redraw_from_bundle(
    path: Path, sample: str, *, keys: Sequence[str] = (), on_progress: Progress | None = None
) -> Redrawn:
    """Draw a sample again from an evidence bundle, without the ledger.

    `keys` are verifier keys of the ledger; without any the bundle need only agree with itself.
    Raises NotDrawable, UnknownFramework, BundleRefused, and OSError when it cannot be read.
    """
    with path.open("rb") as file:
        check_bundle(file, keys=keys)
        return _redrawn(FromBundle(file), sample, on_progress)


def _redrawn(source: Source, sample: str, on_progress: Progress | None) -> Redrawn:
    entry = source.drawn(sample)
    said = entry.details
    sealed = source.sealed(said["snapshot"])
    control, check, number = said["control"], said["check"], said["number"]
    lens = lens_at(source, sealed, control=control, check=check)
    seed = seed_of(head_hash=sealed.head_hash, number=number, control=control, check=check)
    population = population_of(lens, sealed.within)
    drawn = draw(seed, population, source.entries(lens, sealed, on_progress))
    return Redrawn(
        sample=sample,
        snapshot=sealed.snapshot,
        control=control,
        check=check,
        number=number,
        seq=entry.seq,
        sealed_seq=sealed.seq,
        drawn=drawn,
        differences=tuple(_differences(entry, sealed, seed, lens.id, drawn)),
    )


def _differences(
    entry: DrawnEntry, sealed: Sealed, seed: bytes, lens: str, drawn: Drawn
) -> Iterator[str]:
    """Yield what the entry of a draw says otherwise than it came out now."""
    said = entry.details
    if not sealed.head_seq < sealed.seq < entry.seq:
        yield (
            f"order: the head is #{sealed.head_seq}, sealed by #{sealed.seq}, and the draw stands "
            f"at #{entry.seq}; each must come after the one before"
        )
    expected: dict[str, Any] = {
        "framework": sealed.framework,
        "lens": lens,
        "seed": seed.hex(),
        "population": drawn.population,
        "rule": drawn.rule,
    }
    for name, value in expected.items():
        if said[name] != value:
            yield f"{name}: the entry says {said[name]!r}, drawn again it is {value!r}"
    if said["items"] != drawn.named():
        yield _items_differ(said["items"], drawn.named())


def _items_differ(said: list[list[Any]], found: list[list[Any]]) -> str:
    for position, (one, other) in enumerate(zip(said, found, strict=False), 1):
        if one != other:
            return f"items: at {position} the entry has {one[1]!r}, drawn again it is {other[1]!r}"
    return f"items: the entry has {len(said):,}, drawn again there are {len(found):,}"
