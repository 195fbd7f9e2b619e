"""Allow and end measures of agents' own, which `metric.recorded` carries. All others are refused.

An allowed measure has a name, a type, up to five labels and a text of help. It counts from the
moment it was allowed and until it is ended; an ended one stays in the table, so that whoever counts
again counts the same. Its name may be allowed anew afterwards, with another type. Each act leaves
`audit.config_changed`. What is done with a measure: metrics.act_rules. Pages: metrics.admin.custom.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import transaction

from audit.database import rows
from audit.models import Ledger
from metrics import agent_families, platform_families
from metrics.acting import ChangeRefused, check_characters, leave, told_when_taken
from metrics.family import NEVER_LABELS, Family
from metrics.labels import CAPS, CUSTOM_CAP, LONGEST, normalise
from metrics.models import CustomMetric
from metrics.reading import read_record

KINDS: Final[Mapping[str, Family]] = {
    "counter": agent_families.CUSTOM_COUNTER,
    "gauge": agent_families.CUSTOM_GAUGE,
    "histogram": agent_families.CUSTOM_SECONDS,
}
"""The family that carries each type; all measures of a type share its series."""
MOST_LABELS: Final = 5
MOST_HELP: Final = 200
"""Characters."""
LATELY: Final = timedelta(hours=24)
"""How far back refusals are counted."""

_NAME: Final = re.compile(r"[a-z][a-z0-9_.:/-]{0,63}")
_LABEL: Final = re.compile(r"[a-z][a-z0-9_]{0,31}")
# Besides ours: what Prometheus says itself of every series that it scrapes.
_RESERVED: Final = NEVER_LABELS | {"name", "job", "instance", "quantile"}

_ALLOW = """
INSERT INTO metrics_custommetric (name, kind, labels, help, allowed_by)
VALUES (%s, %s, %s, %s, %s)
RETURNING id
"""
_END = """
UPDATE metrics_custommetric
SET ended_at = clock_timestamp(), ended_by = %s
WHERE id = %s
  AND ended_at IS NULL
RETURNING id
"""
# Learned combinations are the series that there are; a value of them has no space.
_SERIES = """
SELECT list, split_part(value, ' ', 1), count(*)
FROM metrics_name
WHERE list = ANY(%s)
GROUP BY 1, 2
"""
_REFUSED = """
SELECT labels, sum(n)::bigint, max(minute)
FROM metrics_minute
WHERE ledger_id = ANY(%s)
  AND family = %s
  AND minute >= %s
  AND minute <= %s
GROUP BY labels
ORDER BY 2 DESC, 1
"""
# The newest 200 of each ledger are looked at; an older one says little of what is sent now.
_RECORDED = """
SELECT e.record
FROM audit_ledger AS l,
     LATERAL (
         SELECT record, received_at
         FROM audit_entry
         WHERE ledger_id = l.id
           AND action = 'metric.recorded'
         ORDER BY seq DESC
         LIMIT 200
     ) AS e
ORDER BY e.received_at DESC
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Draft:
    """A measure as somebody typed it."""

    name: str
    kind: str
    labels: str = ""
    """Names with commas or blanks between."""
    help: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Refused:
    """A measure that agents have sent lately and nobody has allowed so."""

    name: str
    """In normal form; `_other` for those of names beyond the first 50."""
    count: int
    last_at: datetime
    """The minute of the newest."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Series:
    """How much of its family a measure takes."""

    now: int
    """Combinations of label values that have come so far."""
    cap: int
    """Of all measures of its type together."""
    taken: int
    """By all measures of its type together."""


# --- Acts ----------------------------------------------------------------------------------------


def allow(draft: Draft, *, by: str) -> CustomMetric:
    """Allow a measure from now on. Raises ChangeRefused, naming each field that is wrong."""
    errors: dict[str, str] = {}
    name = draft.name.strip()
    if said := _wrong_name(name):
        errors["name"] = said
    if draft.kind not in KINDS:
        errors["kind"] = f"is one of {', '.join(KINDS)}"
    labels = tuple(draft.labels.replace(",", " ").split())
    if said := _wrong_labels(labels):
        errors["labels"] = said
    help_ = draft.help.strip()
    if not help_:
        errors["help"] = "is needed: whoever reads the figure must know what it says"
    elif len(help_) > MOST_HELP:
        errors["help"] = f"has at most {MOST_HELP} characters; this has {len(help_)}"
    if not errors and (said := _wrong_again(name, draft.kind, labels)):
        errors["labels"] = said
    if errors:
        raise ChangeRefused(errors)
    check_characters("help", help_)
    taken = {"name": "is allowed already; end that one first, or choose another name"}
    with told_when_taken("metrics_custommetric_known", taken), transaction.atomic():
        ((made_id,),) = rows(_ALLOW, (name, draft.kind, list(labels), help_, by))
        leave(
            "custom_metric",
            name,
            by=by,
            change="allowed",
            details={"type": draft.kind, "labels": list(labels), "help": help_},
        )
    return CustomMetric.objects.get(id=made_id)


def end(metric: CustomMetric, *, by: str) -> None:
    """Refuse it from now on; what was counted stays. Raises ChangeRefused when it was ended."""
    with transaction.atomic():
        if not rows(_END, (by, metric.id)):
            raise ChangeRefused({"name": "was ended before"})
        leave("custom_metric", metric.name, by=by, change="ended", details={"type": metric.kind})
    metric.refresh_from_db()


def _wrong_name(name: str) -> str:
    if not name:
        return "is needed, as events say it in measure.name"
    if len(name) > LONGEST:
        return f"has at most {LONGEST} characters; this has {len(name)}"
    if _NAME.fullmatch(name):
        return ""
    normal = normalise(name)
    hint = f"; {normal} would do, if agents say so too" if _NAME.fullmatch(normal) else ""
    return f"begins with a small letter and goes on with a-z, 0-9 and _ . : / -{hint}"


def _wrong_labels(labels: Sequence[str]) -> str:
    if len(labels) > MOST_LABELS:
        return f"are at most {MOST_LABELS}; these are {len(labels)}"
    if len(set(labels)) < len(labels):
        return "name one twice"
    for label in labels:
        if not _LABEL.fullmatch(label):
            return (
                f"have names of at most 32 of a-z, 0-9 and _ that begin with a letter; "
                f"{label[:40]} is none"
            )
        if label in _RESERVED:
            return (
                f"must not be {label}: it has too many values, is nobody's business or is taken; "
                "choose what has few values, such as topic, model or region"
            )
    return ""


def _wrong_again(name: str, kind: str, labels: Sequence[str]) -> str:
    """Say why a name cannot be allowed anew so: series of before stay, and say other labels."""
    before = CustomMetric.objects.filter(name=name, kind=kind).order_by("-id").first()
    if before is None or tuple(before.labels) == tuple(labels):
        return ""
    kept = ", ".join(before.labels) or "none"
    return (
        f"were {kept} when this {kind} was allowed before, and its series stay; "
        "give the same in the same order, or choose another name"
    )


# --- What there is ------------------------------------------------------------------------------


def series() -> dict[tuple[str, str], Series]:
    """Return how many series there are, by type and name."""
    kinds = {family.name: kind for kind, family in KINDS.items()}
    found = {
        (kinds[family], name): int(number) for family, name, number in rows(_SERIES, (list(kinds),))
    }
    taken = {kind: sum(n for (each, _), n in found.items() if each == kind) for kind in KINDS}
    return {
        (kind, name): Series(now=number, cap=room(kind), taken=taken[kind])
        for (kind, name), number in found.items()
    }


def room(kind: str) -> int:
    """Return how many series all measures of a type may have, before the next say `_other`."""
    family = KINDS[kind]
    return family.cap - family.reserve


def refused(now: datetime) -> list[Refused]:
    """Return the measures that were refused in the last day, the most frequent first."""
    ledgers = list(Ledger.objects.values_list("id", flat=True))
    family = platform_families.CUSTOM_REFUSED.name
    return [
        Refused(name=name, count=number, last_at=minute)
        for name, number, minute in rows(_REFUSED, (ledgers, family, now - LATELY, now))
    ]


def refusals() -> Callable[[str, str, Iterable[str]], str]:
    """Return who says why a measure of a name, type and labels is not taken now; empty if it is.

    Reads what is allowed once. Named in settings.TRACING_MEASURES.
    """
    allowed = {
        normalise(each.name): (each.kind, frozenset(each.labels))
        for each in CustomMetric.objects.filter(ended_at=None)
    }

    def refusal(name: str, kind: str, labels: Iterable[str]) -> str:
        found = allowed.get(normalise(name))
        if found is None:
            return "is not allowed; an administrator can allow it under Custom metrics"
        if found[0] != kind:
            return f"is allowed as a {found[0]}, not as a {kind}"
        odd = sorted(set(labels) - found[1])
        return f"has the label {odd[0]!r}, which is not allowed" if odd else ""

    return refusal


def draft_of(name: str) -> Draft:
    """Return a refused measure as its newest entry says it, for a person to complete."""
    for (record,) in rows(_RECORDED):
        said: Mapping[str, Any] = read_record(0, record).event.get("measure", {})
        if normalise(said.get("name", "")) == name:
            labels = ", ".join(said.get("labels", {}))
            return Draft(name=said["name"], kind=said.get("type", ""), labels=labels)
    return Draft(name=name, kind="")


def most_values(label: str) -> int:
    """Return how many values a label of a measure may have, before the next are `_other`."""
    return CAPS.get(label, CUSTOM_CAP)
