"""Measure what a page costs as the ledger grows, in time and in queries.

The same ledger is asked at a small size and at a large one; between, it is only appended to, and
the runs of verification and held events that people see grow along. Each page is asked by a
person's session through Django's own client, so template and middleware count and the network does
not. Targets: at the large size a page takes at most 1.3 times what it takes at the small one, p95
at most 300 ms, at most 12 queries.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Mapping
from hashlib import sha256
from typing import TYPE_CHECKING
from urllib.parse import urlencode
from uuid import UUID

import psycopg

from benchmarks import sample, seed
from benchmarks.figures import Findings, arguments, percentile, report, say
from benchmarks.ground import database

if TYPE_CHECKING:  # Django's models are read only once it is set up
    from django.test import Client

    from audit.models import Ledger

MOST_RATIO = 1.3
MOST_MS = 300
MOST_QUERIES = 12
LEAST_ROWS = 60
"""Rows that every list has at least: more than two pages."""
CHECKED = 10
"""Entries that a run of verification checks here."""
WARM = 5
"""Requests whose time is not counted: the first ones read templates and catalogues."""


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--small", type=int, default=10_000, help="entries first (default 10,000)")
    parser.add_argument("--large", type=int, default=1_000_000, help="entries then (1,000,000)")
    parser.add_argument("--times", type=int, default=60, help="requests a page (default 60)")
    options = parser.parse_args()
    report(options, lambda: measure(options.small, options.large, options.times))


def measure(small: int, large: int, times: int) -> Findings:
    """Ask every page at both sizes."""
    found = Findings(question="What does a page cost as the ledger grows?")
    with (
        database(shared_buffers="512MB", max_wal_size="4GB") as address,
        psycopg.connect(address, autocommit=True) as connection,
    ):
        from django.conf import settings

        from audit.ledgers import open_ledger

        ledger = open_ledger(settings.LEDGER)
        client = _somebody()
        _grow(connection, ledger, small)
        at_small = _ask(client, ledger, times)
        _grow(connection, ledger, large)
        at_large = _ask(client, ledger, times)
        for name, (taken, queries) in at_large.items():
            before = statistics.median(at_small[name][0])
            middle = statistics.median(taken)
            found.add(f"{name}, median at {small:,}", before, "ms")
            found.add(f"{name}, median at {large:,}", middle, "ms")
            found.add(f"{name}, p95 at {large:,}", percentile(taken, 0.95), "ms", at_most=MOST_MS)
            found.add(f"{name}, ratio", middle / before, "", at_most=MOST_RATIO)
            found.add(f"{name}, queries", queries, "", at_most=MOST_QUERIES)
    return found


def _somebody() -> Client:
    """Return the session of an auditor; logging in leaves an entry, as always."""
    from django.contrib.auth.models import Group, User
    from django.test import Client

    auditor = User.objects.create_user("auditor", is_staff=True)
    auditor.groups.add(Group.objects.get(name="auditor"))
    client = Client(HTTP_HOST="localhost")
    client.force_login(auditor)
    return client


def _grow(connection: psycopg.Connection, ledger: Ledger, size: int) -> None:
    """Append until the ledger has this many entries; then let projections and statistics settle."""
    from audit.append import append_pending
    from audit.project import catch_up_all

    templates = sample.as_stored()
    say(f"filling up to {size:,} entries")
    while (missing := size - seed.size_of(connection, ledger.name)) > 0:
        seed.put(
            connection, ledger.id, sample.posts(templates, events=min(50_000, missing), batch=100)
        )
        append_pending(ledger.id)
    catch_up_all(ledger.id)
    _add_work(connection, ledger, size)
    connection.execute(
        "VACUUM ANALYZE audit_entry, audit_eventkey, audit_inbox, audit_agent, audit_agentday,"
        " audit_verification, audit_quarantine"
    )


def _add_work(connection: psycopg.Connection, ledger: Ledger, size: int) -> None:
    """Add what waits for people: runs of verification and held events, more of them as it grows.

    Lists are longer than a page at both sizes, so that both draw full ones. A run checks the newest
    entries alone, so that a thousand of them take no hour.
    """
    from audit.append import append_pending
    from audit.models import Agent, Quarantine, Verification
    from audit.runs import run_verification

    wanted = max(LEAST_ROWS, size // 1000)
    say(f"adding runs and held events, up to {wanted:,} of each")
    if Agent.objects.filter(ledger=ledger).count() < LEAST_ROWS:
        seed.put(connection, ledger.id, [_of_many_agents()])
        append_pending(ledger.id)
    held = Quarantine.objects.filter(ledger=ledger).count()
    seed.put(connection, ledger.id, _ids_used_twice(connection, ledger, first=held, last=wanted))
    append_pending(ledger.id)
    assert Quarantine.objects.filter(ledger=ledger).count() == wanted, "each of them is held"
    for _ in range(wanted - Verification.objects.filter(ledger=ledger).count()):
        run_verification(ledger, kind="manual", requested_by="auditor", from_seq=size - CHECKED)
    append_pending(ledger.id)  # each run left an entry


def _of_many_agents() -> sample.Post:
    """Return a POST with one event of each of many agents."""
    template = sample.as_stored()[0]
    agent = json.loads(template.under(b""))["agent"]["id"].encode()
    ids = sample.fresh_ids(LEAST_ROWS)
    events = [
        template.under(one).replace(b'"%b"' % agent, b'"%b-%d"' % (agent, number))
        for number, one in enumerate(ids)
    ]
    return _post(ids, events)


def _ids_used_twice(
    connection: psycopg.Connection, ledger: Ledger, *, first: int, last: int
) -> list[sample.Post]:
    """Return POSTs whose events carry ids of chained entries and say something else."""
    found = connection.execute(
        """
        SELECT event_id::text
        FROM audit_eventkey
        WHERE ledger_id = %s
          AND seq >= %s
          AND seq < %s
        ORDER BY seq
        """,
        (ledger.id, first, last),
    )
    template = sample.as_stored()[0]
    ids = [one.encode() for (one,) in found]
    other = [
        template.under(one).replace(b'"outcome":"success"', b'"outcome":"failure"') for one in ids
    ]
    return [_post([one], [event]) for one, event in zip(ids, other, strict=True)]


def _post(ids: list[bytes], events: list[bytes]) -> sample.Post:
    return sample.Post(
        event_ids=[UUID(one.decode()) for one in ids],
        digests=b"".join(sha256(event).digest() for event in events),
        events=b"\n".join(events),
    )


def _pages(ledger: Ledger) -> Mapping[str, str]:
    """Return each page by name; values of filters are taken from an entry in the middle."""
    from audit.models import Agent, Entry, Head, Quarantine, Verification

    size = Head.objects.get(ledger=ledger).size
    middle = Entry.objects.get(ledger=ledger, seq=size // 2)
    agent = Agent.objects.filter(ledger=ledger).order_by("-entries")[0]
    held = Quarantine.objects.filter(ledger=ledger).order_by("id")[0]
    run = Verification.objects.filter(ledger=ledger).order_by("id")[0]
    entries = "/admin/audit/entry/"
    return {
        "front page": "/admin/",
        "live part of it": "/admin/overview/",
        "newest entries": entries,
        "entries in the middle": f"{entries}?after={middle.seq}",
        "entries of an agent": f"{entries}?agent={middle.agent_id}",
        "entries of an action": f"{entries}?action={middle.action}",
        "entries not successful": f"{entries}?outcome=failure&outcome=denied&outcome=error",
        "entries of a run": f"{entries}?run={middle.run_id}",
        "entries since a moment": f"{entries}?from={middle.occurred_at:%Y-%m-%dT%H:%M:%SZ}",
        "one entry": f"{entries}{middle.hash}/change/",
        "Ledgers": "/admin/audit/ledger/",
        "one ledger": f"/admin/audit/ledger/{ledger.name}/change/",
        "Agents": "/admin/audit/agent/",
        "one agent": f"/admin/audit/agent/{ledger.name}/?{urlencode({'id': agent.agent_id})}",
        "Quarantine": "/admin/audit/quarantine/",
        "one quarantined event": f"/admin/audit/quarantine/{held.id}/change/",
        "Verifications": "/admin/audit/verification/",
        "every run of verification": "/admin/audit/verification/?show=all",
        "one verification": f"/admin/audit/verification/{run.id}/change/",
    }


def _ask(client: Client, ledger: Ledger, times: int) -> dict[str, tuple[list[float], int]]:
    """Return, for each page, the milliseconds of each request and its queries."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    found = {}
    for name, address in _pages(ledger).items():
        say(f"asking {name}")
        for _ in range(WARM):
            assert client.get(address).status_code == 200, address
        with CaptureQueriesContext(connection) as captured:
            client.get(address)
        queries = len(captured)  # now: the next request forgets them
        taken = []
        for _ in range(times):
            began = time.perf_counter()
            client.get(address)
            taken.append((time.perf_counter() - began) * 1000)
        found[name] = (taken, queries)
    return found


if __name__ == "__main__":
    main()
