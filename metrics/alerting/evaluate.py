"""Evaluate the rules in force and remember which alerts hold and fire: the rows of metrics_alert.

An alert is a rule and the values of the labels that tell its alerts apart; it holds while the rule
finds it, and fires once it has held for as long as the rule says. When it holds no more its row
goes, and if it had fired, that is a change too.

The look and what is remembered of it are one transaction under a lock that is held to its end, so
that of two workers one looks, and nothing fires twice; whoever calls inside a transaction of his
own does what follows from a change in the same (calling.py). Rows survive a restart. What nobody
looked at for more than `UNSEEN` was not seen to hold without a break: what had not fired by then
begins anew.

A look that cannot be made changes nothing: no alert ends because the watcher is blind. That is so
of a rule whose statement fails (said in metrics_alertlook and the log, and the others go on), of
rules of gauges while no gauge is kept, and of all rules while metrics are switched off.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import msgspec
import psycopg
import structlog
from django.db import Error as DjangoDatabaseError
from django.db import connection, transaction

from audit.database import raw_connection, rows
from metrics.alert_rule import Rule
from metrics.alerting.in_force import rules_to_evaluate
from metrics.alerting.look import Found, gauges_are_kept, look
from metrics.alerting.words import said_of
from metrics.families import BY_NAME
from metrics.switches import metrics_on

log = structlog.get_logger(__name__)

UNSEEN: Final = timedelta(minutes=5)
"""How long nobody may have looked before what has not fired begins anew."""
STATEMENT_TIMEOUT_MS: Final = 2_000
_BLIND: Final = "no gauge was kept for five minutes: does the worker run metrics.history?"

# Held to the end of the transaction that looks and remembers.
_TRY_LOCK = "SELECT pg_try_advisory_xact_lock(hashtext('metrics.alerts'))"
_STANDING = """
SELECT fingerprint, rule, labels::text, value, holds_since, fires_since, looked_at
FROM metrics_alert
ORDER BY rule, fingerprint
"""
_REMEMBER = """
INSERT INTO metrics_alert (fingerprint, rule, labels, value, holds_since, fires_since, looked_at)
VALUES (%s, %s, %s::text::jsonb, %s, %s, %s, %s)
ON CONFLICT (fingerprint) DO UPDATE
SET value = excluded.value,
    holds_since = excluded.holds_since,
    fires_since = excluded.fires_since,
    looked_at = excluded.looked_at
"""
_FORGET = "DELETE FROM metrics_alert WHERE fingerprint = ANY(%s)"
_LOOKED = """
INSERT INTO metrics_alertlook (rule, looked_at, milliseconds, error)
VALUES (%s, %s, %s, %s)
ON CONFLICT (rule) DO UPDATE
SET looked_at = excluded.looked_at,
    milliseconds = excluded.milliseconds,
    error = excluded.error
"""
_FORGET_LOOKS = "DELETE FROM metrics_alertlook WHERE NOT rule = ANY(%s)"


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """An alert that began to fire, or fires no more."""

    fingerprint: str
    rule: Rule | None
    """None when it ends since its rule is in force no more."""
    name: str
    """The rule's."""
    labels: Mapping[str, str]
    value: float
    """What was found last while it held, in the rule's measure."""
    since: datetime
    """When it began to fire; with the fingerprint it names one firing, at its end too."""
    is_firing: bool
    summary: str
    description: str


@dataclass(frozen=True, kw_only=True, slots=True)
class _Alert:
    """A row of metrics_alert."""

    rule: str
    labels: dict[str, str]
    value: float
    holds_since: datetime
    fires_since: datetime | None
    looked_at: datetime


def evaluate(now: datetime, rules: Sequence[Rule] | None = None) -> list[Change]:
    """Look at all rules in force, or those given, and return what began or ceased to fire.

    Nothing when another worker looks at this moment. An alert of a rule that is in force no more
    ends. Raises what the database raises, but for a rule's own statement.
    """
    with transaction.atomic():
        ((is_ours,),) = rows(_TRY_LOCK)
        if not is_ours or not metrics_on():
            return []
        raw_connection().execute(f"SET LOCAL statement_timeout = {STATEMENT_TIMEOUT_MS:d}")
        asked = rules_to_evaluate() if rules is None else list(rules)
        before = _standing()
        changes: list[Change] = []
        sees_gauges = gauges_are_kept(now)
        for rule in asked:
            mine = {key: alert for key, alert in before.items() if alert.rule == rule.name}
            found = _look(rule, now, sees_gauges=sees_gauges)
            if found is not None:
                changes += _follow(rule, mine, found, now)
        names = [rule.name for rule in asked]
        gone = {key: alert for key, alert in before.items() if alert.rule not in names}
        changes += _end(None, gone)
        raw_connection().execute(_FORGET_LOOKS, (names,))
    return changes


def fingerprint(rule: str, labels: Mapping[str, str]) -> str:
    """Return what names an alert for good: 16 hexadecimal digits of its rule and labels."""
    said = msgspec.json.encode([rule, sorted(labels.items())])
    return hashlib.blake2b(said, digest_size=8).hexdigest()


def _standing() -> dict[str, _Alert]:
    return {
        key: _Alert(
            rule=rule,
            labels=msgspec.json.decode(labels),
            value=value,
            holds_since=holds,
            fires_since=fires,
            looked_at=looked,
        )
        for key, rule, labels, value, holds, fires, looked in rows(_STANDING)
    }


def _look(rule: Rule, now: datetime, *, sees_gauges: bool) -> list[Found] | None:
    """Return what a rule finds now; None when it cannot be told, which is remembered and logged."""
    began = time.perf_counter()
    found, error = None, ""
    if BY_NAME[rule.family].kind == "gauge" and not sees_gauges:
        error = _BLIND
    else:
        try:
            with transaction.atomic():
                found = look(rule, first=now)
        except (DjangoDatabaseError, psycopg.Error) as failed:
            if connection.connection is None or connection.connection.closed:
                raise  # no rule can be asked any more
            error = f"{type(failed).__name__}: {failed}".partition("\n")[0]
    if error:
        log.warning("alerts.rule_not_evaluated", rule=rule.name, error=error)
    milliseconds = (time.perf_counter() - began) * 1_000
    raw_connection().execute(_LOOKED, (rule.name, now, milliseconds, error))
    return found


def _follow(
    rule: Rule, before: Mapping[str, _Alert], found: Sequence[Found], now: datetime
) -> list[Change]:
    """Remember what a rule finds now, and return what that changes."""
    changes: list[Change] = []
    held = set[str]()
    for each in found:
        if not each.holds:
            continue
        labels = dict(zip(rule.by, each.labels, strict=True))
        key = fingerprint(rule.name, labels)
        held.add(key)
        known = before.get(key)
        alert = _next(rule, known, labels, each.value, now)
        raw_connection().execute(
            _REMEMBER,
            (
                key,
                rule.name,
                msgspec.json.encode(labels).decode(),
                alert.value,
                alert.holds_since,
                alert.fires_since,
                now,
            ),
        )
        if alert.fires_since is not None and (known is None or known.fires_since is None):
            changes.append(_change(key, rule, alert, is_firing=True))
    return changes + _end(rule, {key: each for key, each in before.items() if key not in held})


def _next(
    rule: Rule, before: _Alert | None, labels: dict[str, str], value: float, now: datetime
) -> _Alert:
    """Return an alert that holds now, after what was known of it."""
    holds, fires = now, None
    if before is not None and before.fires_since is not None:
        holds, fires = before.holds_since, before.fires_since
    elif before is not None and now - before.looked_at <= UNSEEN:
        holds = before.holds_since
    if fires is None and now - holds >= rule.lasts:
        fires = now
    return _Alert(
        rule=rule.name,
        labels=labels,
        value=value,
        holds_since=holds,
        fires_since=fires,
        looked_at=now,
    )


def _end(rule: Rule | None, alerts: Mapping[str, _Alert]) -> list[Change]:
    """Forget alerts that hold no more, and return those that had fired."""
    if alerts:
        raw_connection().execute(_FORGET, (list(alerts),))
    return [
        _change(key, rule, alert, is_firing=False)
        for key, alert in alerts.items()
        if alert.fires_since is not None
    ]


def _change(key: str, rule: Rule | None, alert: _Alert, *, is_firing: bool) -> Change:
    assert alert.fires_since is not None, "an alert that never fired changes nothing"
    return Change(
        fingerprint=key,
        rule=rule,
        name=alert.rule,
        labels=alert.labels,
        value=alert.value,
        since=alert.fires_since,
        is_firing=is_firing,
        summary=said_of(rule, rule.summary, alert.labels, alert.value) if rule else alert.rule,
        description=said_of(rule, rule.description, alert.labels, alert.value) if rule else "",
    )
