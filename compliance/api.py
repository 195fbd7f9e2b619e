"""The API of scores: postures, results computed now, items, sealed snapshots.

Operations of the one API of audit.api, which asks for `entries:read` and adds this router
(settings.API_ROUTERS). A key sees its own ledger. Parses, calls one verb, answers. What defines a
score: compliance.api_catalogue; shapes of the answers: compliance.api_answers; parameters:
compliance.api_asked; the score itself: compliance.evaluate.
"""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import msgspec
from django.http import HttpRequest, HttpResponse
from msgspec.structs import asdict
from ninja import Query, Router

from compliance import api_answers as shapes
from compliance.api_asked import (
    MAY_WAIT,
    Absent,
    AgentId,
    EndDay,
    FirstDay,
    Limit,
    Name,
    Refused,
    answering,
    check_of,
    framework_of,
    ledger_of,
    period,
    text,
)
from compliance.definitions import Framework
from compliance.evaluate import evaluate_framework, latest_posture
from compliance.found_items import NO_ENTRY, ItemCursor, LensUnknown, find_items, lens_asked
from compliance.gather import PAGE_LIMIT, Environment, Ledger, answer_json, format_time
from compliance.in_force import catalogue_in_force
from compliance.kinds.base import Item, ItemState
from compliance.models import Snapshot
from compliance.result import as_json, day_text, time_text

router = Router()


# --- Scores ---------------------------------------------------------------------------------------


@router.get(
    "/scores",
    response=shapes.ScorePage,
    by_alias=True,
    tags=["scores"],
    summary="Read the newest score of each framework",
)
@answering()
def list_scores(request: HttpRequest) -> HttpResponse:
    """Give the newest posture of each framework in force: the last 30 days, sealed each day.

    Read the whole of one under /snapshots; compute another period under /scores/{framework}.
    """
    ledger = ledger_of(request)
    frameworks = catalogue_in_force().frameworks.values()
    items = [_score_item(ledger, one, latest_posture(ledger, one.id)) for one in frameworks]
    return answer_json({"items": items, "next": None})


@router.get(
    "/scores/{framework}",
    response=shapes.Result,
    by_alias=True,
    tags=["scores"],
    summary="Compute the score of a framework over a period",
    openapi_extra=MAY_WAIT,
)
@answering("from", "to", "environment", "agent")
def score(
    request: HttpRequest,
    framework: Name,
    first: FirstDay = None,
    end: EndDay = None,
    environment: Environment = "prod",
    agent: AgentId = None,
) -> HttpResponse:
    """Compute it now, from what was counted of the ledger; nothing is sealed.

    The period is [from, to) in whole UTC days; without them it is the last 30 days.
    """
    asked = framework_of(catalogue_in_force(), framework)
    start, stop = period(first, end)
    result = evaluate_framework(
        ledger_of(request),
        asked.id,
        start=start,
        end=stop,
        environment=environment,
        agent=text("agent", agent),
    )
    return answer_json(as_json(result))


# --- Items ----------------------------------------------------------------------------------------


@router.get(
    "/checks/{check}/items",
    response=shapes.ItemPage,
    tags=["scores"],
    summary="List the items of a check",
    openapi_extra=MAY_WAIT,
)
@answering("framework", "control", "from", "to", "environment", "agent", "state", "after", "limit")
def list_items(
    request: HttpRequest,
    check: Name,
    framework: Annotated[str | None, Query(max_length=200)] = None,
    control: Annotated[str | None, Query(max_length=200)] = None,
    first: FirstDay = None,
    end: EndDay = None,
    environment: Environment = "prod",
    agent: AgentId = None,
    state: ItemState = "fail",
    after: Annotated[str | None, Query(max_length=600)] = None,
    limit: Limit = PAGE_LIMIT,
) -> HttpResponse:
    """Give what failed, what is pending, or which facts stood, by day; each names its entry.

    Items that passed are counted and not kept. A check may have other limits in each framework and
    control: name them, or read the check on its own.
    """
    asked = check_of(catalogue_in_force(), check)
    if control is not None and framework is None:
        raise Refused("control", "needs its framework beside it")
    ledger, (start, stop) = ledger_of(request), period(first, end)
    try:
        lens = lens_asked(ledger, asked.id, framework=framework, control=control)
    except LensUnknown as unknown:
        raise Absent(str(unknown)) from None
    found = find_items(
        ledger,
        lens,
        start=start,
        end=stop,
        environment=environment,
        agent=text("agent", agent),
        state=state,
        after=_cursor(after),
        limit=limit,
    )
    items = [_found_item(item) for item in found.items]
    following = None if found.next is None else str(found.next)
    return answer_json({"items": items, "next": following, "lens": lens.id})


# --- Snapshots ------------------------------------------------------------------------------------


@router.get(
    "/snapshots",
    response=shapes.SnapshotPage,
    by_alias=True,
    tags=["scores"],
    summary="List sealed results",
)
@answering("framework", "kind", "after", "limit")
def list_snapshots(
    request: HttpRequest,
    framework: Annotated[str | None, Query(max_length=200)] = None,
    kind: shapes.SnapshotKind | None = None,
    after: UUID | None = None,
    limit: Limit = PAGE_LIMIT,
) -> HttpResponse:
    """Newest first, a page at a time: daily postures and periods, restated ones too."""
    ledger = ledger_of(request)
    rows = Snapshot.objects.filter(ledger=ledger).newest_first().defer("result")
    if framework is not None:
        rows = rows.filter(framework=text("framework", framework))
    if kind is not None:
        rows = rows.filter(kind=kind)
    if after is not None:
        last = Snapshot.objects.filter(ledger=ledger, id=after).first()
        if last is None:
            raise Refused("after", "is the `next` of the page before")
        rows = rows.made_before(last)
    found = list(rows[: limit + 1])
    items = [_snapshot_item(one, ledger) for one in found[:limit]]
    following = str(found[limit - 1].id) if len(found) > limit else None
    return answer_json({"items": items, "next": following})


@router.get(
    "/snapshots/{id}",
    response=shapes.SnapshotWhole,
    by_alias=True,
    tags=["scores"],
    summary="Read a sealed result",
)
@answering()
def read_snapshot(request: HttpRequest, id: UUID) -> HttpResponse:
    """Give a result as it was sealed, byte for byte: the entry of `event_id` holds its digest."""
    ledger = ledger_of(request)
    found = Snapshot.objects.filter(ledger=ledger, id=id).first()
    if found is None:
        raise Absent("This ledger has no such snapshot; GET /api/v1/snapshots lists them.")
    return answer_json(_snapshot_item(found, ledger) | {"result": msgspec.Raw(bytes(found.result))})


# --- Putting it into JSON -------------------------------------------------------------------------


def _cursor(after: str | None) -> ItemCursor | None:
    if after is None:
        return None
    try:
        return ItemCursor.parse(after)
    except ValueError:
        raise Refused("after", "is the `next` of the page before") from None


def _score_item(ledger: Ledger, framework: Framework, sealed: Snapshot | None) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "framework": framework.id,
        "name": framework.name,
        "ledger": ledger.name,
        "snapshot": None,
        **dict.fromkeys(("made_at", "from", "to", "head_seq", "evidenced", "tested")),
        **dict.fromkeys(("coverage", "cap", "band")),
        "capped_by": [],
        "reason": "no posture was sealed yet",
        "not_in_force": "",
        "digest": None,
    }
    if sealed is None:
        return shown
    result = sealed.as_json()
    brief = _snapshot_item(sealed, ledger)
    return {
        **shown,
        **{name: brief[name] for name in shown.keys() & brief.keys()},
        "snapshot": brief["id"],
        "capped_by": result["numbers"]["capped_by"],
        "reason": result["numbers"]["reason"],
        "not_in_force": result["not_in_force"],
    }


def _found_item(item: Item) -> dict[str, Any]:
    return asdict(item) | {
        "day": day_text(item.day),
        "seq": None if item.seq == NO_ENTRY else item.seq,
        "due": None if item.due is None else time_text(item.due),
        "evidence": None if item.evidence is None else dict(item.evidence),
    }


def _snapshot_item(snapshot: Snapshot, ledger: Ledger) -> dict[str, Any]:
    return {
        "id": str(snapshot.id),
        "ledger": ledger.name,
        "framework": snapshot.framework,
        "kind": snapshot.kind,
        "from": snapshot.start_day.isoformat(),
        "to": snapshot.end_day.isoformat(),
        "environment": snapshot.environment,
        "made_at": format_time(snapshot.made_at),
        "made_by": snapshot.made_by,
        "head_seq": snapshot.head_seq,
        "head_hash": snapshot.head_hash,
        "evidenced": snapshot.evidenced,
        "tested": snapshot.tested,
        "coverage": snapshot.coverage,
        "cap": snapshot.cap,
        "band": snapshot.band,
        "digest": snapshot.digest,
        "event_id": str(snapshot.event_id),
        "restates": None if snapshot.restates is None else str(snapshot.restates),
    }
