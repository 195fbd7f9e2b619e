"""Builders for tests of exports: a sealed ledger, and an export made from beginning to end."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from django.db import connection

from audit.append import append_pending
from audit.export import Wanted, ask_for_export, want
from audit.exporting import take_export, work_on_export, work_through_exports
from audit.ledger.note import format_verifier_key, sign_note
from audit.manifests import sign_waiting_manifests
from audit.models import Export, Ledger
from audit.query import EntryFilter
from audit.seal import known_keys, seal
from audit.signer import make_key, signers_of
from tests.conftest import chain, entries, make_event

SIZE = 30


def sealed(ledger: Ledger, events: int) -> Ledger:
    """Chain so many events, every third one denied, and sign the head with a key of its own."""
    made = [make_event(outcome="denied" if n % 3 == 0 else "success") for n in range(events)]
    chain(ledger, made)
    make_key(ledger.name, origin=ledger.origin)
    assert seal(ledger) is not None
    return ledger


def signing(ledger: Ledger) -> Callable[[str], bytes]:
    """Return what signs a text with the ledger's key, as the sealing process does."""
    return lambda text: sign_note(text, signers=signers_of(ledger.name, origin=ledger.origin))


def vkey(ledger: Ledger) -> str:
    """Return the newest verifier key of a ledger."""
    return format_verifier_key(known_keys(ledger)[0])


def wanted(ledger: Ledger, format: str = "bundle", **options: Any) -> Wanted:
    """Return what an export takes; `query` are filters, the rest is want()'s."""
    asked = EntryFilter.parse(options.pop("query", {}), default_ledger=ledger.name)
    return want(ledger, asked, format=format, **options)


def ask(ledger: Ledger, format: str = "bundle", **options: Any) -> Export:
    """Put an export into the queue."""
    export_id = ask_for_export(wanted(ledger, format, **options), via="admin", requested_by="alice")
    return Export.objects.select_related("ledger").get(id=export_id)


def finish(ledger: Ledger) -> None:
    """Make what waits, have it signed, and end it."""
    work_through_exports(ledger)
    sign_waiting_manifests(ledger, signing(ledger))
    work_through_exports(ledger)


def made(ledger: Ledger, format: str = "bundle", **options: Any) -> Export:
    """Return an export that is done."""
    export = ask(ledger, format, **options)
    finish(ledger)
    export.refresh_from_db()
    assert export.state == "done", (export.state, export.note)
    return export


@pytest.fixture
def thirty(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    """Return a sealed ledger of thirty entries that is read ten at a time, each chunk told."""
    sealed(ledger, SIZE)
    monkeypatch.setattr("audit.query.CHUNK", 10)
    monkeypatch.setattr("audit.export_attempt._SAY_EVERY", 0.0)
    return ledger


def told(ledger: Ledger) -> list[dict[str, Any]]:
    """Chain what waits and return the events about exports."""
    append_pending(ledger.id)
    events = [each.parsed()["event"] for each in entries(ledger)]
    return [each for each in events if each["action"] == "audit.exported"]


def again(export: Export) -> Export:
    return Export.objects.select_related("ledger").get(id=export.id)


def begun(ledger: Ledger, *, chunks: int, format: str = "bundle") -> Generator[object, None, None]:
    """Ask for an export, take it and do so many chunks; the rest is the caller's."""
    ask(ledger, format)
    job = take_export(ledger_id=ledger.id, waited=0.0)
    assert job is not None
    working = work_on_export(job)
    assert isinstance(working, Generator)
    for _ in range(chunks):
        next(working)
    return working


def lose_worker(export: Export) -> None:
    """Let an export look as it does half a minute after its worker was killed."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE audit_export SET state = 'running', seen_at = now() - interval '31 s' "
            "WHERE id = %s",
            [export.id],
        )


def verify(path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the verify.py of a bundle as a stranger would: isolated, without this project."""
    with ZipFile(path) as bundle:
        script = path.parent / f"{path.stem}.verify.py"
        script.write_bytes(bundle.read("verify.py"))
    try:
        return subprocess.run(
            [sys.executable, "-I", "-S", str(script), str(path), *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        script.unlink()
