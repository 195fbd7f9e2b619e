"""No secret of the corpus is seen again, whichever way it came; no innocent word is touched."""

from __future__ import annotations

import io
import json
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
import structlog
from django.conf import settings
from django.test import Client
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import Status, StatusCode

from audit.append import append_pending
from audit.database import rows
from audit.exportfile import path_of
from audit.models import Ledger
from audit.redact import REPLACEMENT, Redactor
from audit.seal import seal
from audit.signer import make_key
from tests.audit.desk import ENTRIES, get, make_client
from tests.audit.exporting import made
from tests.conftest import make_event
from tests.tracing.redaction.corpus import (
    HEARTS,
    INNOCENT_FIELDS,
    INNOCENT_TEXTS,
    SECRETS,
    Secret,
)
from tracing import logs
from tracing.masked import Mask, cut
from tracing.otel import Clean

REDACTORS = {
    "events": Redactor(),
    "lines": Redactor(extra_patterns=logs.LOG_PATTERNS),
}


def seen(text: str) -> list[str]:
    """Return the names of the secrets that can be seen in a text."""
    found = set(HEARTS.findall(text))
    return [each.name for each in SECRETS if each.heart in found]


def said(secret: Secret) -> str:
    """Return the secret as one who logs it carelessly writes it."""
    return secret.value if isinstance(secret.value, str) else json.dumps(secret.value)


def test_the_corpus_is_large_and_each_of_its_hearts_is_found_where_nothing_is_masked() -> None:
    assert len(SECRETS) >= 200
    assert len(INNOCENT_TEXTS) + len(INNOCENT_FIELDS) >= 200
    assert len({each.heart for each in SECRETS}) == len(SECRETS)
    assert seen("\n".join(map(said, SECRETS))) == [each.name for each in SECRETS]


@pytest.mark.parametrize("redactor", REDACTORS.values(), ids=REDACTORS.keys())
def test_no_secret_passes_and_masking_again_changes_nothing(redactor: Redactor) -> None:
    clean = [redactor.tree(each.value) for each in SECRETS]

    assert seen(json.dumps(clean)) == []
    assert all(REPLACEMENT in json.dumps(each) for each in clean)
    assert [redactor.tree(each) for each in clean] == clean


@pytest.mark.parametrize("redactor", REDACTORS.values(), ids=REDACTORS.keys())
def test_no_innocent_word_is_touched(redactor: Redactor) -> None:
    assert [each for each in INNOCENT_TEXTS if redactor.text(each) != each] == []
    assert redactor.tree(INNOCENT_FIELDS) == INNOCENT_FIELDS


# --- Events: the database, the desk, the API, exports --------------------------------------------


def test_what_we_write_ourselves_is_left_alone_unless_an_installation_means_it() -> None:
    event = {"occurred_at": "2026-11-21T12:00:00.000000Z", "trace": {"span_id": "0123456789abcdef"}}

    assert Mask().tree(event) is event
    assert Mask(extra_patterns=["0123456789abcdef"]).tree(event)["trace"] == {
        "span_id": REPLACEMENT
    }
    assert Mask(extra_patterns=[r"^2026-11-21"]).tree(event)["occurred_at"].startswith(REPLACEMENT)
    assert Mask(extra_keys=["span_id"]).tree(event)["trace"] == {"span_id": REPLACEMENT}


def test_no_half_of_a_secret_is_left_where_a_text_is_cut() -> None:
    mask, most = Mask(), 200
    left = []
    for each in SECRETS:
        text = said(each)
        for shown in range(4, 16):  # characters of its heart that a plain cut would leave
            before = "x " * most
            long = before[-(most - text.index(each.heart) - shown) :] + text
            if each.heart[:4] in mask.text(cut(long, most)):
                left.append((each.name, shown))

    assert left == []


def test_no_half_of_a_secret_is_left_where_masking_made_a_text_short() -> None:
    address, mask = "https://user:p4ssw0rdp4ssw0rdp4ssw0rdp4ssw0rd@host/ ", Mask()
    for shift in range(len(address)):
        text = "x" * shift + address * 2_000
        for kept in (mask.text(text), cut(text, 200), REDACTORS["lines"].start(text, 16_384)):
            assert "p4ss" not in kept, shift


def test_a_text_that_was_clean_is_still_masked_within_another_one() -> None:
    mask = Mask()
    assert mask.text("password") == "password"
    assert mask.text("password=") == "password="

    assert REPLACEMENT in mask.text("password=hunter22")
    assert REPLACEMENT in mask.tree({"said": ["password", "password=hunter22"]})["said"][1]


@pytest.fixture
def holding(ledger: Ledger, api_key: Callable[..., str]) -> tuple[Ledger, str]:
    """Return a ledger with every secret posted to it, in details, reason and error; and a key."""
    key = api_key(ledger, "events:write", "entries:read")
    events = [
        make_event(
            details={str(number): each.value for number, each in enumerate(group)},
            reason=said(group[0])[:400],
            error={"type": "t", "message": said(group[1])[:400]},
            labels={"a": said(group[2])[:200]},
        )
        for group in in_groups(SECRETS, 56)
    ]
    answer = Client().post(
        "/api/v1/events",
        data=json.dumps(events),
        content_type="application/json",
        headers={"Authorization": f"Bearer {key}"},
    )
    assert answer.status_code == 202, answer.content
    return ledger, key


def in_groups(secrets: Sequence[Secret], size: int) -> list[list[Secret]]:
    groups = [list(secrets[at : at + size]) for at in range(0, len(secrets), size)]
    if len(groups[-1]) < 3:
        groups[-2].extend(groups.pop())
    return groups


def test_no_secret_is_in_the_database_on_a_page_in_an_answer_or_an_export(
    holding: tuple[Ledger, str],
) -> None:
    ledger, key = holding
    waiting = rows("SELECT events FROM audit_inbox WHERE ledger_id = %s", (ledger.id,))
    assert seen(b"\n".join(each for (each,) in waiting).decode()) == []

    append_pending(ledger.id)
    records = rows(
        "SELECT seq, record FROM audit_entry WHERE ledger_id = %s AND action = 'tool.invoke'",
        (ledger.id,),
    )
    assert len(records) >= len(SECRETS) // 60
    assert seen(b"\n".join(record for _, record in records).decode()) == []
    assert all(REPLACEMENT in record.decode() for _, record in records)

    auditor = make_client("auditor")
    for seq, _ in records:
        page = get(auditor, f"{ENTRIES}{ledger.name}/{seq}/")
        assert REPLACEMENT in page
        assert seen(page) == []
    answer = Client().get("/api/v1/entries?limit=100", headers={"Authorization": f"Bearer {key}"})
    assert answer.status_code == 200
    assert seen(answer.content.decode()) == []
    make_key(ledger.name, origin=ledger.origin)
    assert seal(ledger) is not None
    for form in ("ndjson", "csv", "cef"):
        exported = path_of(made(ledger, form)).read_text()
        assert len(exported) > 10_000
        assert seen(exported) == []


# --- Log lines -----------------------------------------------------------------------------------


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """Collect what the installed formatter makes of each record of this thread."""
    root, output, ours = logging.getLogger(), io.StringIO(), threading.get_ident()
    (form,) = {
        each.formatter
        for each in root.handlers
        if isinstance(each.formatter, structlog.stdlib.ProcessorFormatter)
    }
    handler = logging.StreamHandler(output)
    handler.setFormatter(form)
    handler.addFilter(lambda record: record.thread == ours)  # others of the process say theirs
    root.addHandler(handler)
    yield output
    root.removeHandler(handler)


def test_no_secret_is_in_a_line_however_it_was_logged(lines: io.StringIO) -> None:
    ours, library = structlog.get_logger("tests.redaction"), logging.getLogger("tests.library")

    for secret in SECRETS:
        ours.warning("fields", given=secret.value, nested=[{"deep": {"er": secret.value}}])
        library.warning("sent %s and %r", said(secret), secret.value)
        try:
            raise ValueError(said(secret))
        except ValueError:
            ours.exception("failed")

    written = [json.loads(each)["logger"] for each in lines.getvalue().splitlines()]
    assert sum(each.startswith("tests.") for each in written) == 3 * len(SECRETS)
    assert seen(lines.getvalue()) == []


def test_no_half_of_a_secret_is_left_on_a_line_where_it_is_cut(lines: io.StringIO) -> None:
    ours = structlog.get_logger("tests.redaction")
    for secret in SECRETS:
        text = said(secret)
        before = logs.MOST_TEXT - text.index(secret.heart) - 6
        ours.warning("long", given=("x " * logs.MOST_TEXT)[-before:] + text)

    assert lines.getvalue().count("more characters") > len(SECRETS) // 2
    assert [each.name for each in SECRETS if each.heart[:5] in lines.getvalue()] == []


def test_innocent_words_stay_on_a_line(lines: io.StringIO) -> None:
    ours = structlog.get_logger("tests.redaction")
    for text in INNOCENT_TEXTS:
        ours.warning(text)
    ours.warning("fields", given=INNOCENT_FIELDS)

    found = [json.loads(each) for each in lines.getvalue().splitlines()]
    assert [each["event"] for each in found[:-1]] == INNOCENT_TEXTS
    assert found[-1]["given"] == INNOCENT_FIELDS


# --- Spans that are sent -------------------------------------------------------------------------


class Kept(SpanExporter):
    """Keeps what would be sent."""

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.spans += spans
        return SpanExportResult.SUCCESS


def sent(make: Callable[[Any], None]) -> list[ReadableSpan]:
    """Return what leaves of the spans that `make` makes with a tracer."""
    kept = Kept()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(Clean([kept], REDACTORS["lines"])))
    make(provider.get_tracer("tests"))
    return kept.spans


def test_no_secret_leaves_in_a_span() -> None:
    def make(tracer: Any) -> None:
        for secret in SECRETS:
            span = tracer.start_span(said(secret)[:100])
            span.set_attribute("obs.said", said(secret))
            span.set_attribute("obs.list", [said(secret), "b"])
            span.set_attribute("db.query.text", f"SELECT 1 -- {said(secret)}")
            span.set_attribute("http.request.header.authorization", said(secret))
            span.record_exception(ValueError(said(secret)))
            span.set_status(Status(StatusCode.ERROR, said(secret)))
            span.end()

    found = sent(make)

    assert len(found) == len(SECRETS)
    assert seen("\n".join(each.to_json() for each in found)) == []
    assert {each.status.status_code for each in found} == {StatusCode.ERROR}


def test_of_a_span_only_what_is_listed_leaves_and_no_literal_of_a_statement() -> None:
    def make(tracer: Any) -> None:
        with tracer.start_as_current_span("SELECT") as span:
            span.set_attributes(
                {
                    "db.query.text": "SELECT 1 FROM t WHERE name = 'Alice' AND a = %s",
                    "client.address": "203.0.113.7",
                    "user_agent.original": "alice-browser",
                    "url.query": "name=alice",
                    "obs.entries": 3,
                }
            )

    (span,) = sent(make)

    assert dict(span.attributes or {}) == {
        "db.query.text": "SELECT 1 FROM t WHERE name = '…' AND a = %s",
        "obs.entries": 3,
    }


def test_an_attribute_is_masked_before_it_is_cut() -> None:
    most = settings.MAX_TOOL_ARG_LENGTH

    def make(tracer: Any) -> None:
        for secret in SECRETS:
            text = said(secret)
            with tracer.start_as_current_span("x") as span:
                before = most - text.index(secret.heart) - 6
                span.set_attribute("obs.said", ("x " * most)[-before:] + text + " x" * most)

    found = [str((each.attributes or {})["obs.said"]) for each in sent(make)]

    assert max(map(len, found)) == most
    assert [s.name for s, text in zip(SECRETS, found, strict=True) if s.heart[:5] in text] == []
