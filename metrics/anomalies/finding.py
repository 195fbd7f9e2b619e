"""Look for what is not as usual, and keep what is found as rows: begun, going on, ended.

1. Each measure's series against their own weeks (seasonal.py), each agent's quarters together
   (multivariate.py), levels against their limits (trend.py).
2. A finding has one row by detector, measure, labels and when it began; while it goes on its row is
   updated, and ended when it is over. A row that a person has judged is ended, and else left.
3. What is grave is told of: `opened` gives the new ones, of which tasks.py makes incidents.

What is usual is learned anew each hour and kept in this process meanwhile. Two workers that look at
once write the same rows. Findings are derived and leave no entry.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import structlog
from django.conf import settings
from psycopg.types.json import Jsonb

from audit import measures
from audit.database import rows
from metrics.anomalies import limits, multivariate, reading, words
from metrics.anomalies.found import TOGETHER, Detector, Finding
from metrics.anomalies.multivariate import Learned, Work
from metrics.anomalies.seasonal import QUARTER, Baseline, baseline, spells
from metrics.anomalies.steps import length_of, steps_of
from metrics.anomalies.watched import SERIES_WATCHED, Watched
from metrics.platform_families import ANOMALIES

log = structlog.get_logger(__name__)

LEARNED_DAYS: Final = 28
"""Four weeks, as far as minute history reaches."""
LEARNED_FOR: Final = timedelta(hours=1)
LOOKED_BACK: Final = timedelta(days=2)
"""Steps that are looked at each time: a worker that was away for a night misses nothing."""
UNLEARNED: Final = timedelta(days=1)
"""Of quarters the newest are not learned: what goes wrong now would soon be near itself."""
CALM: Final = multivariate.APART
"""After so long without another sign, what is together or a trend is over."""
_PUT = """
INSERT INTO metrics_anomaly AS a
    (detector, measure, family, labels, started_at, ended_at, severity, score, seen, expected,
     evidence)
VALUES
    (%(detector)s, %(measure)s, %(family)s, %(labels)s, %(started_at)s, %(ended_at)s, %(severity)s,
     %(score)s, %(seen)s, %(expected)s, %(evidence)s)
ON CONFLICT ON CONSTRAINT metrics_anomaly_once DO UPDATE
SET ended_at = excluded.ended_at,
    severity = excluded.severity,
    score = excluded.score,
    seen = excluded.seen,
    expected = excluded.expected,
    evidence = excluded.evidence
WHERE a.ended_at IS NULL
  AND (a.detector = 'trend' OR abs(excluded.score) >= abs(a.score))
RETURNING id, xmax = 0
"""
_END = """
UPDATE metrics_anomaly
SET ended_at = %(ended_at)s
WHERE id = %(id)s
  AND ended_at IS NULL
RETURNING id
"""
_KNOWN = """
SELECT id, measure, labels, started_at, ended_at, evidence
FROM metrics_anomaly
WHERE detector = %(detector)s
  AND (ended_at IS NULL OR ended_at > %(since)s)
ORDER BY started_at
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """A finding and its row."""

    id: int
    finding: Finding
    is_new: bool


@dataclass(slots=True)
class _Memory:
    """What this process has learned, and when."""

    usual: dict[str, tuple[datetime, dict[str, Baseline]]] = field(default_factory=dict)
    agents: tuple[datetime, dict[str, Learned]] | None = None


_memory = _Memory()


@dataclass(kw_only=True, slots=True)
class Looked:
    """What one look has found."""

    kept: list[Kept] = field(default_factory=list)
    """What is new or goes on."""
    ended: list[int] = field(default_factory=list)
    """Rows that were ended."""

    def end(self, row: int, ended_at: datetime) -> None:
        """End a row, unless another has."""
        self.ended += [number for (number,) in rows(_END, {"id": row, "ended_at": ended_at})]


def forget() -> None:
    """Learn anew at the next look, as a new process would."""
    _memory.usual.clear()
    _memory.agents = None


def find(now: datetime) -> Looked:
    """Look once, write what is found, and return it. Raises what the database raises."""
    looked = Looked()
    _keep_seasonal(now, looked)
    if multivariate.is_installed():
        _keep_together(now, looked)
    _keep_trends(now, looked)
    new = sum(one.is_new for one in looked.kept)
    if looked.kept or looked.ended:
        log.info("metrics.anomalies", going_on=len(looked.kept), new=new, ended=len(looked.ended))
    return looked


# --- One series against its own weeks -------------------------------------------------------------


def _keep_seasonal(now: datetime, looked: Looked) -> None:
    known = _known("seasonal", now)
    waiting = {row.id for each in known.values() for row in each if row.ended_at is None}
    for measure in SERIES_WATCHED:
        usual = _usual(measure, now)
        if not usual:
            continue
        start = now - LOOKED_BACK
        found = reading.quarters(measure, start=start, end=now)
        for labels, each in usual.items():
            rows_of = known.get((measure.name, labels), [])
            going_on = next((row for row in rows_of if row.ended_at is None), None)
            after = max((row.ended_at for row in rows_of if row.ended_at), default=start)
            steps = steps_of(
                measure, found.get(labels, {}), length=each.quarters, start=max(after, start),
                end=now, was_before=True,
            )  # fmt: skip
            since = going_on.started_at if going_on else None
            for spell in spells(each, steps, now=now, open_since=since):
                finding = words.of_spell(measure, labels, spell, each)
                looked.kept += _put(finding)
                if going_on and spell.started_at == going_on.started_at:
                    waiting.discard(going_on.id)
                if going_on and spell.started_at == going_on.started_at and spell.ended_at:
                    looked.end(going_on.id, spell.ended_at)

    for rows_of in known.values():
        for row in rows_of:
            # Its series has fallen silent, or history has gone on without it.
            if row.id in waiting and now - row.started_at > LOOKED_BACK:
                looked.end(row.id, now)


def _usual(measure: Watched, now: datetime) -> dict[str, Baseline]:
    """Return what is usual of each series of a measure, learned within the last hour."""
    made_at, usual = _memory.usual.get(measure.name, (None, {}))
    if made_at is not None and timedelta(0) <= now - made_at < LEARNED_FOR:
        return usual
    start = now - timedelta(days=min(LEARNED_DAYS, settings.METRICS_MINUTE_DAYS))
    until = now - timedelta(hours=1)  # what goes wrong now is not learned as usual at once
    usual = {}
    for labels, found in reading.quarters(measure, start=start, end=until).items():
        length = length_of(measure, found)
        steps = steps_of(measure, found, length=length, start=start, end=until)
        each = baseline(measure, steps, quarters=length)
        if each is not None:
            usual[labels] = each
    _memory.usual[measure.name] = now, usual
    return usual


# --- An agent's numbers together ------------------------------------------------------------------


def _keep_together(now: datetime, looked: Looked) -> None:
    known = _known("together", now)
    learned = _learned(now)
    end = now.astimezone(UTC).replace(minute=now.minute // 15 * 15, second=0, microsecond=0)
    found = reading.works(start=end - LOOKED_BACK, end=end)
    for labels, each in learned.items():
        rows_of = known.get((TOGETHER, labels), [])
        after = max((row.ended_at for row in rows_of if row.ended_at), default=None)
        quarters = [
            one for one in found.get(labels, []) if after is None or one.at >= after
        ]  # fmt: skip
        going_on = next((row for row in rows_of if row.ended_at is None), None)
        for group in multivariate.grouped(multivariate.look(each, quarters)):
            started_at = group[0].work.at
            if going_on and started_at - going_on.started_at <= LOOKED_BACK:
                started_at = min(started_at, going_on.started_at)
            last = group[-1].work.at + QUARTER
            over = last if now - last >= CALM else None
            looked.kept += _put(words.of_quarters(labels, group, started_at=started_at, over=over))
        if going_on is not None:
            last = max(
                (one.work.at + QUARTER for one in multivariate.look(each, quarters)),
                default=datetime.fromisoformat(going_on.evidence["last_at"]),
            )
            if now - last >= CALM:
                looked.end(going_on.id, last)


def _learned(now: datetime) -> dict[str, Learned]:
    if _memory.agents is not None and timedelta(0) <= now - _memory.agents[0] < LEARNED_FOR:
        return _memory.agents[1]
    start = now - timedelta(days=min(LEARNED_DAYS, settings.METRICS_MINUTE_DAYS))
    history: Mapping[str, list[Work]] = reading.works(start=start, end=now - UNLEARNED)
    learned = {
        labels: found
        for labels, quarters in history.items()
        if (found := multivariate.learn(quarters)) is not None
    }
    _memory.agents = now, learned
    return learned


# --- Levels and their limits ----------------------------------------------------------------------


def _keep_trends(now: datetime, looked: Looked) -> None:
    known = _known("trend", now)
    found = {(one.measure, one.labels): one for one in limits.predictions(now)}
    for key, finding in found.items():
        row = next((row for row in known.get(key, []) if row.ended_at is None), None)
        looked.kept += _put(replace(finding, started_at=row.started_at) if row else finding)
    for key, rows_of in known.items():
        for row in rows_of:
            if row.ended_at is None and key not in found:
                last = datetime.fromisoformat(row.evidence["looked_at"])
                if now - last >= CALM:
                    looked.end(row.id, last)


# --- Rows -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Row:
    id: int
    started_at: datetime
    ended_at: datetime | None
    evidence: Mapping[str, Any]


def _known(detector: Detector, now: datetime) -> dict[tuple[str, str], list[_Row]]:
    """Return the findings that go on or ended lately, by measure and labels."""
    found: dict[tuple[str, str], list[_Row]] = {}
    asked = {"detector": detector, "since": now - LOOKED_BACK}
    for id_, measure, labels, started_at, ended_at, evidence in rows(_KNOWN, asked):
        row = _Row(id_, started_at, ended_at, evidence)
        found.setdefault((measure, labels), []).append(row)
    return found


def _put(finding: Finding) -> Iterable[Kept]:
    """Write a finding; nothing comes back of one that was ended or was worse before."""
    fields = {name: getattr(finding, name) for name in Finding.__slots__}
    fields["evidence"] = Jsonb(dict(finding.evidence))
    for id_, is_new in rows(_PUT, fields):
        if is_new:
            measures.count(ANOMALIES.name, finding.detector, finding.severity)
        yield Kept(id=id_, finding=finding, is_new=is_new)
