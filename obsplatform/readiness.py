"""Decide whether this installation may take traffic: one function a check, each a plain fact.

A check reads and returns a Finding; it never repairs. `critical` says that the promise of a 2xx
cannot be kept now, `degraded` that it is kept with less behind it. Further checks: store_checks.py,
process_checks.py, file_checks.py. Shown by health.py, and by health_facts.py to /metrics.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import psycopg
import redis
from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from redis.backoff import NoBackoff
from redis.retry import Retry

from audit import measures
from audit.errors import TombstonesUnreadable
from audit.figures import bounded, oldest_waiting_seconds
from audit.tombstones import living
from obsplatform.file_checks import check_files
from obsplatform.finding import Finding, Status, told
from obsplatform.process_checks import check_beat, check_worker
from obsplatform.pulse import NoPulse, pulse
from obsplatform.shared_answer import SharedAnswer
from obsplatform.store_checks import check_chain, check_prices, check_queries, check_store

SHARED_SECONDS: Final = 1.0
REDIS_SECONDS: Final = 0.2
SLOW_QUERY_SECONDS: Final = 0.1
SEAL_DEGRADED_SECONDS: Final = 60
ANCHOR_DEGRADED_SECONDS: Final = 60  # a receiver that restarts is no news
DESTINATION_DEGRADED_SECONDS: Final = 60
LAG_DEGRADED_SECONDS: Final = 10
LAG_CRITICAL_SECONDS: Final = 60  # from here on ingest itself may refuse
DISK_LEAST_FREE: Final = 0.10
MONTHS_AHEAD: Final = 3

DURABLE: Final = {
    "fsync": {"on"},
    "full_page_writes": {"on"},
    # `local` and `off` answer before the flush that a 2xx promises.
    "synchronous_commit": {"on", "remote_write", "remote_apply"},
}
EVENT_TRIGGERS: Final = ["obs_guard_before", "obs_guard_after", "obs_guard_rewrite"]


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckResult:
    """A finding with the check's name and how long it took."""

    name: str
    status: Status
    detail: str
    duration_ms: float


def run_checks() -> list[CheckResult]:
    """Run every check once, in order. Bounded: a database that stands still costs one wait."""
    results = [_timed("database", check_database)]
    is_away = results[0].status == "critical"
    for name, check in DATABASE_CHECKS.items():
        results.append(_timed(name, _cannot_tell if is_away else _in_time(name, check)))
    results.extend(_timed(name, check) for name, check in OTHER_CHECKS.items())
    return results


shared_checks: Final = SharedAnswer(run_checks, seconds=SHARED_SECONDS)
"""The results that this process gave last, for all who ask within a second."""


def overall(results: list[CheckResult]) -> Status:
    """Return the worst status among the results."""
    ranks: tuple[Status, ...] = ("ok", "degraded", "critical")
    return max((result.status for result in results), key=ranks.index, default="critical")


def _timed(name: str, check: Callable[[], Finding]) -> CheckResult:
    started = time.perf_counter()
    finding = check()
    took = time.perf_counter() - started
    measures.observe("obs_health_check_duration_seconds", name, value=took)
    duration_ms = round(took * 1000, 2)
    return CheckResult(
        name=name, status=finding.status, detail=finding.detail, duration_ms=duration_ms
    )


def _in_time(name: str, check: Callable[[], Finding]) -> Callable[[], Finding]:
    def checked() -> Finding:
        try:
            with bounded():
                return check()
        except (DatabaseError, psycopg.Error) as error:
            # One that takes too long to look at what is never critical must not end the traffic.
            status: Status = "critical" if name in CAN_BE_CRITICAL else "degraded"
            return Finding(status=status, detail=f"cannot tell: {_first_line(error)}")

    return checked


def _cannot_tell() -> Finding:
    return Finding(status="critical", detail="cannot tell: the database does not answer")


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__


def check_database() -> Finding:
    """Postgres answers, and does so quickly."""
    started = time.perf_counter()
    try:
        pulse.feel()
    except NoPulse as error:
        return Finding(status="critical", detail=_first_line(error))
    took = time.perf_counter() - started
    if took > SLOW_QUERY_SECONDS:
        return Finding(status="degraded", detail=f"SELECT 1 took {took * 1000:.0f} ms")
    return Finding(status="ok", detail="answers")


def check_durability() -> Finding:
    """Postgres flushes before it says committed, for this role and for every other."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT name, setting FROM pg_settings WHERE name = ANY(%s)", [list(DURABLE)]
        )
        settled = [(name, value, "the server") for name, value in cursor.fetchall()]
        # A setting stored for one role or database is invisible to the sessions of another.
        cursor.execute(
            """
            SELECT split_part(one, '=', 1), split_part(one, '=', 2),
                CASE setrole WHEN 0 THEN 'every role' ELSE setrole::regrole::text END
            FROM pg_db_role_setting AS stored
            LEFT JOIN pg_database ON pg_database.oid = stored.setdatabase
            CROSS JOIN unnest(stored.setconfig) AS one
            WHERE split_part(one, '=', 1) = ANY(%s)
                AND COALESCE(datname, current_database()) = current_database()
            """,
            [list(DURABLE)],
        )
        settled += cursor.fetchall()
    wrong = [
        f"{name} is {value} for {whom}"
        for name, value, whom in settled
        if value not in DURABLE[name]
    ]
    if wrong:
        return Finding(status="critical", detail="; ".join(wrong) + ": a 2xx could be lost")
    return Finding(status="ok", detail="fsync, full_page_writes and synchronous_commit are on")


def check_roles() -> Finding:
    """Tell whether this process has its own role's address, and could not forge an entry.

    A container is given its own address alone, so what other roles have is not asked.
    """
    problems = []
    if not settings.HAS_ADDRESS_OF_ITS_OWN:
        problems.append(f"no address of its own for: {settings.DATABASE_ROLE}")
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT current_user::text, rolsuper,
                has_table_privilege('audit_entry', 'INSERT'),
                has_table_privilege('audit_head', 'UPDATE')
            FROM pg_roles
            WHERE rolname = current_user
            """
        )
        role, is_superuser, may_insert, may_move_head = cursor.fetchone()
    if is_superuser:
        problems.append(f"{role} is a superuser")
    elif (may_insert or may_move_head) and settings.DATABASE_ROLE != "worker":
        problems.append(f"{role} may write entries; DATABASE_URL should name the web role")
    if problems:
        return Finding(status="degraded", detail="; ".join(problems))
    does = "appends" if may_insert else "can neither insert entries nor move a head"
    return Finding(status="ok", detail=f"{role} {does}")


@cache
def _migrations_on_disk() -> frozenset[tuple[str, str]]:
    """Return every migration of this code, read once: running code does not change."""
    return frozenset(MigrationLoader(None).graph.nodes)


def check_migrations() -> Finding:
    """Every migration of this code was applied."""
    missing = _migrations_on_disk() - set(MigrationRecorder(connection).applied_migrations())
    if missing:
        names = ", ".join(f"{app}.{name}" for app, name in sorted(missing)[:5])
        return Finding(
            status="critical", detail=f"{len(missing)} not applied: {names}; run manage.py migrate"
        )
    return Finding(status="ok", detail="all applied")


def check_months() -> Finding:
    """Entries received now have a partition, and so will those of the next months (UTC)."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT ahead, to_char(month, 'YYYY-MM')
            FROM generate_series(0, %s) AS ahead
            CROSS JOIN LATERAL (
                SELECT date_trunc('month', now() AT TIME ZONE 'UTC')
                    + make_interval(months => ahead) AS month
            ) AS named
            WHERE NOT EXISTS (
                SELECT FROM pg_inherits
                WHERE inhparent = 'audit_entry'::regclass
                    AND inhrelid = to_regclass('public.audit_entry_' || to_char(month, 'YYYYMM'))
            )
            ORDER BY ahead
            """,
            [MONTHS_AHEAD],
        )
        missing = cursor.fetchall()
    if not missing:
        return Finding(
            status="ok", detail=f"this month and the next {MONTHS_AHEAD} have partitions"
        )
    status: Status = "critical" if missing[0][0] == 0 else "degraded"
    return Finding(
        status=status, detail=f"no partition for {', '.join(name for _, name in missing)}"
    )


def check_guard() -> Finding:
    """Event triggers against DROP, ALTER and DETACH stand, and nothing they guard is lost."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT evtname::text
            FROM pg_event_trigger
            WHERE evtenabled = 'A' AND evtname = ANY(%s)
            """,
            [EVENT_TRIGGERS],
        )
        absent = sorted(set(EVENT_TRIGGERS) - {name for (name,) in cursor.fetchall()})
        if absent:
            return Finding(
                status="degraded",
                detail=f"no event trigger {', '.join(absent)}; see docker/postgres/",
            )
        cursor.execute("SELECT has_schema_privilege('obs_guard', 'USAGE')")
        if cursor.fetchone() == (False,):  # the owner, where one address serves every role
            return Finding(status="degraded", detail="this role may not see obs_guard.lost")
        cursor.execute("SELECT fact FROM obs_guard.lost LIMIT 5")
        lost = [fact for (fact,) in cursor.fetchall()]
    if lost:
        return Finding(status="degraded", detail=f"taken away: {'; '.join(lost)}")
    return Finding(status="ok", detail="event triggers stand")


def check_append() -> Finding:
    """Events that were received are chained soon."""
    seconds = oldest_waiting_seconds()
    if seconds <= LAG_DEGRADED_SECONDS:
        return Finding(status="ok", detail=f"oldest request waits {seconds:.1f} s")
    status: Status = "critical" if seconds > LAG_CRITICAL_SECONDS else "degraded"
    return Finding(
        status=status,
        detail=f"oldest request waits {seconds:.0f} s; does a worker or append_pending run?",
    )


def check_seal() -> Finding:
    """Every ledger that has grown is signed soon. Reading goes on without, so never critical."""
    return told(unsigned_ledgers(), fine="every ledger is signed as it grows")


def unsigned_ledgers() -> list[str]:
    """Return a sentence for each ledger that cannot be signed or waits too long, those first."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT l.name, coalesce(s.state, 'ok') = 'ok', s.error,
                   extract(epoch FROM clock_timestamp() - coalesce(c.signed_at, l.created_at)),
                   extract(epoch FROM clock_timestamp() - s.since)
            FROM audit_ledger AS l
            JOIN audit_head AS h ON h.ledger_id = l.id
            LEFT JOIN audit_sealing AS s ON s.ledger_id = l.id
            LEFT JOIN LATERAL (
                SELECT size, signed_at
                FROM audit_checkpoint
                WHERE ledger_id = l.id
                ORDER BY size DESC
                LIMIT 1
            ) AS c ON true
            WHERE l.succeeded_by = ''
              AND (s.state <> 'ok'
                   OR (h.size > coalesce(c.size, 0)
                       AND coalesce(c.signed_at, l.created_at)
                           < clock_timestamp() - make_interval(secs => %s)))
            ORDER BY 2, 4 DESC
            """,
            [SEAL_DEGRADED_SECONDS],
        )
        return [
            f"{name} was last sealed {age:.0f} s ago; does `seal` run?"
            if is_ok
            else f"{error} (for {lasted:.0f} s now)"
            for name, is_ok, error, age, lasted in cursor.fetchall()
        ]


def check_anchors() -> Finding:
    """Checkpoints reach those who keep them. Taking events goes on without, so never critical."""
    return told(failing_anchors(), fine="no anchor or witness fails")


def failing_anchors() -> list[str]:
    """Return a sentence for each anchor or witness that contradicts us, and that fails for long."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT a.sink, l.name, a.state = 'mismatch', a.error, a.failures,
                   extract(epoch FROM clock_timestamp() - c.signed_at)
            FROM audit_anchor AS a
            JOIN audit_ledger AS l ON l.id = a.ledger_id
            LEFT JOIN LATERAL (
                SELECT signed_at
                FROM audit_checkpoint
                WHERE ledger_id = a.ledger_id
                  AND size > coalesce(a.size, 0)
                ORDER BY size
                LIMIT 1
            ) AS c ON true
            WHERE a.state = 'mismatch'
               OR (a.state = 'failing'
                   AND c.signed_at < clock_timestamp() - make_interval(secs => %s))
            ORDER BY 3 DESC, 6 DESC NULLS LAST
            """,
            [ANCHOR_DEGRADED_SECONDS],
        )
        return [
            f"{sink} of {ledger} {'does not fit the ledger' if is_mismatch else 'fails'}: {error}"
            + (
                f" (failed {failures} times in a row"
                + (")" if age is None else f", lacks what was signed {age:.0f} s ago)")
            )
            for sink, ledger, is_mismatch, error, failures, age in cursor.fetchall()
        ]


def check_erasures() -> Finding:
    """No key of an erased data subject lives again, as it does after a restore."""
    try:
        alive = living()
    except TombstonesUnreadable as error:
        return Finding(status="degraded", detail=str(error))
    if alive:
        return Finding(
            status="degraded",
            detail=f"{len(alive):,} keys of erased data subjects live again: a backup was "
            "restored; beat destroys them within a minute, manage.py erase again at once",
        )
    return Finding(status="ok", detail="no erased key lives")


def check_destinations() -> Finding:
    """Entries reach those they are sent on to. Nothing waits for them, so never critical."""
    return told(failing_destinations(), fine="no destination fails")


def failing_destinations() -> list[str]:
    """Return a sentence for each destination that is dead, fails for long, or is not tried."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT d.name, l.name, d.state = 'dead', d.failures, d.error,
                   extract(epoch FROM clock_timestamp() - coalesce(d.failing_since, d.made_at)),
                   h.size - d.next_seq
            FROM audit_destination AS d
            JOIN audit_ledger AS l ON l.id = d.ledger_id
            JOIN audit_head AS h ON h.ledger_id = d.ledger_id
            CROSS JOIN LATERAL (
                SELECT clock_timestamp() - make_interval(
                    secs => %(late)s + coalesce((d.options->>'collect_seconds')::integer, 0)
                )
            ) AS late(since)
            WHERE d.removed_at IS NULL
              AND (d.state = 'dead'
                   OR (d.state = 'active' AND d.failing_since < late.since)
                   OR (d.state = 'active'
                       AND d.failures = 0
                       AND NOT d.options @> '{"sealed_only": true}'
                       AND coalesce(d.tried_at, d.made_at) < late.since
                       AND EXISTS (
                           SELECT
                           FROM audit_entry AS e
                           WHERE e.ledger_id = d.ledger_id
                             AND e.seq = d.next_seq
                             AND e.received_at < late.since
                       )))
            ORDER BY 3 DESC, 6 DESC
            """,
            {"late": DESTINATION_DEGRADED_SECONDS},
        )
        return [
            f"destination {name} of {ledger} is dead since its last try failed: {error}"
            if is_dead
            else f"destination {name} of {ledger} fails for {age:.0f} s now: {error}"
            if failures
            else f"destination {name} of {ledger} lacks {lag:,} entries; does `deliver` run?"
            for name, ledger, is_dead, failures, error, age, lag in cursor.fetchall()
        ]


def check_redis() -> Finding:
    """Redis answers. Without it chaining goes on by polling, so this is never critical."""
    bell = redis.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=REDIS_SECONDS,
        socket_connect_timeout=REDIS_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )
    try:
        bell.ping()
    except redis.RedisError as error:
        return Finding(
            status="degraded", detail=f"{type(error).__name__}; chaining goes on by polling"
        )
    finally:
        bell.close()
    return Finding(status="ok", detail="answers")


def check_disk() -> Finding:
    """OBS_DATA has room on its disk; ingest refuses below the same share."""
    free = free_share(settings.DATA)
    detail = f"{free:.0%} of the disk of OBS_DATA is free"
    return Finding(status="ok" if free >= DISK_LEAST_FREE else "critical", detail=detail)


def free_share(folder: Path) -> float:
    """Return the free share, 0 to 1, of the disk that holds the folder or would hold it."""
    while not folder.exists():
        folder = folder.parent
    usage = shutil.disk_usage(folder)
    return usage.free / usage.total


DATABASE_CHECKS: Final[dict[str, Callable[[], Finding]]] = {
    "migrations": check_migrations,
    "durability": check_durability,
    "roles": check_roles,
    "months": check_months,
    "guard": check_guard,
    "store": check_store,
    "queries": check_queries,
    "append": check_append,
    "seal": check_seal,
    "anchors": check_anchors,
    "destinations": check_destinations,
    "erasures": check_erasures,
    "chain": check_chain,
    "prices": check_prices,
    "worker": check_worker,
    "beat": check_beat,
}
OTHER_CHECKS: Final[dict[str, Callable[[], Finding]]] = {
    "redis": check_redis,
    "disk": check_disk,
    "files": check_files,
}
CAN_BE_CRITICAL: Final = frozenset(
    {"database", "migrations", "durability", "months", "store", "append", "disk", "files"}
)
"""Checks that say of themselves that the promise of a 2xx cannot be kept."""


def weight_of(name: str) -> int:
    """Return how much a check weighs in the health score."""
    return 3 if name in CAN_BE_CRITICAL else 1
