"""A figure leads to a trace that it counted, where that trace is kept, and to no other."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from audit.models import Ledger
from audit.project import catch_up
from metrics.rollup import Rollups
from tests.conftest import chain, make_event
from tests.metrics.deciding import client
from tests.tracing.spans import Kept, keep_trace, new_trace_id, now_ns

pytestmark = pytest.mark.usefixtures("undecided")


def call_tool(ledger: Ledger, trace_id: str, took_ms: int) -> None:
    now = datetime.now(UTC).isoformat()
    chain(ledger, [make_event(occurred_at=now, trace={"trace_id": trace_id}, duration_ms=took_ms)])
    catch_up(ledger.id, Rollups())


def test_a_page_of_figures_leads_to_the_traces_that_are_kept(
    ledger: Ledger, as_role: Callable[[str], psycopg.Connection[Any]]
) -> None:
    kept = keep_trace(as_role("web"), ledger.id, [Kept(start_ns=now_ns())])
    gone = new_trace_id()
    call_tool(ledger, kept, 1_250)
    call_tool(ledger, gone, 20)
    address = f"/admin/operations/tools/?ledger={ledger.name}&last=1h"

    shown = client("auditor").get(address)

    assert [(each.trace_id, each.value) for each in shown.context["examples"]] == [(kept, "1.25 s")]
    assert f'href="/admin/tracing/trace/{ledger.name}/{kept}/"' in shown.content.decode()
    other = client("auditor").get("/admin/operations/tools/?ledger=main&last=1h")
    assert kept not in other.content.decode()
