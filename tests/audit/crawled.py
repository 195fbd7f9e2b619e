"""Every address of the admin, of rows that are made for it. What is answered: crawl_table.py."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.urls import URLPattern, URLResolver, reverse

from audit.database import raw_connection
from audit.destination import make as make_destination
from audit.erase import ask_for_erasure
from audit.ledgers import open_ledger
from audit.models import AgentKey, Destination, Erasure, Export, Ledger, Quarantine
from audit.project import catch_up_all
from audit.retain import propose_purge
from audit.run_queue import ask_for_run
from audit.seal import seal
from audit.signer import make_key as make_signing_key
from compliance.snapshot import seal_snapshot
from tests.audit.erasing import about
from tests.audit.exporting import ask
from tests.audit.legal import hold
from tests.compliance.people.crawled import people_rows
from tests.compliance.reporting import ask as ask_for_a_report
from tests.compliance.results import a_result
from tests.compliance.scheduling import scheduled
from tests.conftest import chain, make_event, post
from tests.tracing.spans import agent_run, keep_trace, now_ns


def ask_for_some_export(ledger: Ledger) -> Export:
    """Sign the ledger's head and put an export of it into the queue."""
    make_signing_key(ledger.name, origin=ledger.origin)
    seal(ledger)
    return ask(ledger, "ndjson")


def make_some_destination(ledger: Ledger) -> Destination:
    """Make a destination of the ledger that is a folder of the tests."""
    return make_destination(
        ledger,
        name="crawl",
        kind="file",
        address="crawl",
        options={},
        secret="",
        from_seq=None,
        by="tests",
    )


def ask_for_some_erasure(ledger: Ledger) -> Erasure:
    """Name a data subject and ask to erase it."""
    post(ledger, [about("crawled")])
    return ask_for_erasure(ledger, "crawled", case_id="DSR-1", reason="a letter", by="alice")


def addresses() -> dict[str, str]:
    """Return every address of the admin by name, with its arguments filled in."""
    ledger = open_ledger(f"t.{uuid.uuid4().hex[:16]}")
    event = make_event()
    (entry,) = chain(ledger, [event])
    post(ledger, [event | {"outcome": "failure"}])
    catch_up_all(ledger.id)
    key = AgentKey.objects.create(
        key_id=uuid.uuid4().hex[:8],
        ledger=ledger,
        name="crawl",
        secret_hmac=bytes(32),
        scopes=["events:write"],
        created_by="tests",
    )
    person = User.objects.create_user(f"person-{uuid.uuid4().hex[:8]}")
    role = Group.objects.create(name=f"role-{uuid.uuid4().hex[:8]}")
    spans = agent_run(at_ns=now_ns())
    trace_id = keep_trace(raw_connection(), ledger.id, spans)
    ids = {
        "trace": trace_id,
        "entry": entry.hash,
        "agentkey": key.key_id,
        "user": person.pk,
        "group": role.pk,
        "ledger": ledger.name,
        "quarantine": Quarantine.objects.get(ledger=ledger).id,
        "verification": ask_for_run(ledger),
        "export": ask_for_some_export(ledger).id,
        "erasure": ask_for_some_erasure(ledger).id,
        "hold": hold(ledger).id,
        "purgeplan": propose_purge(ledger, reason="a test", by="tests").id,
        **people_rows(ledger),
        "destination": make_some_destination(ledger).id,
        "report": ask_for_a_report(ledger, "json").id,
        "schedule": scheduled(ledger).id,
        "snapshot": seal_snapshot(ledger, a_result(ledger=ledger.name), kind="period").id,
    }
    found = {}
    for pattern in patterns(admin.site.urls[0]):
        if pattern.name is None:  # the old addresses that send on to /change/
            continue
        wanted = set(pattern.pattern.converters) or set(pattern.pattern.regex.groupindex)
        model = pattern.name.split("_")[1] if "_" in pattern.name else ""
        known: dict[str, Any] = {
            "ledger": ledger.name,
            "seq": 0,
            "app_label": "audit",
            "content_type_id": 1,
            "key_id": key.key_id,
            "url": "nowhere",
            "framework": "soc2",
            "control": "CC2.1",
            "delivery_id": 1,
            "remedy_id": 1,
            "trace_id": trace_id,
            "span_id": spans[0].span_id,
            "position": 1,
            "check": "LOG-04",
            "id": person.pk,
            "object_id": ids.get(model, 1),
        }
        arguments = {name: known[name] for name in wanted}
        found[pattern.name] = reverse(f"admin:{pattern.name}", kwargs=arguments)
    found["audit_agent_change"] += f"?id={entry.agent_id}"  # an id may hold any character
    return found


def patterns(tree: list[URLPattern | URLResolver]) -> Iterator[URLPattern]:
    for one in tree:
        if isinstance(one, URLResolver):
            yield from patterns(one.url_patterns)
        else:
            yield one
