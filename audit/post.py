"""POST /api/v1/events: authenticate, admit, inflate, split, receive, answer.

A plain view, since it is counted in microseconds; the OpenAPI document describes it by hand. What
the answers mean: docs/api.md. No rule of its own: each step is a verb next door.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from uuid import UUID

import msgspec
import psycopg
import structlog
from django.conf import settings
from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST
from psycopg_pool import PoolTimeout

from audit import admit, auth, cloudevents, measures, spans
from audit.admit import NotNow
from audit.auth import KeyGrant
from audit.bodies import NDJSON, split_body
from audit.cloudevents import Unwrapped
from audit.errors import AuthRefused, EventRejected
from audit.inflate import BodyRefused, read_body
from audit.problems import problem
from audit.receive import Incoming, Receipt, Sender, receive
from audit.wait import wait_until_chained, wait_until_sealed

EVENTS_LIMIT = 5000
"""Events of one POST."""

_JSON = "application/json"
_CLOUDEVENT = "application/cloudevents+json"
_CLOUDEVENTS = "application/cloudevents-batch+json"
_RETRY = "Nothing is lost: send the same events with the same ids again."
_WRITING = ("events:write", "governance:write", "ops:write")

log = structlog.get_logger(__name__)
# At most half the threads wait for chaining, so that there is always one to take events.
_waiters = threading.BoundedSemaphore(max(1, settings.WEB_THREADS // 2))


@csrf_exempt
@require_POST
def post_events(request: HttpRequest) -> HttpResponse:
    """Store the events of the body durably and answer with a receipt for each."""
    try:
        return _post_events(request)
    except (AuthRefused, NotNow, BodyRefused) as refusal:
        count_refused(reason_of(refusal))
        answer = problem(refusal.status, refusal.code, detail=refusal.message)
        if isinstance(refusal, NotNow):
            answer["Retry-After"] = str(refusal.retry_after)
        if refusal.status == 401:
            answer["WWW-Authenticate"] = "Bearer"
        return answer
    except EventRejected as refusal:
        count_refused("validation")
        return problem(400, refusal.code, detail=refusal.message, path=refusal.path)
    except (DatabaseError, InterfaceError, psycopg.Error, PoolTimeout) as error:
        # Also a connection lost during COMMIT: it is unknown then, and the retry is harmless.
        count_refused("database")
        log.error("receive.failed", error=type(error).__name__, detail=str(error).split("\n")[0])
        answer = problem(503, "database", detail=f"The database did not confirm. {_RETRY}")
        answer["Retry-After"] = "1"
        return answer


def _post_events(request: HttpRequest) -> HttpResponse:
    grant = auth.authenticate(request)
    auth.require_scope(grant, *_WRITING)
    admit.admit_request(grant)
    wait, backfill = _options(request)
    if backfill:
        auth.require_scope(grant, "events:backfill")
    incoming = _incoming(request, grant)
    measures.observe("obs_ingest_batch_events", grant.ledger_name, value=len(incoming))
    admit.admit_events(grant, len(incoming))
    sender = Sender(
        via="api",
        scope=trust_of(grant),
        scopes=grant.scopes,
        key=grant.key_id,
        ip=request.META.get("REMOTE_ADDR", "") if settings.RECORD_IP else "",
        backfill=backfill,
    )
    receipts = receive(
        incoming,
        ledger_id=grant.ledger_id,
        ledger_name=grant.ledger_name,
        sender=sender,
        received_at=datetime.now(UTC),
        request_id=str(structlog.contextvars.get_contextvars().get("request_id", "")),
        traceparent=spans.traceparent(request.META.get("HTTP_TRACEPARENT", "")[:200]),
    )
    if measures.is_gathering():
        _count_untaken(receipts, grant.ledger_name)
    is_there = bool(wait) and _wait(receipts, grant, until=wait)
    return _answer(receipts, is_there=is_there)


def _options(request: HttpRequest) -> tuple[str, bool]:
    unknown = sorted(request.GET.keys() - {"wait", "backfill"})
    if unknown:
        raise BodyRefused(
            status=400,
            code="parameter",
            message=f"Unknown parameter {unknown[0][:50]!r}; there are wait and backfill.",
        )
    wait = request.GET.get("wait", "")
    if wait not in {"", "chained", "sealed"}:
        raise BodyRefused(status=400, code="parameter", message="wait may be chained or sealed.")
    backfill = request.GET.get("backfill", "false")
    if backfill not in {"true", "false"}:
        raise BodyRefused(status=400, code="parameter", message="backfill may be true or false.")
    return wait, backfill == "true"


def trust_of(grant: KeyGrant) -> str:
    """Return the scope that records say the events came by: the highest that the key holds."""
    if "governance:write" in grant.scopes:
        return "governance"
    return "ops" if "ops:write" in grant.scopes else "events"


# --- What is counted of refusals ------------------------------------------------------------------

_SIZES = frozenset({"too-large", "too-many-events", "too-long", "too-many-keys", "depth"})


def reason_of(refusal: AuthRefused | NotNow | BodyRefused) -> str:
    """Return why a whole POST was refused: `auth`, `rate`, `refused` (by us), `size`, or its form.

    A key over its rate or quota is `rate`; a platform that takes nothing now is `refused`.
    """
    if isinstance(refusal, AuthRefused):
        return "auth"
    if isinstance(refusal, NotNow):
        return "rate" if refusal.status == HTTPStatus.TOO_MANY_REQUESTS else "refused"
    return "size" if refusal.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE else "validation"


def count_refused(reason: str) -> None:
    """Count a POST that was refused; of no ledger while nobody knows its key."""
    ledger = structlog.contextvars.get_contextvars().get("ledger", "_none")
    measures.count("obs_ingest_rejected_total", reason, str(ledger))


def _count_untaken(receipts: Sequence[Receipt], ledger: str) -> None:
    """Count the events of a POST that were not taken, by why."""
    reasons = Counter(_reason_of_event(each) for each in receipts if each.status != "received")
    for reason, number in reasons.items():
        measures.count("obs_ingest_rejected_total", reason, ledger, n=number)


def _reason_of_event(receipt: Receipt) -> str:
    if receipt.status != "rejected":
        return receipt.status  # `duplicate` or `conflict`
    code = receipt.error["code"] if receipt.error else ""
    if code == "scope-missing":
        return "auth"
    return "size" if code in _SIZES else "validation"


# --- From the body to events ---------------------------------------------------------------------


def _incoming(request: HttpRequest, grant: KeyGrant) -> list[Incoming]:
    content_type = request.META.get("CONTENT_TYPE", "")
    media = content_type.partition(";")[0].strip().lower()
    key = request.META.get("HTTP_IDEMPOTENCY_KEY", "")
    if key and (len(key) > 255 or not key.isprintable() or not key.isascii()):
        raise BodyRefused(
            status=400,
            code="idempotency-key",
            message="Idempotency-Key: at most 255 printable ASCII characters.",
        )
    body = read_body(request)
    ledger = grant.ledger_name
    if "HTTP_CE_SPECVERSION" in request.META:
        return [_unwrap(lambda: cloudevents.from_binary(request.headers, body, ledger=ledger))]
    if media == _CLOUDEVENT:
        return [_unwrap(lambda: cloudevents.from_structured(body, ledger=ledger))]
    if media == _CLOUDEVENTS:
        return [
            _unwrap(lambda raw=raw: cloudevents.from_structured(raw, ledger=ledger))  # type: ignore[misc]
            for raw in _limited(split_body(body, _JSON))
        ]
    if media not in {_JSON, NDJSON}:
        raise BodyRefused(
            status=415,
            code="media-type",
            message=f"Content-Type must be {_JSON}, {NDJSON}, {_CLOUDEVENT} or {_CLOUDEVENTS}.",
        )
    raws = _limited(split_body(body, media))
    if not key:
        return [Incoming(raw=raw) for raw in raws]
    return [
        Incoming(raw=raw, default_id=cloudevents.idempotency_id(ledger, key, index))
        for index, raw in enumerate(raws)
    ]


def _unwrap(read: Callable[[], Unwrapped]) -> Incoming:
    """Take an event out of its CloudEvent; a bad one is its own rejection, not its neighbours'."""
    try:
        found = read()
    except EventRejected as refusal:
        return Incoming(raw=b"", refusal=refusal)
    return Incoming(
        raw=found.raw, default_id=found.default_id, source_id=found.source_id, at=found.at
    )


def _limited(raws: Sequence[bytes]) -> Sequence[bytes]:
    if not raws:
        raise BodyRefused(status=400, code="empty", message="The body holds no event.")
    if len(raws) > EVENTS_LIMIT:
        raise BodyRefused(
            status=413,
            code="too-many-events",
            message=f"The body holds {len(raws):,} events; send at most {EVENTS_LIMIT:,} at once.",
        )
    return raws


# --- The answer ----------------------------------------------------------------------------------


def _wait(receipts: Sequence[Receipt], grant: KeyGrant, *, until: str) -> bool:
    """Wait for what was received or is a duplicate; tell whether all of it came that far."""
    waiting = [each for each in receipts if each.status in {"received", "duplicate"}]
    if not waiting or not _waiters.acquire(blocking=False):
        return False
    try:
        ids = {UUID(each.id) for each in waiting if each.id}
        sealed = 0
        if until == "sealed":
            found, sealed = wait_until_sealed(ids, ledger_id=grant.ledger_id)
        else:
            found = wait_until_chained(ids, ledger_id=grant.ledger_id)
    finally:
        _waiters.release()
    for each in waiting:
        each.seq, each.hash = found.get(each.id or "", (each.seq, None))
        each.state = "received" if each.hash is None else "chained"
        if each.hash is not None and each.seq is not None and each.seq < sealed:
            each.state = "sealed"
    return all(each.state in {until, "sealed"} for each in waiting)


def _answer(receipts: Sequence[Receipt], *, is_there: bool) -> HttpResponse:
    counts = Counter(each.status for each in receipts)
    said: dict[str, Any] = {
        "receipts": [each.as_dict() for each in receipts],
        **{name: counts[name] for name in ("received", "duplicate", "conflict", "rejected")},
    }
    status = _status(receipts, counts, is_there=is_there)
    if status >= 400:
        first = next(each.error for each in receipts if each.error is not None)
        return problem(
            status,
            first["code"] if len(receipts) == 1 else _COMMON_CODE[status],
            detail=f"{first['path']}: {first['message']}",
            **said,
        )
    return HttpResponse(msgspec.json.encode(said), status=status, content_type=_JSON)


_COMMON_CODE = {403: "scope-missing", 409: "id-conflict", 422: "no-event-accepted"}


def _status(receipts: Sequence[Receipt], counts: Counter[str], *, is_there: bool) -> int:
    if counts["rejected"] == len(receipts):
        codes = {each.error["code"] for each in receipts if each.error is not None}
        return 403 if codes == {"scope-missing"} else 422
    if counts["conflict"] == len(receipts) == 1:
        return 409
    if counts["rejected"] or counts["conflict"]:
        return 207
    return 200 if is_there or not counts["received"] else 202
