"""The rights of each role as Postgres keeps them: those of this table, and no other."""

from __future__ import annotations

from metrics.boards.grafana_views import BY_NAME as VIEWS
from tests.audit.tampering import AsRole

_DESTINATION = " ".join(
    f"{column}:SELECT"
    for column in (
        *("address", "batch_to", "error", "failing_since", "failures", "gaps", "id", "kind"),
        *("ledger_id", "made_at", "made_by", "name", "next_seq", "ok_at", "options", "removed_at"),
        *("removed_by", "sent_to", "state", "tried_at"),
    )
)  # every column but the secret


RIGHTS: dict[str, dict[str, str]] = {
    # table: what web, worker and read hold; `column:right` where it is one column's
    "audit_ledger": {
        "web": "SELECT is_public:UPDATE",
        "worker": "SELECT is_read_only:UPDATE read_only_reason:UPDATE",
        "read": "SELECT",
    },
    "audit_tile": {"web": "SELECT", "worker": "INSERT SELECT", "read": "SELECT"},
    "audit_checkpoint": {"web": "SELECT", "worker": "INSERT SELECT", "read": "SELECT"},
    "audit_cosignature": {"web": "SELECT", "worker": "INSERT SELECT", "read": "SELECT"},
    "audit_signingkey": {"web": "SELECT", "worker": "INSERT SELECT", "read": "SELECT"},
    "audit_sealing": {"web": "SELECT", "worker": "INSERT SELECT UPDATE", "read": "SELECT"},
    "audit_anchor": {"web": "SELECT", "worker": "DELETE INSERT SELECT UPDATE", "read": "SELECT"},
    "audit_anchorreceipt": {"web": "SELECT", "worker": "INSERT SELECT", "read": "SELECT"},
    "audit_head": {"web": "SELECT", "worker": "SELECT UPDATE", "read": "SELECT"},
    "audit_inbox": {"web": "INSERT SELECT", "worker": "DELETE INSERT SELECT"},
    "audit_entry": {"web": "SELECT", "worker": "INSERT SELECT", "read": "SELECT"},
    "audit_eventkey": {"web": "SELECT", "worker": "INSERT SELECT", "read": "SELECT"},
    "audit_retention": {
        "web": "DELETE SELECT changed_at:UPDATE changed_by:INSERT changed_by:UPDATE days:INSERT "
        "days:UPDATE kind:INSERT ledger_id:INSERT name:INSERT",
        "worker": "SELECT",
        "read": "SELECT",
    },
    "audit_hold": {
        "web": "SELECT applied_by:INSERT key_id:INSERT kind:INSERT ledger_id:INSERT matter:INSERT "
        "reason:INSERT release_reason:UPDATE released_at:UPDATE released_by:UPDATE value:INSERT",
        "worker": "SELECT",
        "read": "SELECT",
    },
    "audit_purgeplan": {
        "web": "SELECT finished_at:UPDATE ledger_id:INSERT proposed_by:INSERT reason:INSERT "
        "state:UPDATE withdrawn_by:UPDATE",
        "worker": "SELECT finished_at:UPDATE from_seq:UPDATE next_seq:UPDATE note:UPDATE "
        "planned_at:UPDATE report:UPDATE state:UPDATE to_seq:UPDATE",
        "read": "SELECT",
    },
    "audit_purgeapproval": {
        "web": "SELECT ledger_id:INSERT plan_id:INSERT user_id:INSERT",
        "worker": "SELECT",
        "read": "SELECT",
    },
    "audit_purge": {"web": "SELECT", "worker": "SELECT", "read": "SELECT"},
    "audit_minimum": {"web": "SELECT", "worker": "SELECT", "read": "SELECT"},
    "audit_carry": {"web": "SELECT", "worker": "INSERT SELECT", "read": "SELECT"},
    "audit_quarantine": {
        "web": "INSERT SELECT note:UPDATE settled_at:UPDATE settled_by:UPDATE state:UPDATE",
        "worker": "INSERT SELECT event:UPDATE is_announced:UPDATE note:UPDATE settled_at:UPDATE "
        "settled_by:UPDATE state:UPDATE",
    },
    "audit_subjectkey": {
        "web": "INSERT SELECT used_on:UPDATE",
        "worker": "INSERT SELECT erased_at:UPDATE lookup:UPDATE used_on:UPDATE wrapped:UPDATE",
    },
    "audit_subjectentry": {"web": "SELECT", "worker": "DELETE INSERT SELECT UPDATE"},
    "audit_erasure": {
        "web": "SELECT asked_by:INSERT cancelled_by:UPDATE case_id:INSERT confirmed_at:UPDATE "
        "confirmed_by:UPDATE finished_at:UPDATE key_id:INSERT ledger_id:INSERT reason:INSERT "
        "reason:UPDATE state:UPDATE typed:INSERT typed:UPDATE via:INSERT",
        "worker": "INSERT SELECT UPDATE",
    },
    "audit_destination": {
        "web": "SELECT address:INSERT address:UPDATE batch_to:UPDATE error:UPDATE "
        "failing_since:UPDATE failures:UPDATE kind:INSERT ledger_id:INSERT made_by:INSERT "
        "name:INSERT next_seq:INSERT next_seq:UPDATE options:INSERT options:UPDATE "
        "removed_at:UPDATE removed_by:UPDATE secret:INSERT secret:UPDATE state:UPDATE",
        "worker": "SELECT batch_to:UPDATE error:UPDATE failing_since:UPDATE failures:UPDATE "
        "gaps:UPDATE next_seq:UPDATE ok_at:UPDATE sent_to:UPDATE state:UPDATE tried_at:UPDATE",
        "read": _DESTINATION,
    },
    "audit_agentkey": {
        "web": "INSERT SELECT events_per_day:UPDATE events_per_second:UPDATE expires_at:UPDATE "
        "last_used_at:UPDATE name:UPDATE paused_at:UPDATE paused_by:UPDATE "
        "revoked_at:UPDATE revoked_by:UPDATE scopes:UPDATE",
        "worker": "SELECT",
    },
    "audit_keyusage": {"web": "SELECT", "worker": "INSERT SELECT UPDATE"},
    "audit_projection": {
        "web": "SELECT",
        "worker": "DELETE INSERT SELECT UPDATE",
        "read": "SELECT",
    },
    "audit_agent": {"web": "SELECT", "worker": "DELETE INSERT SELECT UPDATE", "read": "SELECT"},
    "audit_agentversion": {
        "web": "SELECT",
        "worker": "DELETE INSERT SELECT UPDATE",
        "read": "SELECT",
    },
    "audit_agentday": {
        "web": "SELECT",
        "worker": "DELETE INSERT SELECT UPDATE",
        "read": "SELECT",
    },
    "audit_verification": {
        "web": "SELECT cancelled_by:UPDATE finished_at:UPDATE from_seq:INSERT kind:INSERT "
        "ledger_id:INSERT requested_by:INSERT started_at:INSERT state:INSERT state:UPDATE "
        "to_seq:INSERT",
        "worker": "INSERT SELECT UPDATE",
        "read": "SELECT",
    },
    "audit_export": {
        "web": "SELECT asked_at:INSERT cancelled_by:UPDATE finished_at:UPDATE format:INSERT "
        "ledger_id:INSERT owner:INSERT query:INSERT reason:INSERT renderings:INSERT "
        "requested_by:INSERT size:INSERT "
        "state:UPDATE via:INSERT",
        "worker": "INSERT SELECT UPDATE",
        "read": "SELECT",
    },
    "audit_signature": {
        "web": "SELECT",
        "worker": "SELECT id:INSERT ledger_id:INSERT note:UPDATE refusal:UPDATE settled_at:UPDATE "
        "text:INSERT",
        "read": "SELECT",
    },
    "audit_standing": {"web": "SELECT", "worker": "SELECT", "read": "SELECT"},
    "audit_appendstat": {"web": "SELECT", "worker": "INSERT SELECT UPDATE", "read": "SELECT"},
    "audit_appendfailure": {"web": "SELECT", "worker": "INSERT SELECT UPDATE", "read": "SELECT"},
    **{
        f"compliance_{table}": {
            "web": "SELECT",
            "worker": "DELETE INSERT SELECT UPDATE",
            "read": "SELECT",
        }
        for table in ("act", "bucket", "clock", "day", "item", "lens", "state", "tally")
    },
    "compliance_snapshot": {"web": "INSERT SELECT", "worker": "INSERT SELECT", "read": "SELECT"},
    "compliance_approvalrequest": {
        "web": "SELECT",
        "worker": "DELETE INSERT SELECT UPDATE",
        "read": "SELECT",
    },
    "compliance_approvalanswer": {"web": "INSERT SELECT", "worker": "SELECT", "read": "SELECT"},
    "compliance_review": {"web": "INSERT SELECT", "worker": "SELECT", "read": "SELECT"},
    **{
        f"compliance_{table}": {"web": "INSERT SELECT UPDATE", "worker": "SELECT", "read": "SELECT"}
        for table in ("finding", "framework", "nilreturn")
    },
    **{
        f"compliance_{table}": {
            "web": "INSERT SELECT UPDATE",
            "worker": "SELECT reminded:UPDATE",
            "read": "SELECT",
        }
        for table in ("decision", "statement")
    },
    "compliance_delivery": {
        "web": "SELECT address:INSERT asked_by:INSERT asked_by:UPDATE attempts:UPDATE "
        "kind:INSERT ledger_id:INSERT next_try_at:UPDATE note:UPDATE options:INSERT "
        "position:INSERT report_id:INSERT schedule_id:INSERT state:UPDATE",
        "worker": "INSERT SELECT UPDATE",
        "read": "SELECT",
    },
    "compliance_report": {
        "web": "SELECT asked_by:INSERT cancelled_by:UPDATE end_day:INSERT "
        "environment:INSERT finished_at:UPDATE formats:INSERT framework:INSERT "
        "ledger_id:INSERT note:UPDATE owner:INSERT reason:INSERT snapshot_id:INSERT "
        "start_day:INSERT state:UPDATE via:INSERT",
        "worker": "INSERT SELECT UPDATE",
        "read": "SELECT",
    },
    "compliance_reportfile": {
        "web": "SELECT",
        "worker": "INSERT SELECT",
        "read": "SELECT",
    },
    "compliance_sample": {
        "web": "SELECT asked_by:INSERT check_id:INSERT concluded_at:UPDATE "
        "concluded_by:UPDATE conclusion:UPDATE control:INSERT framework:INSERT "
        "ledger_id:INSERT lens_id:INSERT number:INSERT seed:INSERT "
        "snapshot_id:INSERT state:UPDATE uid:INSERT",
        "worker": "INSERT SELECT UPDATE",
        "read": "SELECT",
    },
    "compliance_sampleitem": {
        "web": "SELECT file:UPDATE file_name:UPDATE file_sha256:UPDATE note:UPDATE "
        "ticked_at:UPDATE ticked_by:UPDATE verdict:UPDATE",
        "worker": "INSERT SELECT",
        "read": "SELECT",
    },
    "compliance_schedule": {
        "web": "INSERT SELECT UPDATE",
        "worker": "SELECT",
        "read": "changed_at:SELECT changed_by:SELECT counts_from:SELECT cron:SELECT "
        "environment:SELECT formats:SELECT framework:SELECT id:SELECT is_on:SELECT "
        "ledger_id:SELECT made_at:SELECT made_by:SELECT name:SELECT period:SELECT "
        "recipients:SELECT removed_at:SELECT removed_by:SELECT uid:SELECT "
        "zone:SELECT",
    },
    "compliance_slot": {
        "web": "SELECT attempts:UPDATE next_try_at:UPDATE note:UPDATE state:UPDATE",
        "worker": "INSERT SELECT UPDATE",
        "read": "SELECT",
    },
    **{
        f"metrics_{table}": {
            "web": "SELECT",
            "worker": "DELETE INSERT SELECT UPDATE",
            "read": "SELECT",
        }
        for table in ("total", "minute", "exemplar", "gauge", "spend", "seen", "state", "fact")
    },
    "metrics_past": {"web": "SELECT", "worker": "DELETE INSERT SELECT", "read": "SELECT"},
    "metrics_name": {"web": "SELECT", "worker": "INSERT SELECT", "read": "SELECT"},
    # What a process counts of itself, and the page that all of them serve.
    **{
        f"metrics_{table}": {
            "web": "INSERT SELECT UPDATE",
            "worker": "INSERT SELECT UPDATE",
            "read": "SELECT",
        }
        for table in ("process", "processminute")
    },
    **{
        f"metrics_{table}": {
            "web": "INSERT SELECT UPDATE",
            "worker": "DELETE INSERT SELECT UPDATE",
            "read": "SELECT",
        }
        for table in ("flush", "page")
    },
    "metrics_switch": {"web": "INSERT SELECT UPDATE", "worker": "SELECT", "read": "SELECT"},
    "metrics_budget": {"web": "INSERT SELECT UPDATE", "worker": "SELECT", "read": "SELECT"},
    "metrics_custommetric": {
        "web": "SELECT allowed_by:INSERT ended_at:UPDATE ended_by:UPDATE help:INSERT "
        "help:UPDATE kind:INSERT labels:INSERT name:INSERT",
        "worker": "SELECT",
        "read": "SELECT",
    },
    "metrics_price": {
        "web": "SELECT cache_read:INSERT entered_by:INSERT input:INSERT model:INSERT "
        "output:INSERT provider:INSERT reasoning:INSERT removed_at:UPDATE "
        "removed_by:UPDATE starts_at:INSERT",
        "worker": "SELECT",
        "read": "SELECT",
    },
    "metrics_agentwork": {
        "web": "SELECT",
        "worker": "DELETE INSERT SELECT UPDATE",
        "read": "SELECT",
    },
    "metrics_gaugeminute": {
        "web": "SELECT",
        "worker": "DELETE INSERT SELECT UPDATE",
        "read": "SELECT",
    },
    "metrics_span": {"web": "SELECT", "worker": "DELETE INSERT SELECT UPDATE", "read": "SELECT"},
    "metrics_spandone": {
        "web": "DELETE SELECT",
        "worker": "DELETE INSERT SELECT UPDATE",
        "read": "SELECT",
    },
    # What people operate by.
    **{
        f"metrics_{table}": {
            "web": "DELETE INSERT SELECT UPDATE",
            "worker": "SELECT",
            "read": "SELECT",
        }
        for table in ("alertrule", "objective")
    },
    **{
        f"metrics_{table}": {
            "web": "SELECT",
            "worker": "DELETE INSERT SELECT UPDATE",
            "read": "SELECT",
        }
        for table in ("alert", "alertlook")
    },
    "metrics_incident": {
        **dict.fromkeys(
            ("web", "worker"),
            "INSERT SELECT acknowledged_at:UPDATE acknowledged_by:UPDATE ended_at:UPDATE "
            "resolved_at:UPDATE resolved_by:UPDATE",
        ),
        "read": "SELECT",
    },
    "metrics_incidentact": {"web": "INSERT SELECT", "worker": "INSERT SELECT", "read": "SELECT"},
    "metrics_receiver": {
        "web": "INSERT SELECT ended_at:UPDATE ended_by:UPDATE",
        "worker": "SELECT",
        "read": "SELECT",
    },
    "metrics_notification": {
        "web": "INSERT SELECT",
        "worker": "INSERT SELECT due_at:UPDATE error:UPDATE given_up_at:UPDATE sent_at:UPDATE "
        "tries:UPDATE",
        "read": "SELECT",
    },
    "metrics_anomaly": {
        "web": "SELECT is_real:UPDATE judged_at:UPDATE judged_by:UPDATE reason:UPDATE",
        "worker": "INSERT SELECT ended_at:UPDATE evidence:UPDATE expected:UPDATE score:UPDATE "
        "seen:UPDATE severity:UPDATE",
        "read": "SELECT",
    },
    "metrics_remedy": {
        "web": "SELECT decided_at:UPDATE decided_by:UPDATE done_at:UPDATE is_approved:UPDATE "
        "outcome:UPDATE",
        "worker": "INSERT SELECT done_at:UPDATE outcome:UPDATE",
        "read": "SELECT",
    },
    "tracing_span": {"web": "INSERT SELECT", "worker": "INSERT SELECT"},
    "tracing_line": {"web": "INSERT SELECT", "worker": "INSERT SELECT"},
    "tracing_trace": {
        "web": "INSERT SELECT UPDATE",
        "worker": "DELETE INSERT SELECT UPDATE",
        "read": "SELECT",
    },
    "tracing_capture": {
        "web": "SELECT ended_by:UPDATE ends_at:INSERT ends_at:UPDATE made_by:INSERT "
        "slower_ms:INSERT sort:INSERT",
        "worker": "SELECT",
    },
    "tracing_profile": {"web": "INSERT SELECT", "worker": "DELETE INSERT SELECT"},
    # What dashboards read; the views read with the rights of the owner.
    **{view: {"grafana": "SELECT"} for view in VIEWS},
}


NOBODYS = {"metrics_grafanakey", "metrics_agentlabel"}
"""What the owner alone reads, through views."""


_RIGHTS = """
SELECT c.relname, c.relispartition, coalesce(r.rolname, 'PUBLIC'), NULL AS attname, a.privilege_type
FROM pg_class AS c
CROSS JOIN aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) AS a
LEFT JOIN pg_roles AS r ON r.oid = a.grantee
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm')
UNION ALL
SELECT c.relname, c.relispartition, coalesce(r.rolname, 'PUBLIC'), t.attname, a.privilege_type
FROM pg_attribute AS t
JOIN pg_class AS c ON c.oid = t.attrelid
CROSS JOIN aclexplode(t.attacl) AS a
LEFT JOIN pg_roles AS r ON r.oid = a.grantee
WHERE c.relnamespace = 'public'::regnamespace AND t.attacl IS NOT NULL
"""


def test_no_role_holds_another_right_than_these(as_role: AsRole) -> None:
    held: dict[str, dict[str, set[str]]] = {}
    others = set()
    for table, is_partition, grantee, column, right in as_role("superuser").execute(_RIGHTS):
        if grantee in {"obs_owner", "postgres"}:
            continue
        if grantee not in {"obs_web", "obs_worker", "obs_read", "obs_grafana"} or is_partition:
            others.add((table, grantee, right))
        elif (
            table.startswith(("audit_", "compliance_", "metrics_", "tracing_"))
            or grantee == "obs_grafana"
        ):
            said = right if column is None else f"{column}:{right}"
            held.setdefault(table, {}).setdefault(grantee.removeprefix("obs_"), set()).add(said)

    assert others == set()  # nobody else, and no month but through its parent
    assert {t: {r: " ".join(sorted(s)) for r, s in each.items()} for t, each in held.items()} == (
        RIGHTS
    )


def test_every_table_of_the_ledger_has_its_line(as_role: AsRole) -> None:
    found = as_role("superuser").execute(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace "
        "AND relkind IN ('r', 'p', 'v', 'm') AND NOT relispartition "
        "AND relname ~ '^(audit|compliance|metrics|obs|tracing)_'"
    )

    assert {name for (name,) in found} == RIGHTS.keys() | NOBODYS


def test_the_auditors_role_reads_no_table_of_people_sessions_or_secrets(as_role: AsRole) -> None:
    found = as_role("read").execute(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace "
        "AND relkind IN ('r', 'p', 'v', 'm') AND has_any_column_privilege(oid, 'SELECT')"
    )

    assert {name for (name,) in found} == {t for t, held in RIGHTS.items() if "read" in held}


def test_no_running_role_may_do_more_than_its_tables_say(as_role: AsRole) -> None:
    found = (
        as_role("superuser")
        .execute(
            "SELECT r.rolname, rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication "
            "OR rolbypassrls, EXISTS (SELECT FROM pg_auth_members AS m WHERE m.member = r.oid) "
            "FROM pg_roles AS r WHERE rolname ~ '^obs_'"
        )
        .fetchall()
    )

    assert sorted(found) == [
        (name, False, False)
        for name in ("obs_grafana", "obs_owner", "obs_read", "obs_web", "obs_worker")
    ]


def test_functions_with_the_owners_rights_are_the_workers_but_for_one(as_role: AsRole) -> None:
    found = (
        as_role("superuser")
        .execute(
            "SELECT p.proname, r.rolname FROM pg_proc AS p, pg_roles AS r "
            "WHERE p.prosecdef AND p.pronamespace = 'public'::regnamespace "
            "AND r.rolname IN ('obs_web', 'obs_worker', 'obs_read', 'obs_grafana') "
            "AND has_function_privilege(r.oid, p.oid, 'EXECUTE')"
        )
        .fetchall()
    )

    assert sorted(found) == [
        ("audit_drop_month", "obs_worker"),
        ("audit_make_month", "obs_worker"),
        ("audit_prune", "obs_worker"),
        ("metrics_drop_days", "obs_worker"),
        ("metrics_make_days", "obs_worker"),
        ("tracing_drop_days", "obs_worker"),
        ("tracing_make_days", "obs_web"),  # by who takes spans of a day that nobody made yet
        ("tracing_make_days", "obs_worker"),
    ]
