"""How complete a trail is: against the entries themselves and the numbers that agents gave."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from audit.actions import missing_fields
from audit.database import rows
from audit.models import Ledger
from audit.project import catch_up
from compliance.completeness import completeness
from compliance.tally import Tallies
from metrics.reading import read_record
from tests.conftest import chain, make_event

LABEL = "obs_audit_completeness_ratio"


def act(number: int | None, **fields: Any) -> dict[str, Any]:
    """Return an act of an agent that counts, with all fields that are expected of it."""
    moment = datetime.now(UTC) - timedelta(minutes=5)
    return make_event(
        occurred_at=moment.isoformat(),
        agent={"id": "alice-agent", "instance_id": "i-1"},
        client_seq=number,
        **fields,
    )


def test_a_ledger_without_entries_says_nothing(ledger: Ledger) -> None:
    assert (LABEL, (ledger.name,)) not in completeness()


def test_share_is_of_entries_with_all_fields_among_those_that_should_be_there(
    ledger: Ledger,
) -> None:
    chain(ledger, [act(number) for number in (*range(40), *range(43, 63))])
    chain(ledger, [act(63, tool=None), act(64, run=None), act(None)])
    catch_up(ledger.id, Tallies())

    lacking = sum(
        bool(missing_fields(read_record(0, record).event, "events"))
        for (record,) in rows("SELECT record FROM audit_entry WHERE ledger_id = %s", (ledger.id,))
    )
    ((entries, numbers, newest),) = rows(
        """
        SELECT count(*), count(number), max(number)
        FROM audit_entry
        CROSS JOIN LATERAL (
            SELECT (convert_from(record, 'UTF8')::jsonb #>> '{event,client_seq}')::int AS number
        ) AS said
        WHERE ledger_id = %s
        """,
        (ledger.id,),
    )
    lost = newest + 1 - numbers
    assert (entries, lost) == (63, 3)
    assert lacking > 0
    assert completeness()[LABEL, (ledger.name,)] == (entries - lacking) / (entries + lost)
