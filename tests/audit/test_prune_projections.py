"""Projections after purges: built again they have the same rows, from what a carry holds."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, ClassVar

import psycopg
import pytest
from django.db import connections

from audit.carry import Frozen, load_carry, newest_carry
from audit.database import raw_cursor, rows
from audit.errors import CarryUnreadable
from audit.models import Agent, Head, Ledger
from audit.project import catch_up, catch_up_all, projections, rebuild
from audit.prune import work_through_plans
from tests.audit.retaining import (
    again,
    agreed,
    folders,
    make_ready,
    old,
    projected,
    proposed,
    purged,
    seed,
)

__all__ = ["folders", "old"]  # fixtures, which pytest finds by their names here


def test_every_projection_built_again_after_one_and_two_purges_has_the_same_rows(
    old: Ledger,
) -> None:
    for _ in range(2):
        purged(old)
        catch_up_all(old.id)
        live = projected(old)
        assert live["audit_agent"]
        for projection in projections().values():
            rebuild(old, projection)

        assert projected(old) == live

        seed(old, 600)
        make_ready(old)


def test_a_projection_whose_rows_name_entries_forgets_those_that_went(old: Ledger) -> None:
    of_subjects = "SELECT count(*) FROM audit_subjectentry WHERE ledger_id = %s AND seq < %s"
    assert rows(of_subjects, (old.id, 512)) == [(171,)]

    purged(old)

    assert rows(of_subjects, (old.id, 512)) == [(0,)]
    assert rows(of_subjects, (old.id, 10_000))[0][0] > 0


def test_a_carry_is_the_same_bytes_from_every_server_and_comes_back_as_it_was(
    old: Ledger,
) -> None:
    rows("SELECT set_config('timezone', 'Asia/Kolkata', false)")
    try:
        purged(old)
    finally:
        rows("SELECT set_config('timezone', 'UTC', false)")

    frozen = newest_carry(old.id, "agents")

    assert frozen is not None
    assert frozen.to_seq == 512
    head, _, body = frozen.rows.partition(b"\n")
    assert head == b"obsplatform carry v1"
    assert body.startswith(b"audit_agent\tagent_id\t")
    assert b"2025-09-01 10:00:00+00" in body
    assert sum(int(each.entries) for each in Agent.objects.filter(ledger=old)) > 512


def test_a_carry_that_was_changed_or_is_of_another_form_is_not_loaded(old: Ledger) -> None:
    with raw_cursor() as cursor:
        for text, said in (
            (b"obsplatform carry v2\n", "of a form"),
            (b"obsplatform carry v1\naudit_gone\tid\n\\.\n", "which this version does not have"),
        ):
            frozen = Frozen(projection="agents", to_seq=256, rows=text)
            with pytest.raises(CarryUnreadable, match=said):
                load_carry(cursor, frozen, ["audit_agent"])
    rows(
        "INSERT INTO audit_carry (ledger_id, to_seq, projection, digest, rows) "
        "VALUES (%s, 256, 'agents', sha256('x'), 'y') RETURNING to_seq",
        (old.id,),
    )
    with pytest.raises(CarryUnreadable, match="not the one that was kept"):
        newest_carry(old.id, "agents")


class Latecomer:
    """A projection that no purge has known."""

    name: ClassVar[str] = "latecomer"
    tables: ClassVar[Sequence[str]] = ("audit_agentday",)

    def apply(self, cursor: psycopg.Cursor[Any], ledger_id: int, batch: Any) -> None:
        cursor.execute(
            "INSERT INTO audit_agentday AS d (ledger_id, agent_id, day, entries, failures, denied) "
            "VALUES (%s, 'late', '2000-01-01', %s, 0, 0) ON CONFLICT (ledger_id, agent_id, day) "
            "DO UPDATE SET entries = d.entries + excluded.entries",
            (ledger_id, len(batch)),
        )


def test_a_projection_that_comes_after_a_purge_begins_at_the_minimum_index(old: Ledger) -> None:
    purged(old)
    size = Head.objects.get(ledger=old).size

    assert catch_up(old.id, Latecomer()) == size - 512

    assert rebuild(old, Latecomer()) == size - 512


def test_a_purge_that_overtakes_a_rebuild_makes_it_begin_again(
    old: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audit.project.BATCH", 100)
    plan = agreed(proposed(old))
    began: list[int] = []

    def purge_meanwhile(read: int) -> None:
        if not began:
            began.append(read)
            done = threading.Thread(target=_work_and_close, args=(old.id,))
            done.start()
            done.join(60)

    rebuild(old, projections()["agents"], on_progress=purge_meanwhile)

    assert again(plan).state == "done"
    live = projected(old)
    catch_up_all(old.id)
    rebuild(old, projections()["agents"])
    assert projected(old)["audit_agent"] == live["audit_agent"]
    assert sum(Agent.objects.filter(ledger=old).values_list("entries", flat=True)) == 700


def _work_and_close(ledger_id: int) -> None:
    try:
        work_through_plans(ledger_id)
    finally:
        connections.close_all()
