"""The same series for both: as promtool reads them, and as rows of minute history.

A series is made by the minute. Of a counter or histogram the numbers are what each minute added;
promtool is given the sum at the end of the minute, which is what Prometheus would have scraped
then, and the tables the minute itself. Of a gauge they are how it stood in the minute. Where a
number is missing nothing was scraped: promtool sees the series go, and a gauge was not kept.
"""

from __future__ import annotations

import re
import subprocess
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import yaml
from django.conf import settings
from django.db import transaction

from audit.database import raw_connection
from audit.models import Ledger
from metrics.alert_file import alert_file
from metrics.alert_promql import duration
from metrics.alert_rule import Rule
from metrics.alerting.evaluate import evaluate
from metrics.alerting.minutes import tables_of
from metrics.families import BY_NAME
from metrics.kept_series import MARK

MINUTE = timedelta(minutes=1)
TABLES = (
    "metrics_minute",
    "metrics_processminute",
    "metrics_gaugeminute",
    "metrics_total",
    "metrics_process",
    "metrics_alert",
    "metrics_alertlook",
    "metrics_alertrule",
)
Alert = tuple[tuple[str, str], ...]
"""The labels that tell it from the others of its rule, in order."""


@dataclass(frozen=True, kw_only=True)
class Fed:
    """One series."""

    name: str
    """As samples have it: a histogram's bucket ends in `_bucket`."""
    labels: Mapping[str, str]
    minutes: Sequence[float | None]
    restarts: frozenset[int] = field(default=frozenset())
    """Minutes at whose end the process began again and had counted nothing before."""

    @property
    def family(self) -> str:
        return self.name if self.name in BY_NAME else self.name.removesuffix("_bucket")

    @property
    def grows(self) -> bool:
        return BY_NAME[self.family].kind != "gauge"

    def samples(self) -> str:
        """Return what promtool is given, a sample a minute."""
        if not self.grows:
            return " ".join("stale" if each is None else repr(each) for each in self.minutes)
        said, whole = ["0"], 0.0
        for at, each in enumerate(self.minutes):
            whole = (0.0 if at in self.restarts else whole) + (each or 0)
            said.append("_" if each is None else repr(whole))
        return " ".join(said)


# --- Prometheus -----------------------------------------------------------------------------------


def fired_in_prometheus(
    program: str, folder: Path, rule: Rule, fed: Iterable[Fed], *, step: timedelta, last: timedelta
) -> dict[timedelta, set[Alert]]:
    """Return which alerts fire at each step up to `last`, as promtool evaluates the rule's PromQL.

    It is asked at every step whether none fires, and says where that is wrong.
    """
    asked = f'ALERTS{{alertname="{rule.name}", alertstate="firing"}}'
    moments = [step * at for at in range(1, last // step + 1)]
    test = {
        "interval": "1m",
        "input_series": [
            {"series": f"{each.name}{{{_labels(each.labels)}}}", "values": each.samples()}
            for each in fed
        ],
        "promql_expr_test": [
            {"expr": asked, "eval_time": duration(moment), "exp_samples": []} for moment in moments
        ],
    }
    (folder / "rules.yml").write_text(alert_file([rule]))
    (folder / "test.yml").write_text(
        yaml.safe_dump(
            {"rule_files": ["rules.yml"], "evaluation_interval": duration(step), "tests": [test]},
            width=1_000_000,
        )
    )
    done = subprocess.run(
        [program, "test", "rules", folder / "test.yml"],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    found = {moment: set[Alert]() for moment in moments}
    said = done.stdout + done.stderr
    for piece in said.split("expr: ")[1:]:
        time = re.search(r"time: (\w+),", piece)
        assert time is not None, said
        found[_parsed(time[1])] = {
            _alert(rule, labels) for labels in re.findall(r"\{(.+?)\} 1E\+00", piece)
        }
    assert done.returncode == (1 if any(found.values()) else 0), said
    return found


def _labels(labels: Mapping[str, str]) -> str:
    return ", ".join(f'{name}="{value}"' for name, value in labels.items())


def _alert(rule: Rule, labels: str) -> Alert:
    said = dict(re.findall(r'(\w+)="([^"]*)"', labels))
    return tuple((label, said[label]) for label in rule.by)


def _parsed(text: str) -> timedelta:
    units = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
    return timedelta(
        seconds=sum(
            int(number) * units[unit] for number, unit in re.findall(r"(\d+)([dhms])", text)
        )
    )


# --- Ours -----------------------------------------------------------------------------------------


def forget_minutes(tables: Iterable[str] = TABLES) -> None:
    """Leave no minute history and no alert."""
    for table in tables:
        raw_connection().execute(f"DELETE FROM {table}")


def write_minutes(begin: datetime, fed: Iterable[Fed]) -> None:
    """Write series into minute history; minute 0 is that of `begin`."""
    fed = list(fed)
    length = max(len(each.minutes) for each in fed)
    last = begin + length * MINUTE
    execute = raw_connection().execute
    execute("SELECT metrics_make_days(%s::date, %s::date)", (begin.date(), last.date()))
    execute(
        "INSERT INTO metrics_gaugeminute (family, labels, minute, value) "
        "SELECT %s, 'test', at, 1 FROM generate_series(%s::timestamptz, %s, '1 minute') AS at",
        (MARK.name, begin, last),
    )
    histograms: dict[tuple[str, str], list[Fed]] = defaultdict(list)
    for each in fed:
        if BY_NAME[each.family].kind == "histogram":
            histograms[each.family, _row_labels(each)].append(each)
        elif each.grows:
            scale = BY_NAME[each.family].scale
            _write_counts(begin, each, [round((n or 0) * scale) for n in each.minutes])
        else:
            _write_gauge(begin, each)
    for (family, labels), buckets in histograms.items():
        _write_histogram(begin, family, labels, buckets)


def _row_labels(fed: Fed) -> str:
    return " ".join(fed.labels.get(label, "any") for label in BY_NAME[fed.family].labels)


def _insert(
    family: str, labels: str, rows: Sequence[tuple[datetime, int, list[int] | None]]
) -> None:
    table = tables_of(BY_NAME[family])[-1]
    own = Ledger.objects.get(name=settings.LEDGER).id
    ledger = "ledger_id, " if table == "metrics_minute" else ""
    with raw_connection().cursor() as cursor:
        cursor.execute(  # what is known of a series for good, also while nothing comes
            f"INSERT INTO {'metrics_total' if ledger else 'metrics_process'} "
            f"({ledger}family, labels, n) VALUES ({'%s, ' if ledger else ''}%s, %s, 1)",
            (*((own,) if ledger else ()), family, labels),
        )
        cursor.executemany(
            f"INSERT INTO {table} ({ledger}family, labels, minute, n, buckets) "
            f"VALUES ({'%s, ' if ledger else ''}%s, %s, %s, %s, %s::bigint[])",
            [
                (*((own,) if ledger else ()), family, labels, minute, number, buckets)
                for minute, number, buckets in rows
            ],
        )


def _write_counts(begin: datetime, fed: Fed, numbers: Sequence[int]) -> None:
    rows = [(begin + at * MINUTE, number, None) for at, number in enumerate(numbers) if number]
    _insert(fed.family, _row_labels(fed), rows)


def _write_histogram(begin: datetime, family: str, labels: str, buckets: Sequence[Fed]) -> None:
    def edge(fed: Fed) -> float:
        return float(fed.labels["le"])

    ordered = sorted(buckets, key=edge)
    assert tuple(edge(each) for each in ordered[:-1]) == BY_NAME[family].edges
    rows = []
    for at, upto in enumerate(zip(*(each.minutes for each in ordered), strict=True)):
        whole = [int(each or 0) for each in upto]
        row = [a - b for a, b in zip(whole, [0, *whole], strict=False)]
        if any(row):
            rows.append((begin + at * MINUTE, 0, row))
    _insert(family, labels, rows)


def _write_gauge(begin: datetime, fed: Fed) -> None:
    is_time = fed.family.endswith("_timestamp_seconds")
    # promtool's time begins at 1970, and ours does not.
    moved = begin.timestamp() if is_time else 0.0
    with raw_connection().cursor() as cursor:
        cursor.executemany(
            "INSERT INTO metrics_gaugeminute (family, labels, minute, value) "
            "VALUES (%s, %s, %s, %s)",
            [
                (fed.family, _row_labels(fed), begin + at * MINUTE, each + moved)
                for at, each in enumerate(fed.minutes)
                if each is not None
            ],
        )


def fired_in_ours(
    rule: Rule, begin: datetime, *, step: timedelta, first: timedelta, last: timedelta
) -> dict[timedelta, set[Alert]]:
    """Return which alerts fire at each step from `first` to `last`, as the evaluator finds them.

    What it says of changes must add up to what it remembers.
    """
    found: dict[timedelta, set[Alert]] = {}
    firing: set[Alert] = set()
    with transaction.atomic():  # hundreds of looks, and nobody else who waits for them
        for at in range(first // step, last // step + 1):
            for change in evaluate(begin + at * step, [rule]):
                alert = tuple((label, change.labels[label]) for label in rule.by)
                assert change.is_firing != (alert in firing), change
                (firing.add if change.is_firing else firing.remove)(alert)
            found[at * step] = set(firing)
            assert firing == _remembered(rule)
    return found


def _remembered(rule: Rule) -> set[Alert]:
    rows: list[Any] = (
        raw_connection()
        .execute("SELECT labels::text FROM metrics_alert WHERE fires_since IS NOT NULL")
        .fetchall()
    )
    found = (msgspec.json.decode(labels) for (labels,) in rows)
    return {tuple((label, labels[label]) for label in rule.by) for labels in found}
