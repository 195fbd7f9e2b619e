"""The reading API: who may ask, what errors look like, and entries, states of events, ledgers.

A key reads its own ledger and needs `entries:read`. Cookies are never looked at and none is set.
The rest of the API: api_proofs.py, api_exports.py; POST /api/v1/events: audit.post. Filters:
audit.query. Where an event is: audit.whereis. What the OpenAPI document says beyond the views:
audit.openapi. Errors: audit.problems.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from math import ceil
from typing import Annotated, Any, Literal, NoReturn
from uuid import UUID

import msgspec
import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from ninja import NinjaAPI, Path, Router, Schema
from ninja.errors import HttpError, ValidationError
from ninja.openapi.schema import OpenAPISchema
from ninja.operation import Operation
from pydantic import Field

from audit import openapi
from audit.api_answers import (
    MOST_SEQ,
    BearerKey,
    Hash,
    Seq,
    answer_json,
    grant_of,
    not_found,
    pruned,
    purge_item,
    unreadable,
    wrong_ledger,
)
from audit.api_exports import router as of_exports
from audit.api_page import Documentation
from audit.api_proofs import of_entries, of_ledgers
from audit.auth import KeyGrant
from audit.errors import (
    AuthRefused,
    NoCheckpoint,
    NotExported,
    NotSealed,
    TilesMissing,
    TooManyExports,
)
from audit.kept import kept_entries, pruned_entry
from audit.ledger.record import format_time
from audit.models import Entry, Head, Sealing
from audit.problems import as_json, problem
from audit.pruned import minimum_index
from audit.query import (
    LIST_SECONDS,
    EntryFilter,
    QueryTooSlow,
    Unreadable,
    page,
    read_limit,
    stream,
    time_limit,
)
from audit.sealed import sealed_size
from audit.whereis import whereis

SCOPE = "entries:read"
NDJSON = "application/x-ndjson"

_LINES_AT_ONCE = 100  # a write each costs more than it tells; so many lines stay under a megabyte
_PAGING = ("after", "limit")

log = structlog.get_logger(__name__)


# --- What is answered -----------------------------------------------------------------------------


class EntryItem(Schema):
    """One link of the chain."""

    ledger: str
    seq: Seq
    hash: Hash = Field(description="SHA-256 of a zero byte and the stored record.")
    prev: Hash | None = Field(description="The hash of the entry before; 64 zeros for seq 0.")
    received_at: str
    state: Literal["chained", "sealed"]
    record: dict[str, Any] | None = Field(
        description="The stored record; null when it is no JSON any more, see record_base64."
    )


class EntryPage(Schema):
    """Some entries, newest first."""

    items: list[EntryItem]
    next: str | None = Field(description="Pass it as `after` for the next page; null on the last.")


class PurgeItem(Schema):
    """A purge: what two people let go."""

    from_: Seq = Field(alias="from", description="The first seq that went.")
    to: Seq = Field(description="One past the last, which became the minimum index.")
    at: str = Field(description="When it began.")
    approvers: list[str] = Field(description="The two people who approved it.")


class EventState(Schema):
    """What has become of an event."""

    id: UUID
    ledger: str
    state: Literal["received", "chained", "sealed", "pruned", "quarantined"]
    seq: Seq | None
    hash: Hash | None
    reason: str | None = Field(description="Why it is in quarantine.")
    purge: PurgeItem | None = Field(description="What took its entry, when that is pruned.")


class LedgerItem(Schema):
    """A ledger and its head."""

    name: str
    size: int = Field(description="Entries in the chain: one more than the newest seq.")
    hash: Hash = Field(description="The hash of the newest entry; 64 zeros for an empty ledger.")
    received_at: str | None = Field(description="When the newest entry was received.")
    minimum_index: int = Field(
        description="The lowest seq that is kept: what lies below was pruned; 0 when nothing was."
    )


class LedgerPage(Schema):
    """The ledgers that a key may read."""

    items: list[LedgerItem]
    next: None


class ReadingApi(NinjaAPI):
    """The API, whose document also tells of what is no view of its own."""

    def get_openapi_schema(
        self, *, path_prefix: str | None = None, path_params: dict[str, Any] | None = None
    ) -> OpenAPISchema:
        """Return the OpenAPI document with POST /events, the stream and the problems added."""
        document = super().get_openapi_schema(path_prefix=path_prefix, path_params=path_params)
        paths: dict[str, Any] = document["paths"]
        for operation in (method for methods in paths.values() for method in methods.values()):
            answers = {str(status): answer for status, answer in operation["responses"].items()}
            operation["responses"] = answers | openapi.get_problems()
        listed = paths["/api/v1/entries"]["get"]
        listed["parameters"] = openapi.entry_parameters()
        listed["responses"]["200"]["content"][NDJSON] = {
            "schema": {"type": "string"},
            "x-line-schema": {"$ref": "#/components/schemas/EntryLine"},
        }
        paths["/api/v1/events"] = {"post": openapi.post_events()}
        exports = "/api/v1/ledgers/{name}/exports"
        paths[exports]["post"]["responses"] |= openapi.export_problems()
        paths[f"{exports}/{{id}}/file"]["get"] |= openapi.export_file()
        paths["/api/v1/entries/{ledger}/{seq}/proof"]["get"]["responses"] |= openapi.proof_file()
        entry = paths["/api/v1/entries/{ledger}/{seq}"]["get"]["responses"]
        entry |= openapi.pruned_problem()
        growth = paths["/api/v1/ledgers/{name}/consistency"]["get"]["responses"]
        growth |= openapi.proof_problems()
        document["components"]["schemas"].update(openapi.schemas())
        return document

    def get_openapi_operation_id(self, operation: Operation) -> str:
        """Return what generated clients call it: no file's name, since a view may move."""
        app = operation.view_func.__module__.partition(".")[0]
        return f"{app}_api_{operation.view_func.__name__}"


api = ReadingApi(
    title="obsplatform",
    version=settings.VERSION,
    description=(
        "A ledger of what AI agents did. Post events, read entries. `/api/v1` only gains fields. "
        "Times are UTC with `Z`. Every error is a problem document (RFC 9457)."
    ),
    urls_namespace="api-v1",
    auth=BearerKey(SCOPE),
    docs=Documentation(settings={"validatorUrl": None}),  # it would load a badge from elsewhere
)

_entries = Router()
_events = Router()
_ledgers = Router()


# --- Errors ---------------------------------------------------------------------------------------


@api.exception_handler(AuthRefused)
def _refused(_request: HttpRequest, refused: AuthRefused) -> HttpResponse:
    headers = {"WWW-Authenticate": "Bearer"} if refused.status == 401 else None
    return problem(refused.status, refused.code, detail=refused.message, headers=headers)


@api.exception_handler(ValidationError)
def _invalid(_request: HttpRequest, invalid: ValidationError) -> HttpResponse:
    """Name each parameter and what it must be; never what was sent."""
    return unreadable({_named(each["loc"]): str(each["msg"]) for each in invalid.errors})


def _named(place: tuple[str | int, ...]) -> str:
    """Return the name of a parameter or member; of a list's element, the list and which."""
    *_, before, last = ("", *place)
    return f"{before}.{last}" if isinstance(last, int) else str(last)


@api.exception_handler(HttpError)
def _no_json(_request: HttpRequest, error: HttpError) -> HttpResponse:
    """Answer a body that ninja cannot parse, which is all that it raises this for."""
    assert error.status_code == 400, "our views answer with problems"
    return problem(400, "not-json", detail="The body is no JSON object.")


@api.exception_handler(NoCheckpoint)
def _no_checkpoint(_request: HttpRequest, error: NoCheckpoint) -> HttpResponse:
    return problem(409, "no-checkpoint", detail=f"{error}.")


@api.exception_handler(NotSealed)
def _not_sealed(request: HttpRequest, error: NotSealed) -> HttpResponse:
    """Say when to ask again: in a moment, unless sealing itself is stopped."""
    sealing = Sealing.objects.filter(ledger_id=grant_of(request).ledger_id).first()
    if sealing is not None and sealing.state != "ok":
        detail = f"{error}. Nothing is signed now ({sealing.state}); its page on the desk says why."
        return problem(409, "not-sealed", detail=detail, headers={"Retry-After": "60"})
    seconds = max(1, ceil(settings.SEAL_INTERVAL))
    return problem(409, "not-sealed", detail=f"{error}.", headers={"Retry-After": str(seconds)})


@api.exception_handler(TilesMissing)
def _tree_incomplete(_request: HttpRequest, error: TilesMissing) -> HttpResponse:
    log.error("api.tile_missing", tile=error.tile, ledger_id=error.ledger_id)
    return problem(
        503,
        "tree-incomplete",
        detail="The database does not hold what this is made of; verify the ledger.",
    )


@api.exception_handler(TooManyExports)
def _too_many_exports(_request: HttpRequest, error: TooManyExports) -> HttpResponse:
    return problem(429, "too-many-exports", detail=f"{error}.", headers={"Retry-After": "60"})


@api.exception_handler(NotExported)
def _not_exported(_request: HttpRequest, error: NotExported) -> HttpResponse:
    return problem(400, "parameter", detail=f"{error}.")


@api.exception_handler(QueryTooSlow)
def _too_slow(_request: HttpRequest, _slow: QueryTooSlow) -> HttpResponse:
    return problem(
        422,
        "query-too-slow",
        detail=f"The list took longer than {LIST_SECONDS:g} s. Narrow it: a shorter time range, "
        "an agent, an actor, an action, a run or a trace.",
    )


@api.exception_handler(Exception)
def _unexpected(_request: HttpRequest, error: Exception) -> NoReturn:
    raise error  # as_problems() tells and logs it, in development too


# --- Entries --------------------------------------------------------------------------------------


@_entries.get("/entries", response=EntryPage, tags=["entries"], summary="List or stream entries")
def list_entries(request: HttpRequest) -> HttpResponseBase:
    """Newest first, a page at a time.

    With `Accept: application/x-ndjson` everything that matches streams instead, oldest first, one
    line an entry with `record` as the stored text, byte for byte. What is chained after the stream
    began is not in it. A stream that breaks off ends in a problem document as its last line.
    """
    grant = grant_of(request)
    asked = EntryFilter.parse(request.GET, default_ledger=grant.ledger_name, beside=_PAGING)
    if "ledger" not in asked.errors and set(asked.ledger) != {grant.ledger_name}:
        return wrong_ledger(grant)
    if request.get_preferred_type(["application/json", NDJSON]) == NDJSON:
        return _streamed(request, asked, grant)
    errors = dict(asked.errors)
    after = _single(request, "after", errors)
    limit = _limit(request, errors)
    if errors:
        return unreadable(errors)
    try:
        with time_limit(LIST_SECONDS):
            found = page(asked.apply(Entry.objects.all()), after=after, limit=limit)
    except Unreadable as problem_:
        return unreadable({"after": str(problem_)})
    sealed = sealed_size(grant.ledger_id)
    items = [_item(entry, grant.ledger_name, sealed) for entry in found.items]
    return answer_json({"items": items, "next": found.next})


@_entries.get(
    "/entries/by-hash/{hash}", response=EntryItem, tags=["entries"], summary="Read an entry by hash"
)
def entry_by_hash(
    request: HttpRequest,
    hash: Annotated[str, Path(pattern="^[0-9a-fA-F]{64}$")],
) -> HttpResponse:
    """Read the entry of the key's ledger that has this hash."""
    grant = grant_of(request)
    rows = kept_entries(grant.ledger_id).filter(hash=hash.lower())
    entry = rows.order_by("seq").first()
    if entry is None:
        return not_found("The ledger keeps no entry of this hash; one that was pruned is by seq.")
    return _one(entry, grant)


@_entries.get(
    "/entries/{ledger}/{seq}", response=EntryItem, tags=["entries"], summary="Read an entry by seq"
)
def entry_at(
    request: HttpRequest, ledger: str, seq: Annotated[int, Path(ge=0, le=MOST_SEQ)]
) -> HttpResponse:
    """Read the entry at this place of the chain; seq begins at 0."""
    grant = grant_of(request)
    if ledger != grant.ledger_name:
        return wrong_ledger(grant)
    gone = pruned_entry(grant.ledger_id, seq)
    if gone is not None:
        return pruned(gone)
    entry = Entry.objects.filter(ledger_id=grant.ledger_id, seq=seq).first()
    if entry is None:
        return not_found(f"The ledger has no entry {seq}; seqs begin at 0.")
    return _one(entry, grant)


# --- Events and ledgers ---------------------------------------------------------------------------


@_events.get(
    "/events/{id}",
    response=EventState,
    by_alias=True,
    tags=["events"],
    summary="Ask what became of an event",
)
def event_state(request: HttpRequest, id: UUID) -> HttpResponse:
    """Say whether the event is received (durable, waiting), chained, sealed or quarantined.

    Of one whose entry is pruned, what took it: its id stays taken.
    """
    grant = grant_of(request)
    with time_limit(LIST_SECONDS):
        found = whereis(id, ledger_id=grant.ledger_id)
    if found is None:
        return not_found("No event of this ledger has this id; if it was just sent, send it again.")
    return answer_json(
        {
            "id": str(id),
            "ledger": grant.ledger_name,
            "state": found.state,
            "seq": found.seq,
            "hash": found.hash,
            "reason": found.reason,
            "purge": purge_item(found.pruned) if found.pruned is not None else None,
        }
    )


@_ledgers.get(
    "/ledgers", response=LedgerPage, tags=["ledgers"], summary="List the ledgers of the key"
)
def list_ledgers(request: HttpRequest) -> HttpResponse:
    """Give the key's ledger: how long it is, its head, and when the newest entry was received."""
    grant = grant_of(request)
    head = Head.objects.get(ledger_id=grant.ledger_id)
    newest = Entry.objects.filter(ledger_id=grant.ledger_id, seq=head.size - 1).first()
    shown = {
        "name": grant.ledger_name,
        "size": head.size,
        "hash": head.hash,
        "received_at": format_time(newest.received_at) if newest else None,
        "minimum_index": minimum_index(grant.ledger_id),
    }
    return answer_json({"items": [shown], "next": None})


# --- Putting entries into JSON --------------------------------------------------------------------


def _one(entry: Entry, grant: KeyGrant) -> HttpResponse:
    return answer_json(_item(entry, grant.ledger_name, sealed_size(grant.ledger_id)))


def _item(entry: Entry, ledger: str, sealed: int) -> dict[str, Any]:
    """Return an entry; its record goes in as it is stored, so that no number changes its form.

    A record that somebody made unreadable is shown as its bytes: the ledger is to be verified then.
    """
    raw = bytes(entry.record)
    shown: dict[str, Any] = {
        "ledger": ledger,
        "seq": entry.seq,
        "hash": entry.hash,
        "prev": None,
        "received_at": format_time(entry.received_at),
        "state": "sealed" if entry.seq < sealed else "chained",
        "record": None,
    }
    try:
        record = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        record = None
    if not isinstance(record, dict):
        return shown | {"record_base64": b64encode(raw).decode()}
    return shown | {"prev": record.get("prev"), "record": msgspec.Raw(raw)}


def _single(request: HttpRequest, name: str, errors: dict[str, str]) -> str | None:
    values = request.GET.getlist(name)
    if len(values) > 1:
        errors[name] = "is given more than once"
    return values[0] if values else None


def _limit(request: HttpRequest, errors: dict[str, str]) -> int:
    try:
        return read_limit(_single(request, "limit", errors))
    except Unreadable as problem_:
        errors["limit"] = str(problem_)
        return 1


def _streamed(request: HttpRequest, asked: EntryFilter, grant: KeyGrant) -> HttpResponseBase:
    """Answer NDJSON. The first rows are read before the status is sent, so that they may fail."""
    errors = dict(asked.errors)
    errors.update(
        {
            name: "turns pages; a stream gives everything that matches, so leave it out"
            for name in _PAGING
            if name in request.GET
        }
    )
    if errors:
        return unreadable(errors)
    size = Head.objects.get(ledger_id=grant.ledger_id).size
    running = stream(asked.apply(Entry.objects.all()), size=size)
    first = list(islice(running, 1))
    answer = StreamingHttpResponse(_lines(chain(first, running)), content_type=NDJSON)
    answer["Cache-Control"] = "no-store"
    return answer


def _lines(entries: Iterable[tuple[int, str, bytes]]) -> Iterator[bytes]:
    """Yield the lines of a stream, a hundred at a time.

    A stream that fails on the way ends in a problem document as its last line: the status is sent
    by then, and a server may end the body as if it were whole.
    """
    running = iter(entries)
    try:
        while some := list(islice(running, _LINES_AT_ONCE)):
            yield b"".join(_line(*one) for one in some)
    except Exception as error:
        log.error("api.stream_broke", error=type(error).__name__)
        yield as_json(503, "stream-broken", detail="This is not the end; ask for the rest again.")
        raise


def _line(seq: int, digest: str, record: bytes) -> bytes:
    line: dict[str, Any] = {"seq": seq, "hash": digest}
    try:
        line["record"] = record.decode()
    except UnicodeDecodeError:
        line |= {"record": None, "record_base64": b64encode(record).decode()}
    return msgspec.json.encode(line) + b"\n"


# The order of these is the order in the OpenAPI document; audit.urls adds those of other apps.
for _router in (_entries, of_entries, _events, _ledgers, of_ledgers, of_exports):
    api.add_router("", _router)
