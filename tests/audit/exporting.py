"""Builders for tests of exports: a sealed ledger, and an export made from beginning to end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from audit.export import Wanted, ask_for_export, want
from audit.exporting import work_through_exports
from audit.ledger.note import format_verifier_key, sign_note
from audit.manifests import sign_waiting_manifests
from audit.models import Export, Ledger
from audit.query import EntryFilter
from audit.seal import known_keys, seal
from audit.signer import make_key, signers_of
from tests.conftest import chain, make_event


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
