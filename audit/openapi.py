"""The parts of the OpenAPI document that no view's types can say.

Describes `POST /api/v1/events`, which is a plain view (audit.post), the filters of a list, the
stream of NDJSON and the problem documents. Returns JSON values; reads no database. Tests hold it
against what the views do. The rest of the document comes from audit.api.
"""

from __future__ import annotations

from typing import Any, TypeAlias, get_args

from audit.events import Category, DataClass, event_json_schema
from audit.exportfile import KINDS
from audit.query import MOST_LIMIT, PAGE_LIMIT, Environment, Outcome, Severity

Schema: TypeAlias = dict[str, Any]
"""A JSON Schema, or another part of the document."""

TEXT = "text/plain; charset=utf-8"
"""The type of a note, and of a proof, which ends in one."""

HASH: Schema = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_TEXT: Schema = {"type": "string", "minLength": 1, "maxLength": 200}
_TIME: Schema = {
    "type": "string",
    "format": "date-time",
    "pattern": r"^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$",
}


def _words(vocabulary: object) -> Schema:
    return {"type": "string", "enum": list(get_args(vocabulary))}


_FILTERS: dict[str, tuple[str, Schema]] = {
    "ledger": (
        "The ledger's name. A key reads its own ledger only, which is the default.",
        {"type": "string", "pattern": "^[a-z0-9][a-z0-9.-]{0,62}$"},
    ),
    "agent": ("The agent's id.", _TEXT),
    "actor": ("The actor's id, or its pseudonym.", _TEXT),
    "action": (
        "An action (`data.read`), or a prefix ending in a dot or a star (`data.`, `data.*`).",
        {"type": "string", "pattern": r"^[A-Za-z0-9_.-]{1,100}\*?$"},
    ),
    "outcome": ("How it went.", _words(Outcome)),
    "category": ("The category of the action.", _words(Category)),
    "severity": ("How severe; an event that says nothing is `info`.", _words(Severity)),
    "run": ("The run's id.", _TEXT),
    "trace": ("The trace's id.", {"type": "string", "pattern": "^[0-9a-fA-F]{32}$"}),
    "data_class": ("One of the classes of data touched.", _words(DataClass)),
    "environment": ("Where the agent ran; one that says nothing is `prod`.", _words(Environment)),
    "key": (
        "The API key that posted it: the 8 characters after `obs_live_`.",
        {"type": "string", "pattern": "^[A-Za-z0-9]{8}$"},
    ),
    "backfill": (
        "Whether it was brought in as history.",
        {"type": "string", "enum": ["true", "false"]},
    ),
}


def _query(name: str, description: str, schema: Schema) -> Schema:
    return {"name": name, "in": "query", "description": description, "schema": schema}


def _repeatable(name: str, description: str, schema: Schema) -> Schema:
    many = {"type": "array", "items": schema, "minItems": 1, "maxItems": 100}
    return _query(name, f"{description} Repeat it to match any of several values.", many) | {
        "style": "form",
        "explode": True,
    }


def entry_parameters() -> list[Schema]:
    """Return the query parameters of the list of entries."""
    return [
        *(_repeatable(name, said, schema) for name, (said, schema) in _FILTERS.items()),
        _query("from", "Occurred at this time or later. A time without offset is refused.", _TIME),
        _query("to", "Occurred before this time. A time without offset is refused.", _TIME),
        _query(
            "after",
            "The `next` of the page before. Not with NDJSON, which gives everything.",
            {"type": "string", "pattern": r"^[0-9]{1,18}(-[0-9]{1,9})?$"},
        ),
        _query(
            "limit",
            "Entries a page. Not with NDJSON.",
            {"type": "integer", "minimum": 1, "maximum": MOST_LIMIT, "default": PAGE_LIMIT},
        ),
    ]


# --- Answers --------------------------------------------------------------------------------------

_PROBLEM: Schema = {
    "type": "object",
    "description": "What went wrong (RFC 9457).",
    "required": ["type", "title", "status", "code"],
    "properties": {
        "type": {"type": "string", "description": "The address of a page about this code."},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string", "pattern": "^[a-z0-9-]+$"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["name", "message"],
                "properties": {"name": {"type": "string"}, "message": {"type": "string"}},
            },
        },
        "purge": {"$ref": "#/components/schemas/PurgeItem"},
    },
}
_RECEIPT: Schema = {
    "type": "object",
    "description": "What became of one event.",
    "required": ["index", "id", "status", "digest", "event_sha256", "error"],
    "properties": {
        "index": {"type": "integer", "minimum": 0, "description": "Its place in what was sent."},
        "id": {"type": ["string", "null"], "format": "uuid"},
        "status": {"type": "string", "enum": ["received", "duplicate", "conflict", "rejected"]},
        "digest": {
            "type": ["string", "null"],
            "description": "Keyed digest of the event as sent: tells a retry from other content.",
        },
        "event_sha256": {
            "type": ["string", "null"],
            "description": "SHA-256 of the event as stored, after redaction and encryption.",
        },
        "error": {
            "type": ["object", "null"],
            "required": ["code", "path", "message"],
            "properties": {
                "code": {"type": "string"},
                "path": {"type": "string", "description": "Where, such as $.agent.id."},
                "message": {"type": "string"},
            },
        },
        "seq": {"type": "integer", "minimum": 0, "description": "When already known."},
        "hash": HASH,
        "state": {"type": "string", "enum": ["received", "chained", "sealed"]},
    },
}
_COUNTS = ("received", "duplicate", "conflict", "rejected")
_RECEIPTS: Schema = {
    "type": "object",
    "required": ["receipts", *_COUNTS],
    "properties": {
        "receipts": {"type": "array", "items": {"$ref": "#/components/schemas/Receipt"}},
        **{name: {"type": "integer", "minimum": 0} for name in _COUNTS},
    },
}
_ENTRY_LINE: Schema = {
    "type": "object",
    "required": ["seq", "hash", "record"],
    "properties": {
        "seq": {"type": "integer", "minimum": 0},
        "hash": HASH,
        "record": {
            "type": ["string", "null"],
            "description": "The stored text, byte for byte; `hash` is SHA-256 of a 0 byte and it.",
        },
        "record_base64": {
            "type": "string",
            "description": "Only when the stored bytes are no UTF-8 any more; `record` is null.",
        },
    },
}


def event_schemas() -> dict[str, Schema]:
    """Return the schema of an event and of its blocks, `Event…` each."""
    event = event_json_schema(ref_template="#/components/schemas/Event{name}")
    blocks = {f"Event{name}": schema for name, schema in event.pop("$defs").items()}
    return {"Event": event, **blocks}


def schemas() -> dict[str, Schema]:
    """Return the components that are described by hand."""
    return {
        "Problem": _PROBLEM,
        "Receipt": _RECEIPT,
        "Receipts": _RECEIPTS,
        "EntryLine": _ENTRY_LINE,
        **event_schemas(),
    }


def _problem(description: str, **headers: Schema) -> Schema:
    answer: Schema = {
        "description": description,
        "content": {
            "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
        },
    }
    return answer | ({"headers": headers} if headers else {})


_RETRY_AFTER: Schema = {
    "description": "Seconds to wait.",
    "schema": {"type": "integer", "minimum": 0},
}
_AUTHENTICATE: Schema = {"description": "`Bearer`.", "schema": {"type": "string"}}


def get_problems() -> dict[str, Schema]:
    """Return the problems that any GET may answer with."""
    return {
        "400": _problem("A parameter cannot be read, or is none; `errors` names each."),
        "401": _problem(
            "No API key, or none that is known.", **{"WWW-Authenticate": _AUTHENTICATE}
        ),
        "403": _problem("The key lacks the scope, or belongs to another ledger."),
        "404": _problem("There is no such thing here."),
        "422": _problem("The filter takes too long over so many entries; narrow it."),
        "503": _problem("The database does not answer.", **{"Retry-After": _RETRY_AFTER}),
    }


def pruned_problem() -> dict[str, Schema]:
    """Return what an address of one entry may answer besides the usual problems."""
    return {"410": _problem("The entry was pruned; `purge` says by whom and when.")}


def proof_problems() -> dict[str, Schema]:
    """Return what an address that proves may answer besides the usual problems."""
    return {
        "409": _problem(
            "No checkpoint covers it yet, or none has the size.", **{"Retry-After": _RETRY_AFTER}
        ),
        "503": _problem(
            "The database does not answer, or misses part of the tree.",
            **{"Retry-After": _RETRY_AFTER},
        ),
    }


def proof_file() -> dict[str, Schema]:
    """Return the answers of GET /entries/{ledger}/{seq}/proof."""
    name: Schema = {"description": "The file's name.", "schema": {"type": "string"}}
    return {
        **proof_problems(),
        "200": {
            "description": "A `.tlog-proof` file (C2SP tlog-proof).",
            "content": {TEXT: {"schema": {"type": "string"}}},
            "headers": {"Content-Disposition": name},
        },
    }


def export_problems() -> dict[str, Schema]:
    """Return what POST /ledgers/{name}/exports may answer besides the usual problems."""
    return {
        "400": _problem("The body cannot be read, or asks for what no export gives."),
        "409": _problem("The ledger has no checkpoint, or none of this size."),
        "429": _problem("Too many exports are unfinished.", **{"Retry-After": _RETRY_AFTER}),
    }


def export_file() -> Schema:
    """Return parameters and answers of GET /ledgers/{name}/exports/{id}/file."""
    binary: Schema = {"type": "string", "format": "binary"}
    content = {each.content_type: {"schema": binary} for each in KINDS.values()}
    text: Schema = {"schema": {"type": "string"}}
    headers = {
        "Accept-Ranges": {"description": "`bytes`.", **text},
        "ETag": {"description": "The SHA-256 of the file, for `If-Range`.", **text},
        "Repr-Digest": {"description": "The same as RFC 9530 writes it.", **text},
    }
    span = {"Content-Range": {"description": "Which bytes, and of how many.", **text}}
    path = [
        {"name": name, "in": "path", "required": True, "schema": schema}
        for name, schema in (
            ("name", {"type": "string"}),
            ("id", {"type": "integer", "minimum": 0, "maximum": 2**63 - 1}),
        )
    ]
    return {
        "parameters": [
            *path,
            _header(
                "Range",
                "One range of bytes, such as `bytes=1000-`; several give the whole file.",
                {"type": "string", "pattern": r"^bytes=([0-9]+-[0-9]*|-[0-9]+)$"},
            ),
            _header("If-Range", "The ETag of what is there already.", {"type": "string"}),
        ],
        "responses": {
            **get_problems(),
            "200": {"description": "The whole file.", "content": content, "headers": headers},
            "206": {"description": "A range.", "content": content, "headers": headers | span},
            "409": _problem("It is not done.", **{"Retry-After": _RETRY_AFTER}),
            "410": _problem("The file's time is over."),
            "416": _problem("The range begins after the end.", **span),
        },
    }


def _receipts(description: str) -> Schema:
    return {
        "description": description,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Receipts"}}},
    }


def _bodies() -> Schema:
    one = {"$ref": "#/components/schemas/Event"}
    many = {"type": "array", "items": one, "minItems": 1, "maxItems": 5000}
    cloud = {
        "type": "object",
        "required": ["specversion", "id", "source", "type", "data"],
        "properties": {
            "specversion": {"const": "1.0"},
            "id": {"type": "string", "minLength": 1},
            "source": {"type": "string", "minLength": 1},
            "type": {
                "type": "string",
                "minLength": 1,
                "description": "Our action, or `<category>.<action>`.",
            },
            "subject": {"type": "string", "description": "The target's id."},
            "time": {"type": "string", "format": "date-time"},
            "data": one,
        },
    }
    return {
        "application/json": {"schema": {"oneOf": [one, many]}},
        "application/x-ndjson": {
            "schema": {
                "type": "string",
                "description": "One event a line; blank lines are skipped.",
            }
        },
        "application/cloudevents+json": {"schema": cloud},
        "application/cloudevents-batch+json": {
            "schema": {"type": "array", "items": cloud, "minItems": 1, "maxItems": 5000}
        },
    }


def _header(name: str, description: str, schema: Schema) -> Schema:
    return {"name": name, "in": "header", "description": description, "schema": schema}


def post_events() -> Schema:
    """Return the operation POST /api/v1/events."""
    return {
        "operationId": "post_events",
        "summary": "Send events",
        "description": (
            "A 2xx means that every event it calls received or duplicate is committed and flushed. "
            "Sending the same events with the same ids again is always harmless. A CloudEvent may "
            "also come in binary form: `ce-` headers, and the event as `application/json`. "
            "At most 5,000 events, 5 MiB on the wire and 20 MiB inflated."
        ),
        "tags": ["events"],
        "security": [{"BearerKey": []}],
        "parameters": [
            _query(
                "wait",
                "Hold the answer until the events are chained, at most 10 s; then 202.",
                {"type": "string", "enum": ["chained", "sealed"]},
            ),
            _query(
                "backfill",
                "The events are history; needs the scope `events:backfill` too.",
                {"type": "string", "enum": ["true", "false"], "default": "false"},
            ),
            _header(
                "Idempotency-Key",
                "Gives events without an id one that a retry with the same header repeats.",
                {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"},
            ),
            _header(
                "Content-Encoding",
                "How the body is compressed; leave it out for a plain one.",
                {"type": "string", "enum": ["gzip", "identity"]},
            ),
        ],
        "requestBody": {"required": True, "content": _bodies()},
        "responses": {
            "200": _receipts("Every event was there already, or is chained as `wait` asked."),
            "202": _receipts("Every event is safe; at least one is new."),
            "207": _receipts("Some were rejected or in conflict; the others are safe."),
            "400": _problem("The body or a parameter cannot be read."),
            "401": _problem(
                "No API key, or none that is known.", **{"WWW-Authenticate": _AUTHENTICATE}
            ),
            "403": _problem("The key lacks the scope."),
            "409": _problem("The id of the one event is taken by other content; both are kept."),
            "413": _problem("More than 5,000 events, 5 MiB on the wire or 20 MiB inflated."),
            "415": _problem("Unknown Content-Type or Content-Encoding."),
            "422": _problem("No event of the body can be accepted; the receipts say why."),
            "429": _problem("Over the key's rate or quota.", **{"Retry-After": _RETRY_AFTER}),
            "503": _problem("We cannot take events now.", **{"Retry-After": _RETRY_AFTER}),
        },
    }
