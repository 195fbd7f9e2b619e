"""POST /v1/traces, /v1/logs, /v1/metrics: authenticate, admit, inflate, take, answer.

OTLP over HTTP in protobuf and in JSON. An answer has the type of its request, also when it says no:
google.rpc.Status then. 200 comes after the commit and never before; 429 and 503 say when to come
back. What is done with a request: take.py. The same over gRPC: otlp_grpc.py.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final

import psycopg
import structlog
from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from google.protobuf.json_format import MessageToJson
from google.rpc.status_pb2 import Status
from psycopg_pool import PoolTimeout

from audit import admit, auth
from audit.admit import NotNow
from audit.errors import AuthRefused
from audit.inflate import BodyRefused, read_body
from audit.post import count_refused, reason_of
from tracing.otlp import NotOtlp
from tracing.take import SCOPES, SIGNALS, Signal, take

PROTOBUF: Final = "application/x-protobuf"
JSON: Final = "application/json"

UNKNOWN_OUTCOME: Final = (DatabaseError, InterfaceError, psycopg.Error, PoolTimeout)
"""What a database raises when it is not known whether anything was committed."""

# google.rpc.Code by our status.
_CODES: Final = {400: 3, 401: 16, 403: 7, 404: 5, 405: 12, 413: 8, 415: 3, 429: 8, 503: 14}

log = structlog.get_logger(__name__)


@csrf_exempt
def export(request: HttpRequest, signal: str) -> HttpResponse:
    """Take a request of one signal in and answer as OTLP wants it."""
    if signal not in SIGNALS:
        return _refused(request, 404, f"There are {', '.join(f'/v1/{name}' for name in SIGNALS)}.")
    if request.method != "POST":
        answer = _refused(request, 405, "OTLP is sent by POST.")
        answer["Allow"] = "POST"
        return answer
    try:
        return _export(request, SIGNALS[signal])
    except (AuthRefused, NotNow, BodyRefused) as refusal:
        count_refused(reason_of(refusal))
        answer = _refused(request, refusal.status, refusal.message)
        if isinstance(refusal, NotNow):
            answer["Retry-After"] = str(refusal.retry_after)
        if refusal.status == HTTPStatus.UNAUTHORIZED:
            answer["WWW-Authenticate"] = "Bearer"
        return answer
    except NotOtlp as refusal:
        count_refused("validation")
        return _refused(request, 400, refusal.message)
    except UNKNOWN_OUTCOME as error:
        count_refused("database")
        log.error("otlp.failed", error=type(error).__name__, detail=str(error).split("\n")[0])
        answer = _refused(request, 503, "The database did not confirm. Send the same again.")
        answer["Retry-After"] = "1"
        return answer


def _export(request: HttpRequest, signal: Signal) -> HttpResponse:
    grant = auth.authenticate(request)
    auth.require_scope(grant, *SCOPES)
    admit.admit_request(grant)
    media = media_of(request)
    if media not in {PROTOBUF, JSON}:
        raise BodyRefused(
            status=415, code="media-type", message=f"Content-Type must be {PROTOBUF} or {JSON}."
        )
    taken = take(
        signal,
        read_body(request),
        grant=grant,
        is_json=media == JSON,
        ip=request.META.get("REMOTE_ADDR", ""),
        request_id=str(structlog.contextvars.get_contextvars().get("request_id", "")),
        traceparent=request.META.get("HTTP_TRACEPARENT", "")[:200],
    )
    return _answer(signal.answer(taken), media=media, status=200)


def media_of(request: HttpRequest) -> str:
    """Return the media type of a request, without its parameters."""
    sent: str = request.META.get("CONTENT_TYPE", "")
    return sent.partition(";")[0].strip().lower()


def _refused(request: HttpRequest, status: int, message: str) -> HttpResponse:
    """Answer with google.rpc.Status in the request's type; in JSON when it had neither."""
    media = PROTOBUF if media_of(request) == PROTOBUF else JSON
    return _answer(Status(code=_CODES[status], message=message), media=media, status=status)


def _answer(message: Any, *, media: str, status: int) -> HttpResponse:
    content = (
        message.SerializeToString()
        if media == PROTOBUF
        else MessageToJson(message, indent=None).encode()
    )
    return HttpResponse(content, status=status, content_type=media)
