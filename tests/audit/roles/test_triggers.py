"""The triggers of the guarded tables: all there, on every month, and no session can skip one."""

from __future__ import annotations

from tests.audit.tampering import AsRole, Connection

_NEVER_DELETED = {"compliance_no_delete", "compliance_no_truncate"}
TRIGGERS: dict[str, set[str]] = {
    "audit_entry": {"audit_no_change", "audit_no_truncate"},
    "audit_eventkey": {"audit_no_change", "audit_no_truncate"},
    "audit_head": {"audit_only_grows", "audit_no_truncate"},
    "audit_ledger": {"audit_keeps_name", "audit_no_truncate"},
    "audit_quarantine": {"audit_keeps_content", "audit_no_truncate"},
    "audit_inbox": {"audit_no_change", "audit_no_truncate"},
    "audit_subjectkey": {"audit_only_erased", "audit_no_delete", "audit_no_truncate"},
    "audit_hold": {"audit_only_released", "audit_no_truncate", "audit_waits_for_erasure"},
    "audit_erasure": {"audit_keeps_end", "audit_no_truncate"},
    "audit_purgeplan": {"audit_keeps_range", "audit_no_truncate"},
    "audit_purgeapproval": {"audit_a_person", "audit_no_change", "audit_no_truncate"},
    "audit_purge": {"audit_two_people", "audit_no_change", "audit_no_truncate"},
    "audit_carry": {"audit_no_change", "audit_no_truncate"},
    "audit_tile": {"audit_no_change", "audit_no_truncate"},
    "audit_checkpoint": {"audit_no_change", "audit_no_truncate"},
    "audit_cosignature": {"audit_no_change", "audit_no_truncate"},
    "audit_signingkey": {"audit_no_change", "audit_no_truncate"},
    "audit_anchorreceipt": {"audit_no_change", "audit_no_truncate"},
    "compliance_snapshot": {"compliance_snapshot_stays"},
    "compliance_statement": {"compliance_prepared", "compliance_signed", *_NEVER_DELETED},
    "compliance_decision": {"compliance_approved", "compliance_asked", *_NEVER_DELETED},
    "compliance_nilreturn": _NEVER_DELETED,
    "compliance_review": _NEVER_DELETED,
    "compliance_approvalanswer": {
        "compliance_another_person",
        "compliance_stays",
        "compliance_no_truncate",
    },
    "compliance_finding": {"compliance_closed", *_NEVER_DELETED},
    "compliance_framework": _NEVER_DELETED,
    "compliance_report": {"compliance_stays"},
    "compliance_reportfile": {"compliance_stays"},
    "compliance_sample": {"compliance_stays"},
    "compliance_sampleitem": {"compliance_stays"},
    "audit_signature": {"audit_stays"},
}


def triggers(connection: Connection) -> dict[str, set[str]]:
    """Return the triggers no session setting can skip, by table; each other one is a failure."""
    found: dict[str, set[str]] = {}
    rows = connection.execute(
        "SELECT c.relname, t.tgname, t.tgenabled FROM pg_trigger AS t "
        "JOIN pg_class AS c ON c.oid = t.tgrelid "
        "WHERE NOT t.tgisinternal "
        "AND (c.relname LIKE 'audit\\_%' OR c.relname LIKE 'compliance\\_%')"
    )
    for table, name, enabled in rows:
        assert enabled == "A", f"{name} of {table} can be skipped: {enabled}"
        found.setdefault(table, set()).add(name)
    return found


def test_every_guarded_table_and_every_month_has_its_triggers_always_enabled(
    as_role: AsRole,
) -> None:
    superuser = as_role("superuser")
    months = {
        name
        for (name,) in superuser.execute(
            "SELECT inhrelid::regclass::text FROM pg_inherits "
            "WHERE inhparent = 'audit_entry'::regclass"
        )
    }
    assert len(months) >= 4, "this month and three ahead are made by the migration"

    assert triggers(superuser) == TRIGGERS | dict.fromkeys(months, TRIGGERS["audit_entry"])


def test_a_month_made_by_the_worker_is_guarded_like_the_others(as_role: AsRole) -> None:
    worker = as_role("worker")
    made = worker.execute("SELECT audit_make_month('2035-03-31')").fetchone()
    again = worker.execute("SELECT audit_make_month('2035-03-01')").fetchone()

    assert (made, again) == ((True,), (False,))
    superuser = as_role("superuser")
    assert triggers(superuser)["audit_entry_203503"] == TRIGGERS["audit_entry"]
    bounds = superuser.execute(
        "SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE relname = 'audit_entry_203503'"
    ).fetchone()
    assert bounds == ("FOR VALUES FROM ('2035-03-01 00:00:00+00') TO ('2035-04-01 00:00:00+00')",)
