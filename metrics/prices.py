"""Keep the price table: what a model costs from a moment on, entered one by one or as CSV.

Prices are US dollars per million tokens. A request whose event says no cost is counted at the price
that stood when it occurred; one without a price has no cost, and is counted as refused. Provider
and model are kept in normal form, as labels say them. A price of the same model and moment takes
the place of the one before, which stays in the table as removed. Each change leaves
`audit.config_changed`. Counting follows the table as it stands: what was counted before keeps its
cost until somebody rebuilds the projection.

What a price is multiplied with: metrics.known. Pages: metrics.admin.prices.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Final

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from audit.database import rows
from metrics.acting import ChangeRefused, leave
from metrics.agent_families import LLM_COST, LLM_REQUESTS
from metrics.labels import NONE, OTHER, normalise
from metrics.models import Price
from metrics.platform_families import REFUSED

DOLLARS: Final = ("input", "output", "cache_read", "reasoning")
"""The columns that are dollars per million tokens; the last two may be left out and be negative,
where the count of input or output tokens holds these already."""
COLUMNS: Final = ("provider", "model", "starts_at", *DOLLARS)
"""The columns of a CSV, in the order in which it is written."""
MOST_LINES: Final = 500
"""Prices of one upload: each leaves an entry."""
MOST_PROBLEMS: Final = 20
"""Problems of an upload that are told at once."""
MOST_DOLLARS: Final = Decimal(1_000_000)
"""Dollars per million tokens; more is a slip of the pen."""
_PLACES: Final = 6

# Held to the end of a change: two that enter the same price would each be the first.
_LOCK = "SELECT 1 FROM pg_advisory_xact_lock(hashtext('metrics.prices'))"
_ENTER = """
INSERT INTO metrics_price
    (provider, model, starts_at, input, output, cache_read, reasoning, entered_by)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
RETURNING id
"""
_REMOVE = """
UPDATE metrics_price
SET removed_at = clock_timestamp(), removed_by = %s
WHERE id = %s
  AND removed_at IS NULL
RETURNING id
"""
_MODELS = "SELECT value FROM metrics_name WHERE list = 'model' ORDER BY id"
_SUMS = """
SELECT labels, sum(n)::bigint
FROM metrics_total
WHERE family = %s
GROUP BY labels
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Priced:
    """A price as it shall stand."""

    provider: str
    model: str
    starts_at: datetime
    dollars: tuple[Decimal, ...]
    """In the order of DOLLARS, per million tokens."""

    @property
    def name(self) -> str:
        """Return provider and model, as entries name them."""
        return f"{self.provider}/{self.model}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Unpriced:
    """A model that was seen and has no price."""

    provider: str
    model: str
    requests: int
    """All of its requests; those that said their cost need no price."""


# --- Acts ----------------------------------------------------------------------------------------


def enter(prices: Sequence[Priced], *, by: str) -> int:
    """Enter prices, all or none, and return how many are new or changed."""
    with transaction.atomic():
        rows(_LOCK)
        return sum(_enter(price, by=by) for price in prices)


def _enter(price: Priced, *, by: str) -> int:
    before = Price.objects.filter(
        provider=price.provider,
        model=price.model,
        starts_at=price.starts_at,
        removed_at=None,
    ).first()
    replaces: dict[str, object] = {}
    if before is not None:
        if _dollars(before) == price.dollars:
            return 0
        rows(_REMOVE, (by, before.id))
        replaces = {"before": _shown(_dollars(before))}
    rows(_ENTER, (price.provider, price.model, price.starts_at, *price.dollars, by))
    said = {
        "starts_at": price.starts_at.isoformat(),
        "usd_per_million": _shown(price.dollars),
        **replaces,
    }
    leave("model_price", price.name, by=by, change="entered", details=said)
    return 1


def remove(price: Price, *, by: str) -> None:
    """Let a price count no more; the row stays. Raises ChangeRefused when it was removed."""
    with transaction.atomic():
        if not rows(_REMOVE, (by, price.id)):
            raise ChangeRefused({"price": "was removed before"})
        said = {
            "starts_at": price.starts_at.isoformat(),
            "usd_per_million": _shown(_dollars(price)),
        }
        leave("model_price", str(price), by=by, change="removed", details=said)
    price.refresh_from_db()


def _dollars(price: Price) -> tuple[Decimal, ...]:
    return (price.input, price.output, price.cache_read, price.reasoning)


def _shown(dollars: Sequence[Decimal]) -> dict[str, str]:
    return {name: plain(each) for name, each in zip(DOLLARS, dollars, strict=True)}


def plain(number: Decimal) -> str:
    """Return a number without needless zeros: 2.5, 0.000125."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


# --- Reading what was typed ----------------------------------------------------------------------


def read_price(values: Mapping[str, str]) -> Priced:
    """Return the price that was typed, by column. Raises ChangeRefused, naming each wrong one."""
    errors: dict[str, str] = {}
    names = {}
    for column in ("provider", "model"):
        names[column] = normalise(values.get(column, "").strip())
        if names[column] in {NONE, OTHER}:
            errors[column] = "is needed, as events say it"
    try:
        starts_at = _moment(values.get("starts_at", ""))
    except ValueError:
        errors["starts_at"] = "is a day such as 2026-03-01 or a time such as 2026-03-01T12:00Z"
    dollars = []
    for column in DOLLARS:
        try:
            dollars.append(_amount(column, values.get(column, "")))
        except ChangeRefused as refused:
            errors |= refused.errors
    if errors:
        raise ChangeRefused(errors)
    return Priced(
        provider=names["provider"],
        model=names["model"],
        starts_at=starts_at,
        dollars=tuple(dollars),
    )


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text.strip())
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    if not 1970 <= moment.year <= 2199:
        raise ValueError("a slip of the pen")
    return moment


def _amount(column: str, text: str) -> Decimal:
    text = text.strip()
    may_miss = column in {"cache_read", "reasoning"}
    if not text and may_miss:
        return Decimal(0)
    try:
        amount = Decimal(text)
    except InvalidOperation:
        raise ChangeRefused({column: "is US dollars per million tokens, such as 2.50"}) from None
    if not amount.is_finite() or abs(amount) > MOST_DOLLARS:
        raise ChangeRefused({column: f"is at most {MOST_DOLLARS:,} dollars per million tokens"})
    if amount < 0 and not may_miss:
        raise ChangeRefused({column: "is 0 or more"})
    if amount != round(amount, _PLACES):
        raise ChangeRefused({column: f"has at most {_PLACES} places behind the point"})
    return round(amount, _PLACES)


def read_csv(text: str) -> list[Priced]:
    """Return the prices of a CSV with a line of column names. Raises ChangeRefused with problems.

    Each problem names line and column. Nothing of an upload with one problem is taken.
    """
    if "\0" in text:
        raise ChangeRefused({"csv": "holds a NUL, so it is no CSV"})
    reader = csv.reader(io.StringIO(text.lstrip("\ufeff"), newline=""), strict=True)
    try:
        lines = [(reader.line_num, line) for line in reader if any(map(str.strip, line))]
    except csv.Error as error:
        problem = f"line {reader.line_num}: {error}"
        raise ChangeRefused({"csv": "cannot be read"}, problems=[problem]) from error
    if not lines:
        raise ChangeRefused({"csv": f"is empty; its first line is {','.join(COLUMNS)}"})
    columns = _columns(lines[0][1])
    if len(lines) - 1 > MOST_LINES:
        raise ChangeRefused(
            {"csv": f"has {len(lines) - 1:,} prices; upload at most {MOST_LINES} at once"}
        )
    return _priced(columns, lines[1:])


def _columns(line: Sequence[str]) -> list[str]:
    columns = [each.strip().lower() for each in line]
    needed = [each for each in COLUMNS if each not in {"cache_read", "reasoning"}]
    problems = [f"line 1: the column {each} is missing" for each in needed if each not in columns]
    problems += [
        f"line 1: {each[:40] or 'a column without a name'} is no column; "
        f"they are {', '.join(COLUMNS)}"
        for each in columns
        if each not in COLUMNS
    ]
    problems += [
        f"line 1: the column {each} comes twice"
        for each in dict.fromkeys(columns)
        if columns.count(each) > 1
    ]
    if problems:
        raise ChangeRefused({"csv": "has other columns"}, problems=problems[:MOST_PROBLEMS])
    return columns


def _priced(columns: Sequence[str], lines: Sequence[tuple[int, list[str]]]) -> list[Priced]:
    found: dict[tuple[str, datetime], int] = {}
    prices, problems = [], []
    for number, line in lines:
        if len(line) != len(columns):
            problems.append(f"line {number}: it has {len(line)} columns, not {len(columns)}")
            continue
        try:
            price = read_price(dict(zip(columns, line, strict=True)))
        except ChangeRefused as refused:
            problems += [
                f"line {number}, column {column}: it {said}"
                for column, said in refused.errors.items()
            ]
            continue
        first = found.setdefault((price.name, price.starts_at), number)
        if first != number:
            problems.append(
                f"line {number}, column starts_at: {price.name} has a price from this moment in "
                f"line {first} already"
            )
        prices.append(price)
    if problems:
        more = len(problems) - MOST_PROBLEMS
        told = problems[:MOST_PROBLEMS] + ([f"and {more:,} more"] if more > 0 else [])
        raise ChangeRefused({"csv": "has problems, so none of it was taken"}, problems=told)
    return prices


def as_csv() -> str:
    """Return the prices that stand as a CSV that `read_csv` takes again."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for price in standing():
        moment = price.starts_at.astimezone(UTC).isoformat().replace("+00:00", "Z")
        writer.writerow([price.provider, price.model, moment, *map(plain, _dollars(price))])
    return out.getvalue()


# --- What there is -------------------------------------------------------------------------------


def standing() -> list[Price]:
    """Return the prices that were not removed, by model, the newest first."""
    return list(
        Price.objects.filter(removed_at=None).order_by("provider", "model", "-starts_at", "id")
    )


def listed(now: datetime) -> QuerySet[Price]:
    """Return all prices, each with `is_replaced`: a later one of its model counts by now."""
    later = Price.objects.filter(
        provider=OuterRef("provider"),
        model=OuterRef("model"),
        removed_at=None,
        starts_at__gt=OuterRef("starts_at"),
        starts_at__lte=now,
    )
    return Price.objects.annotate(is_replaced=Exists(later))


def unpriced(now: datetime) -> list[Unpriced]:
    """Return the models that were seen and have no price now, the most asked first."""
    known = set(
        Price.objects.filter(removed_at=None, starts_at__lte=now)
        .values_list("provider", "model")
        .distinct()
    )
    requests: dict[tuple[str, str], int] = {}
    for labels, number in rows(_SUMS, (LLM_REQUESTS.name,)):
        provider, model, *_ = labels.split(" ")
        requests[provider, model] = requests.get((provider, model), 0) + number
    seen = [value.split(" ") for (value,) in rows(_MODELS)]
    found = [
        Unpriced(provider=provider, model=model, requests=requests.get((provider, model), 0))
        for provider, model in seen
        if (provider, model) not in known and NONE not in {provider, model}
    ]
    return sorted(found, key=lambda one: (-one.requests, one.provider, one.model))


def without_cost() -> int:
    """Return how many requests had neither a cost nor a price since counting began."""
    missing = f"{LLM_COST.name} missing"
    return sum(number for labels, number in rows(_SUMS, (REFUSED.name,)) if labels == missing)
