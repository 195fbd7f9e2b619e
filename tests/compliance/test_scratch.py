"""From scratch: the entries alone, or a bundle of them, give the rows that the tables hold."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from audit.exportfile import path_of
from audit.ledger.note import format_verifier_key
from audit.models import Ledger
from audit.project import catch_up, projections
from audit.signer import make_key
from compliance.scratch import BundleRefused, from_bundle, from_ledger
from tests.audit.exporting import made, vkey
from tests.audit.exporting import sealed as sealed_ledger
from tests.compliance.building import shipped
from tests.compliance.test_incremental import in_tables, plain


@pytest.fixture
def sealed(ledger: Ledger, settings: Any, tmp_path: Path) -> Ledger:
    """Return a sealed ledger of 30 entries, which the tallies have read."""
    settings.EXPORT_DIR = str(tmp_path / "exports")
    settings.SIGNING_DIR = str(tmp_path / "signing")
    sealed_ledger(ledger, 30)
    catch_up(ledger.id, projections()["tallies"])
    return ledger


def bundle(ledger: Ledger, tmp_path: Path, **query: Any) -> Path:
    """Return the file of an evidence bundle."""
    export = made(ledger, query=query)
    return Path(shutil.copy(path_of(export), tmp_path / "bundle.zip"))


def test_the_entries_give_the_rows_of_the_tables(sealed: Ledger) -> None:
    told: list[tuple[int, int]] = []

    memory = from_ledger(sealed, shipped(), on_progress=lambda *at: told.append(at))

    assert plain(memory.dump()) == plain(in_tables(sealed))
    assert told == [(30, 30)]
    assert memory.ledger == sealed.name


def test_a_bundle_gives_the_rows_of_the_tables(sealed: Ledger, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []

    memory = from_bundle(
        bundle(sealed, tmp_path), shipped(), on_progress=lambda *at: told.append(at)
    )

    assert plain(memory.dump()) == plain(in_tables(sealed))
    assert told == [(30, 30)]
    assert memory.ledger == sealed.name


def test_a_bundle_is_held_to_the_key_that_the_reader_brings(sealed: Ledger, tmp_path: Path) -> None:
    path = bundle(sealed, tmp_path)
    other = make_key("other", origin=sealed.origin)

    assert from_bundle(path, shipped(), keys=[vkey(sealed)]).head_seq == 29
    with pytest.raises(BundleRefused, match="signer unknown"):
        from_bundle(path, shipped(), keys=[format_verifier_key(other)])


def test_a_filtered_bundle_is_refused(sealed: Ledger, tmp_path: Path) -> None:
    path = bundle(sealed, tmp_path, outcome=["denied"])

    with pytest.raises(BundleRefused, match="holds 10 of the 30 entries") as refused:
        from_bundle(path, shipped())
    assert "\n" not in str(refused.value)


def test_a_changed_bundle_is_refused(sealed: Ledger, tmp_path: Path) -> None:
    path = bundle(sealed, tmp_path)
    content = bytearray(path.read_bytes())
    at = content.index(b'"outcome":"success"')
    content[at + 11 : at + 18] = b"failure"
    path.write_bytes(content)

    with pytest.raises(BundleRefused, match=r"the bundle is broken: records\.ndjson"):
        from_bundle(path, shipped())


def test_what_is_no_bundle_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bundle.zip"
    path.write_bytes(b"no archive")

    with pytest.raises(BundleRefused, match="the bundle is broken"):
        from_bundle(path, shipped())
