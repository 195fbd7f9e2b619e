"""Say an alert rule in SQL over minute history. Pure: text and parameters.

The statement asks one rule at one or more moments, whole minutes a `step` apart, and gives a row
for each alert that has a figure: the moment, the values of the labels in `by`, what was found, and
the limit where it is no fixed one (a spike's). Whether it holds, look.py tells. What each function
means, in words: metrics/alert_rule.py; where the two languages differ, and why:
docs/decisions/0035-alerts-go-by-whole-minutes.md.

How it reads. At a moment `at`, counters and histograms are what the whole minutes before it
brought: a window of five minutes is the five minutes that ended last. Each minute is spread over
the moments whose window it lies in, so that a day of moments costs one pass over a day of minutes.
Gauges are what they said in the newest minute that was kept at `at` or in the five minutes before.
A minute without a row is a minute in which nothing came. Bounds in time are parameters and no sums
of them, so that Postgres plans for the days that are asked alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from metrics.alert_promql import SPIKE_STEP
from metrics.alert_rule import DAY, Rule
from metrics.alerting.minutes import tables_of
from metrics.families import BY_NAME
from metrics.family import Family
from metrics.kept_series import MARK

MINUTE: Final = timedelta(minutes=1)
LOOKBACK: Final = timedelta(minutes=5)
"""How long a gauge stands that was not kept since, as in Prometheus."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Statement:
    """What is asked of the database."""

    text: str
    parameters: dict[str, Any]


def whole_minutes(window: timedelta) -> timedelta:
    """Return a window as it is evaluated: rounded up to whole minutes."""
    return -(-window // MINUTE) * MINUTE


def statement(
    rule: Rule, *, first: datetime, last: datetime, step: timedelta = MINUTE
) -> Statement:
    """Return what asks a rule without problems at `first` and each `step` from there to `last`.

    `first` is a whole minute. Columns of the answer: at, labels (in the order of `by`), value,
    limit_ (NULL where the rule's threshold is the limit).
    """
    asked_for = {"first": first, "last": last, "step": step}
    made = _Text(rule=rule, first=first, last=last, parameters=asked_for)
    made.add(
        "moments",
        "SELECT at FROM generate_series(%(first)s::timestamptz, %(last)s::timestamptz, "
        "%(step)s::interval) AS at",
    )
    match rule.function:
        case "rate" | "increase":
            asked = _flow_alone(made)
        case "quantile":
            _quantiles(made, "now_")
            asked = "SELECT at, by_, value, NULL::float8 FROM now_"
        case "against_yesterday":
            asked = _against_yesterday(made)
        case "spike":
            asked = _spike(made)
        case "ratio" if BY_NAME[rule.family].kind == "counter":
            asked = _ratio_of_counters(made)
        case "ratio":
            asked = _ratio_of_gauges(made)
        case "value" | "age" | "growth":
            asked = _gauge(made)
    return Statement(text=made.text(asked), parameters=made.parameters)


@dataclass(kw_only=True, slots=True)
class _Text:
    """The parts of a statement, each a named query that the later ones may name."""

    rule: Rule
    first: datetime
    last: datetime
    parameters: dict[str, Any]
    parts: list[tuple[str, str]] = field(default_factory=list)

    def add(self, name: str, query: str) -> None:
        self.parts.append((name, query))

    def give(self, name: str, value: Any) -> str:
        self.parameters[name] = value
        return f"%({name})s"

    def text(self, asked: str) -> str:
        parts = ",\n".join(f"{name} AS MATERIALIZED (\n{query}\n)" for name, query in self.parts)
        return f"WITH {parts}\n{asked}\nORDER BY 1, 2"


# --- Counters -------------------------------------------------------------------------------------


def _flow_alone(made: _Text) -> str:
    rule = made.rule
    _flows(made, "flows", BY_NAME[rule.family], rule.match)
    value = _per_second(made, "n") if rule.function == "rate" else _in_units(made, "n")
    return f"SELECT at, by_, {value}, NULL::float8 FROM flows"


def _ratio_of_counters(made: _Text) -> str:
    rule = made.rule
    _flows(made, "parts", BY_NAME[rule.family], rule.match)
    _flows(made, "wholes", BY_NAME[rule.of])
    scales = f"{BY_NAME[rule.of].scale}::numeric / {BY_NAME[rule.family].scale}"
    return (
        f"SELECT at, by_, (coalesce(parts.n, 0) * {scales} / wholes.n)::float8, NULL::float8\n"
        "FROM wholes\nLEFT JOIN parts USING (at, by_)\nWHERE wholes.n > 0"
    )


def _spike(made: _Text) -> str:
    """Hold the rate against those of the day, each five minutes, all in whole numbers until last.

    So a day that never changed has a deviation of nothing, and not of a rounding.
    """
    rule = made.rule
    day, grid = made.give("day", DAY), made.give("grid", SPIKE_STEP)
    start, end = made.give("kept_from", made.first - DAY), made.give("kept_until", made.last)
    made.add(
        "points",
        f"SELECT point, at FROM moments CROSS JOIN LATERAL generate_series(date_bin({grid}, "
        f"at - {day}, 'epoch'), at, {grid}) AS point WHERE point >= at - {day}\n"
        f"AND point > (SELECT min(k.minute) FROM metrics_gaugeminute AS k "
        f"WHERE k.family = '{MARK.name}' AND k.minute >= {start} AND k.minute <= {end})",
    )
    made.add("counts", "SELECT at, count(*) AS places FROM points GROUP BY at")
    made.add("looked", "SELECT at FROM moments UNION SELECT point FROM points")
    family = BY_NAME[rule.family]
    _flows(made, "flows", family, rule.match, moments="looked", back=DAY)
    made.add(
        "days",
        "SELECT points.at, by_, sum(n) AS n, sum(n * n) AS squares\n"
        "FROM points JOIN flows ON flows.at = points.point\nGROUP BY points.at, by_",
    )
    deviations = f"{made.give('deviations', rule.threshold)}::numeric"
    whole, squares = "coalesce(days.n, 0)", "coalesce(days.squares, 0)"
    spread = f"sqrt(greatest(places * {squares} - {whole} * {whole}, 0))"
    return (
        f"SELECT at, by_, {_per_second(made, 'flows.n')},\n"
        f"    {_per_second(made, f'(({whole} + {deviations} * {spread}) / places)')}\n"
        "FROM moments\nJOIN flows USING (at)\nJOIN counts USING (at)\n"
        "LEFT JOIN days USING (at, by_)"
    )


def _per_second(made: _Text, number: str) -> str:
    window = made.give("seconds", int(whole_minutes(made.rule.window).total_seconds()))
    return f"({number} / ({BY_NAME[made.rule.family].scale}::numeric * {window}))::float8"


def _in_units(made: _Text, number: str) -> str:
    return f"({number} / {BY_NAME[made.rule.family].scale}::numeric)::float8"


def _flows(
    made: _Text,
    name: str,
    family: Family,
    match: tuple[tuple[str, tuple[str, ...]], ...] = (),
    *,
    moments: str = "moments",
    back: timedelta = timedelta(),
) -> None:
    """Add what came in the window before each moment, of each alert: at, by_, n.

    Of a rule that nothing can meet, whose zero holds, what is known and quiet stands with 0.
    """
    source = _minutes(made, name, family, match, back=back)
    made.add(
        f"{name}_minutes", f"SELECT minute, by_, sum(n) AS n FROM ({source}) AS s GROUP BY 1, 2"
    )
    came = (
        f"SELECT at, by_, sum(n) AS n\nFROM {name}_minutes\n{_spread(made)}\n"
        f"JOIN {moments} USING (at)\nGROUP BY at, by_"
    )
    if not _zero_holds(made.rule):
        made.add(name, came)
        return
    made.add(f"{name}_came", came)
    made.add(f"{name}_known", _known(made, name, family, match))
    made.add(
        name,
        f"SELECT at, by_, coalesce(c.n, 0) AS n\nFROM {moments}\nCROSS JOIN {name}_known\n"
        f"LEFT JOIN {name}_came AS c USING (at, by_)",
    )


def _zero_holds(rule: Rule) -> bool:
    return {">": rule.threshold < 0, "<": rule.threshold > 0, "==": rule.threshold == 0}[
        rule.comparison
    ]


def _known(
    made: _Text, name: str, family: Family, match: tuple[tuple[str, tuple[str, ...]], ...]
) -> str:
    """Return what asks for the alerts that the family has series of.

    Those counted in all, and those of the past day where no total is kept.
    """
    by_, fits = _by(made.rule, family), _fits(made, name, family, match)
    one = f"'{family.name}'"
    wholes = [
        f"SELECT DISTINCT {by_} AS by_ FROM {table} WHERE family = {one}{fits}"
        for table in ("metrics_total", "metrics_process")
    ]
    start, end = made.give("known_from", made.first - DAY), made.give("known_until", made.last)
    wholes += [
        f"SELECT DISTINCT {by_} FROM {table} WHERE family = {one} "
        f"AND minute >= {start} AND minute < {end}{fits}"
        for table in tables_of(family)
        if table == "metrics_processminute"
    ]
    return "\nUNION\n".join(wholes)


def _spread(made: _Text, shift: timedelta = timedelta()) -> str:
    """Return the join of a minute to every moment whose window it lies in."""
    window = made.give("window", whole_minutes(made.rule.window))
    minute = made.give("minute", MINUTE)
    moved = f" + {made.give('shift', shift)}" if shift else ""
    return (
        f"CROSS JOIN LATERAL generate_series(minute{moved} + {minute}, minute{moved} + {window}, "
        f"{minute}) AS at"
    )


def _minutes(
    made: _Text,
    name: str,
    family: Family,
    match: tuple[tuple[str, tuple[str, ...]], ...],
    *,
    back: timedelta = timedelta(),
    until: timedelta = timedelta(),
) -> str:
    """Return what asks for the rows of the minutes that any moment needs."""
    window = whole_minutes(made.rule.window)
    start = made.give(f"{name}_from", made.first - window - back)
    end = made.give(f"{name}_until", made.last - until)
    fits = _fits(made, name, family, match)
    queries = []
    for table in tables_of(family):
        # Every ledger by its number, so that the index is entered where the family begins.
        ledgers = (
            "ledger_id = ANY(ARRAY(SELECT id FROM audit_ledger)) AND "
            if table == "metrics_minute"
            else ""
        )
        queries.append(
            f"SELECT minute, {_by(made.rule, family)} AS by_, n, buckets\nFROM {table}\n"
            f"WHERE {ledgers}family = '{family.name}'\n"
            f"    AND minute >= {start} AND minute < {end}{fits}"
        )
    return "\nUNION ALL\n".join(queries)


# --- Histograms -----------------------------------------------------------------------------------


def _against_yesterday(made: _Text) -> str:
    _quantiles(made, "now_")
    _quantiles(made, "before_", shift=DAY)
    return (
        "SELECT at, by_, now_.value / nullif(before_.value, 0), NULL::float8\n"
        "FROM now_ JOIN before_ USING (at, by_)"
    )


def _quantiles(made: _Text, name: str, *, shift: timedelta = timedelta()) -> None:
    """Add the quantile of what was observed in the window before each moment: at, by_, value.

    As Prometheus has it: within a bucket observations lie evenly, from its lower edge to its upper
    one; what lies above the last edge is taken to lie there.
    """
    rule = made.rule
    family = BY_NAME[rule.family]
    source = _minutes(made, name, family, rule.match, back=shift, until=shift)
    buckets = len(family.edges) + 1
    made.add(
        f"{name}minutes",
        f"SELECT minute, by_, place, sum(count) AS n\nFROM ({source}) AS s\n"
        "CROSS JOIN LATERAL unnest(buckets) WITH ORDINALITY AS b(count, place)\n"
        f"WHERE cardinality(buckets) = {buckets} AND count > 0\nGROUP BY 1, 2, 3",
    )
    made.add(
        f"{name}places",
        f"SELECT at, by_, place, sum(n) AS n\nFROM {name}minutes\n{_spread(made, shift)}\n"
        "JOIN moments USING (at)\nGROUP BY at, by_, place",
    )
    edges = made.give("edges", list(family.edges))
    share = f"{made.give('quantile', rule.quantile)}::numeric"
    lower = f"CASE WHEN place = 1 THEN 0 ELSE ({edges}::float8[])[place - 1] END"
    upper = f"({edges}::float8[])[place]"
    made.add(
        name,
        "SELECT DISTINCT ON (at, by_) at, by_,\n"
        f"    CASE WHEN place = {buckets} THEN ({edges}::float8[])[{buckets - 1}]\n"
        f"    ELSE {lower} + ({upper} - {lower})\n"
        f"        * (({share} * whole - (upto - n)) / n)::float8 END AS value\n"
        "FROM (\n    SELECT at, by_, place, n,\n"
        "        sum(n) OVER (PARTITION BY at, by_ ORDER BY place) AS upto,\n"
        "        sum(n) OVER (PARTITION BY at, by_) AS whole\n"
        f"    FROM {name}places\n) AS places\n"
        f"WHERE upto >= {share} * whole\nORDER BY at, by_, place",
    )


# --- Gauges ---------------------------------------------------------------------------------------


def _gauge(made: _Text) -> str:
    rule = made.rule
    family = BY_NAME[rule.family]
    _stood(made, "stood", family, rule.match)
    value, source = "value", "stood"
    if rule.function == "age":
        value = "extract(epoch FROM at)::float8 - value"
    elif rule.function == "growth":
        _stood(made, "before", family, rule.match, back=whole_minutes(rule.window))
        value, source = "stood.value - before.value", "stood JOIN before USING (at, by_, labels)"
    return (
        f"SELECT at, by_, {rule.aggregate}({value}), NULL::float8\nFROM {source}\nGROUP BY at, by_"
    )


def _ratio_of_gauges(made: _Text) -> str:
    rule = made.rule
    _stood(made, "parts", BY_NAME[rule.family], rule.match)
    _stood(made, "wholes", BY_NAME[rule.of])
    for name in ("parts", "wholes"):
        made.add(
            f"{name}_sums", f"SELECT at, by_, sum(value) AS value FROM {name} GROUP BY at, by_"
        )
    return (
        "SELECT at, by_, parts_sums.value / wholes_sums.value, NULL::float8\n"
        "FROM parts_sums JOIN wholes_sums USING (at, by_)\nWHERE wholes_sums.value > 0"
    )


def _stood(
    made: _Text,
    name: str,
    family: Family,
    match: tuple[tuple[str, tuple[str, ...]], ...] = (),
    *,
    back: timedelta = timedelta(),
) -> None:
    """Add how each series stood `back` before each moment: at, labels, by_, value."""
    ago, lookback = made.give(f"{name}_back", back), made.give("lookback", LOOKBACK)
    start = made.give(f"{name}_from", made.first - back - LOOKBACK)
    end = made.give(f"{name}_until", made.last - back)
    made.add(
        f"{name}_kept",
        "SELECT at, (\n    SELECT max(k.minute) FROM metrics_gaugeminute AS k\n"
        f"    WHERE k.family = '{MARK.name}' AND k.minute <= at - {ago}\n"
        f"        AND k.minute > at - {ago} - {lookback}\n"
        f"        AND k.minute > {start} AND k.minute <= {end}\n) AS minute\nFROM moments",
    )
    made.add(
        name,
        f"SELECT at, labels, {_by(made.rule, family)} AS by_, value\n"
        f"FROM {name}_kept AS k\nJOIN metrics_gaugeminute AS g ON g.minute = k.minute\n"
        f"WHERE family = '{family.name}' AND g.minute > {start} AND g.minute <= {end}"
        f"{_fits(made, name, family, match)}",
    )


# --- Labels ---------------------------------------------------------------------------------------


def _by(rule: Rule, family: Family) -> str:
    """Return the values of the labels that tell alerts apart, as an array."""
    values = ", ".join(_label(family, label) for label in rule.by)
    return f"ARRAY[{values}]::text[]"


def _fits(
    made: _Text, name: str, family: Family, match: tuple[tuple[str, tuple[str, ...]], ...]
) -> str:
    found = ""
    for at, (label, values) in enumerate(match):
        asked = made.give(f"{name}_{at}", list(values))
        found += f"\n    AND {_label(family, label)} = ANY({asked}::text[])"
    return found


def _label(family: Family, label: str) -> str:
    """Return the value of a label of a row: its place is that of the family's list."""
    return f"split_part(labels, ' ', {family.labels.index(label) + 1})"
