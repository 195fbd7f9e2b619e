"""A sample is drawn once, after the seal, by one worker, and nobody can change it.

Anyone draws it again: test_redraw_sample.py.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from django.conf import settings as django_settings
from django.db import DatabaseError, connection, transaction
from django.test import override_settings
from pytest_django.plugin import DjangoDbBlocker

from audit.append import append_pending
from audit.ledgers import open_ledger
from audit.models import Entry, Ledger
from audit.project import catch_up_all
from compliance import draw_sample
from compliance.acting import ActRefused
from compliance.draw_sample import ask_again, ask_sample, draw_samples
from compliance.gather import rows
from compliance.models import Sample, Snapshot
from compliance.redraw_sample import redraw_from_ledger
from compliance.report_drawn import samples_of
from compliance.report_entries import LedgerEvidence
from compliance.sample import rank_of
from compliance.sample_lines import ACTION
from tests.compliance.drawing import details, items, its_entry, period
from tests.compliance.sampling import (
    ALICE,
    asked,
    calls,
    drawn,
    largest_leg,
    sealed_period,
    unchained_period,
)
from tests.conftest import chain, entries

__all__ = ["period"]  # fixtures, which pytest finds by their names here


@pytest.fixture(scope="module")
def kept(django_db_blocker: DjangoDbBlocker, tmp_path_factory: pytest.TempPathFactory) -> Sample:
    """Return a drawn sample for the tests that are refused to change it, which share it."""
    with (
        django_db_blocker.unblock(),
        override_settings(SIGNING_DIR=str(tmp_path_factory.mktemp("signing"))),
    ):
        open_ledger(django_settings.LEDGER)
        return drawn(sealed_period(open_ledger(f"t.{uuid.uuid4().hex[:16]}")))


# --- Drawing --------------------------------------------------------------------------------------


def test_items_row_and_entry_say_the_same(period: Snapshot) -> None:
    sample = drawn(period)

    entry = its_entry(sample)
    said = details(entry)
    kept = items(sample)
    assert entry.action == ACTION
    assert entry.actor_id == "alice"
    assert said["act"] == "drawn"
    assert said["sample"] == str(sample.uid)
    assert said["snapshot"] == str(period.id)
    assert (said["number"], said["seed"]) == ("4711", sample.seed)
    assert (said["population"], said["rule"]) == (sample.population, sample.rule)
    assert said["items"] == [[one.seq, one.item, one.stratum] for one in kept]
    assert [one.position for one in kept] == list(range(1, len(kept) + 1))


def test_each_item_names_its_entry_by_id_hash_and_time(period: Snapshot) -> None:
    sample = drawn(period)

    for item in items(sample):
        entry = Entry.objects.get(ledger=period.ledger, seq=item.seq)
        assert item.entry_id == entry.event_id
        assert item.entry_hash == entry.hash
        assert item.occurred_at == entry.occurred_at
        assert item.stratum == entry.agent_id


def test_the_population_is_what_the_check_counted(period: Snapshot) -> None:
    control, check = largest_leg(period)

    sample = drawn(period)

    counted = next(
        leg["n"]
        for each in period.as_json()["controls"]
        for leg in each["legs"]
        if (each["id"], leg["id"]) == (control, check)
    )
    assert sample.population == counted >= 300
    assert sample.rule.startswith(f"40 of {counted}: ")


def test_every_agent_is_there_though_one_does_nearly_all(period: Snapshot) -> None:
    sample = drawn(period)

    agents = {"agent-0", "agent-1", "agent-2", "agent-3"}
    assert agents & {one.stratum for one in items(sample)} == agents & set(
        Entry.objects.filter(ledger=period.ledger, action="tool.invoke").values_list(
            "agent_id", flat=True
        )
    )


def test_the_order_is_that_of_ranks(period: Snapshot) -> None:
    sample = drawn(period)

    seed = bytes.fromhex(sample.seed)
    ranks = [rank_of(seed, one.item) for one in items(sample)][:40]
    assert ranks == sorted(ranks)


def test_an_entry_after_the_head_changes_nothing(period: Snapshot) -> None:
    first = drawn(period)
    before = redraw_from_ledger(period.ledger, str(first.uid)).drawn

    chain(period.ledger, calls(50))

    after = redraw_from_ledger(period.ledger, str(first.uid))
    assert after.drawn == before
    assert after.differences == ()


def test_another_number_draws_another_sample(period: Snapshot) -> None:
    one, other = drawn(period), drawn(period, "4712")

    assert [each.seq for each in items(one)] != [each.seq for each in items(other)]


def test_nothing_waits_after_it_was_drawn(period: Snapshot) -> None:
    drawn(period)

    assert draw_samples(period.ledger_id) == 0


# --- What is refused ------------------------------------------------------------------------------


def test_a_number_before_the_seal_is_chained_is_refused(ledger: Ledger, period: Snapshot) -> None:
    chain(ledger, calls(5))
    catch_up_all(ledger.id)
    unsealed = unchained_period(ledger)

    with pytest.raises(ActRefused, match="not chained yet") as refused:
        asked(unsealed)

    assert refused.value.field == "number"
    append_pending(ledger.id)
    assert asked(unsealed).state == "queued"


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"number": "12a"}, "number"),
        ({"number": ""}, "number"),
        ({"control": "CC99.9"}, "leg"),
        ({"check": "NONE-1"}, "leg"),
        ({"check": "statement"}, "leg"),
    ],
)
def test_what_cannot_be_drawn_is_refused_with_its_field(
    period: Snapshot, said: dict[str, str], field: str
) -> None:
    control, check = largest_leg(period)
    leg = {"control": control, "check": check, "number": "1"} | said

    with pytest.raises(ActRefused) as refused:
        ask_sample(period, **leg, by=ALICE)

    assert refused.value.field == field
    assert not Sample.objects.filter(snapshot=period).exists()


def test_the_same_number_is_drawn_once(period: Snapshot) -> None:
    asked(period)

    with pytest.raises(ActRefused, match="is drawn with this number"):
        asked(period)


def test_a_daily_posture_is_no_period_to_draw_of(period: Snapshot) -> None:
    period.kind = "posture"

    with pytest.raises(ActRefused, match="daily posture"):
        asked(period)


# --- Workers --------------------------------------------------------------------------------------


def lose(sample: Sample, *, attempt: int = 1) -> None:
    """Make it look as if a worker took the draw a minute ago and was never seen again."""
    rows(
        "UPDATE compliance_sample SET state = 'drawing', attempt = %s, "
        "seen_at = clock_timestamp() - interval '1 minute' WHERE id = %s RETURNING id",
        (attempt, sample.id),
    )


def test_a_lost_workers_draw_is_begun_again(period: Snapshot) -> None:
    sample = asked(period)
    lose(sample)

    assert draw_samples(period.ledger_id) == 1

    sample.refresh_from_db()
    assert (sample.state, sample.attempt) == ("open", 2)


def test_a_worker_that_was_overtaken_keeps_nothing(period: Snapshot) -> None:
    sample = asked(period)
    lose(sample, attempt=2)

    draw_sample._work_on(sample, 1, was_lost=False)

    assert not items(sample)
    assert draw_samples(period.ledger_id) == 1
    sample.refresh_from_db()
    assert (sample.state, sample.attempt) == ("open", 3)
    append_pending(period.ledger_id)
    assert len([one for one in entries(period.ledger) if one.action == ACTION]) == 1


def test_a_draw_that_loses_worker_after_worker_is_given_up_and_can_be_tried_again(
    period: Snapshot,
) -> None:
    sample = asked(period)
    lose(sample, attempt=draw_sample.MOST_ATTEMPTS)

    draw_samples(period.ledger_id)

    sample.refresh_from_db()
    assert sample.state == "failed"
    assert "lost again and again" in sample.note
    ask_again(sample)
    draw_samples(period.ledger_id)
    sample.refresh_from_db()
    assert sample.state == "open"


def test_a_worker_says_how_far_it_is(period: Snapshot) -> None:
    sample = drawn(period)

    assert sample.done == sample.total == period.head_seq + 1


# --- What reports read ----------------------------------------------------------------------------


def test_reports_read_the_sample_out_of_the_entries(period: Snapshot) -> None:
    sample = drawn(period)

    (line,) = samples_of(str(period.id), LedgerEvidence(period.ledger, head_seq=period.head_seq))

    kept = items(sample)
    assert (line.sample, line.number, line.seed) == (str(sample.uid), "4711", sample.seed)
    assert (line.population, line.rule, line.drawn_by) == (sample.population, sample.rule, "alice")
    assert [(one.seq, one.entry_id, one.entry_hash) for one in line.items] == [
        (one.seq, str(one.entry_id), one.entry_hash) for one in kept
    ]
    assert line.conclusion == line.concluded_by == ""
    assert {one.verdict for one in line.items} == {""}


def test_reports_of_another_snapshot_hold_nothing_of_it(period: Snapshot) -> None:
    drawn(period)
    evidence = LedgerEvidence(period.ledger, head_seq=period.head_seq)

    assert samples_of(str(uuid.uuid4()), evidence) == ()


# --- What Postgres refuses ------------------------------------------------------------------------


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize(
    "change",
    ["seq = 0", "item = '0'", "stratum = 'x'", "entry_hash = repeat('0', 64)", "position = 99",
     "entry_id = gen_random_uuid()"],
)  # fmt: skip
def test_a_drawn_item_cannot_be_changed(kept: Sample, change: str) -> None:
    with pytest.raises(DatabaseError, match="stays as it was drawn"), transaction.atomic():
        _run(
            f"UPDATE compliance_sampleitem SET {change} WHERE sample_id = %s AND position = 1",
            kept.id,
        )


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize(
    "change",
    ["number = '1'", "seed = repeat('0', 64)", "population = 1", "rule = ''", "control = 'x'",
     "snapshot_id = gen_random_uuid()", "state = 'queued'", "event_id = gen_random_uuid()"],
)  # fmt: skip
def test_a_drawn_sample_cannot_be_changed(kept: Sample, change: str) -> None:
    with pytest.raises(DatabaseError, match="stays as it was drawn"), transaction.atomic():
        _run(f"UPDATE compliance_sample SET {change} WHERE id = %s", kept.id)


@pytest.mark.usefixtures("database")
def test_nothing_is_added_to_a_sample_or_taken_from_it(kept: Sample) -> None:
    with pytest.raises(DatabaseError, match="none is added afterwards"), transaction.atomic():
        _run(
            "INSERT INTO compliance_sampleitem SELECT ledger_id, sample_id, 999, seq, item, "
            "stratum, entry_id, entry_hash, occurred_at FROM compliance_sampleitem "
            "WHERE sample_id = %s AND position = 1",
            kept.id,
        )
    with pytest.raises(DatabaseError, match="never deleted"), transaction.atomic():
        _run("DELETE FROM compliance_sampleitem WHERE sample_id = %s", kept.id)
    with pytest.raises(DatabaseError, match="never deleted"), transaction.atomic():
        _run("DELETE FROM compliance_sample WHERE id = %s", kept.id)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE compliance_sample SET seed = repeat('0', 64)",
        "UPDATE compliance_sample SET population = 1",
        "UPDATE compliance_sampleitem SET seq = 1",
        "INSERT INTO compliance_sampleitem (ledger_id, sample_id, position) VALUES (1, 1, 1)",
        "DELETE FROM compliance_sample",
    ],
)
def test_the_web_role_may_not_draw(
    database: None, as_role: Callable[[str], psycopg.Connection[Any]], statement: str
) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        as_role("web").execute(statement)


def _run(statement: str, *params: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
