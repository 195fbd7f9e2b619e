"""The pages of traces: who sees them, what they say, and where each thing leads."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from django.test import Client
from pytest_django import Settings

from audit.append import append_pending
from audit.models import Entry, Ledger
from tests.conftest import chain, entries, make_event
from tests.metrics.deciding import client, page, said
from tests.tracing.spans import (
    MS,
    Kept,
    agent_run,
    keep_trace,
    long_run,
    new_trace_id,
    now_ns,
)
from tracing import line_query, trace_query

LIST = "/admin/tracing/trace/"
ANSWER = "Yes. The flood of May is covered"


@pytest.fixture
def web(as_role: Callable[[str], psycopg.Connection[Any]]) -> psycopg.Connection[Any]:
    return as_role("web")


@pytest.fixture
def auditor(database: None) -> Client:
    return client("auditor")


def at(ledger: Ledger, trace_id: str, below: str = "") -> str:
    return f"{LIST}{ledger.name}/{trace_id}/{below}"


# --- Who sees what -------------------------------------------------------------------------------


@pytest.mark.parametrize("group", ["auditor", "compliance officer", "administrator"])
def test_these_groups_see_traces_and_find_them_in_the_sidebar(
    group: str, ledger: Ledger, web: psycopg.Connection[Any]
) -> None:
    trace_id = keep_trace(web, ledger.id, agent_run(at_ns=now_ns()))
    who = client(group)

    assert f'href="{LIST}"' in who.get(f"{LIST}?ledger={ledger.name}").content.decode()
    assert "claims-adjudicator took" in page(who, at(ledger, trace_id))


def test_who_is_in_no_group_sees_none(ledger: Ledger, web: psycopg.Connection[Any]) -> None:
    spans = agent_run(at_ns=now_ns())
    trace_id = keep_trace(web, ledger.id, spans)
    who = client()

    for each in (LIST, at(ledger, trace_id), at(ledger, trace_id, "spans/"),
                 at(ledger, trace_id, f"{spans[0].span_id}/")):  # fmt: skip
        assert who.get(each).status_code == 403
    assert who.post(at(ledger, trace_id, "read/"), {"reason": "x"}).status_code == 403


@pytest.mark.parametrize("below", ["", "spans/", "0123456789abcdef/"])
def test_what_is_not_kept_is_not_found(auditor: Client, ledger: Ledger, below: str) -> None:
    assert auditor.get(at(ledger, new_trace_id(), below)).status_code == 404


@pytest.mark.parametrize(
    "address",
    ["%00/change/", "LEDGER/%00/", "LEDGER/TRACE/%00/", "session/?ledger=LEDGER&id=%00"],
)
def test_an_address_with_nul_is_not_found(
    address: str, auditor: Client, ledger: Ledger, web: psycopg.Connection[Any]
) -> None:
    trace_id = keep_trace(web, ledger.id, [Kept(start_ns=now_ns())])
    asked = address.replace("LEDGER", ledger.name).replace("TRACE", trace_id)

    assert auditor.get(f"{LIST}{asked}").status_code == 404


def test_a_trace_is_found_by_its_id_alone(
    auditor: Client, ledger: Ledger, web: psycopg.Connection[Any]
) -> None:
    trace_id = keep_trace(web, ledger.id, [Kept(start_ns=now_ns())])

    answer = auditor.get(f"{LIST}{trace_id.upper()}/change/")

    assert answer["Location"] == at(ledger, trace_id)


# --- The list ------------------------------------------------------------------------------------


def test_the_list_says_what_each_trace_is(
    auditor: Client, ledger: Ledger, web: psycopg.Connection[Any]
) -> None:
    keep_trace(web, ledger.id, agent_run(at_ns=now_ns(), fails=True))

    shown = page(auditor, f"{LIST}?ledger={ledger.name}")

    for each in ("invoke_agent claims-adjudicator", "error", "2.20 s", "$0.01"):
        assert each in shown, each


def test_an_empty_list_teaches_how_to_send(auditor: Client, ledger: Ledger) -> None:
    shown = page(auditor, f"{LIST}?ledger={ledger.name}")

    assert "No trace yet" in shown
    assert "OTEL_EXPORTER_OTLP_ENDPOINT=http://testserver" in shown


def test_a_filter_that_cannot_be_read_shows_nothing_and_says_so(
    auditor: Client, ledger: Ledger, web: psycopg.Connection[Any]
) -> None:
    keep_trace(web, ledger.id, agent_run(at_ns=now_ns()))

    shown = page(auditor, f"{LIST}?ledger={ledger.name}&longer=fast&colour=red&after=x")

    assert "is a duration such as 200ms" in shown
    assert "is no filter" in shown
    assert "invoke_agent claims-adjudicator" not in shown
    assert "is no place of this list" in page(auditor, f"{LIST}?ledger={ledger.name}&after=x")


def test_a_sent_form_becomes_the_address_it_asks_for(auditor: Client, ledger: Ledger) -> None:
    answer = auditor.get(LIST, {"form": "1", "ledger": ledger.name, "agent": " a ", "name": ""})

    assert answer["Location"] == f"{LIST}?ledger={ledger.name}&agent=a"


def test_pages_of_the_list_keep_its_filter(
    auditor: Client, ledger: Ledger, web: psycopg.Connection[Any]
) -> None:
    for number in range(27):
        keep_trace(web, ledger.id, [Kept(start_ns=now_ns() - number * MS)], agent="a")

    first = auditor.get(f"{LIST}?ledger={ledger.name}&agent=a")
    older = first.context["older_url"]
    second = auditor.get(older)

    assert "agent=a" in older
    assert [len(each.context["lines"]) for each in (first, second)] == [25, 2]
    assert auditor.get(second.context["newer_url"]).context["lines"][0].trace.trace_id == (
        first.context["lines"][0].trace.trace_id
    )


# --- One trace -----------------------------------------------------------------------------------


def test_the_waterfall_says_what_the_trace_waited_for(
    auditor: Client, ledger: Ledger, web: psycopg.Connection[Any]
) -> None:
    trace_id = keep_trace(web, ledger.id, agent_run(at_ns=now_ns(), fails=True))

    shown = page(auditor, at(ledger, trace_id))

    assert "in 8 spans: 3 calls of models and 2 calls of tools; 2 failed." in shown
    assert "It waited longest for chat example-large: 500 ms, 23 %." in shown
    assert "Where time is not accounted for" in shown
    assert "critical" in shown


def test_what_is_odd_about_a_trace_is_said(
    auditor: Client, ledger: Ledger, web: psycopg.Connection[Any]
) -> None:
    now = now_ns()
    run = Kept(name="run", start_ns=now, duration_ns=10 * MS)
    trace_id = keep_trace(web, ledger.id, [
        run,
        Kept(name="early", parent_id=run.span_id, start_ns=now - 3 * MS),
        Kept(name="lost", parent_id="feedfacefeedface", start_ns=now),
    ])  # fmt: skip

    shown = page(auditor, at(ledger, trace_id))

    assert "1 span names a parent that is not here" in shown
    assert "1 span begins before its parent: clocks of two machines differ" in shown
    file = auditor.get(at(ledger, trace_id, "spans/")).json()
    assert max(row[11] for row in file["rows"]) == 3 * MS


def test_the_file_of_rows_has_every_span_and_its_words_once(
    auditor: Client, ledger: Ledger, web: psycopg.Connection[Any]
) -> None:
    spans = long_run(at_ns=now_ns(), spans=1_000)
    trace_id = keep_trace(web, ledger.id, spans, agent="indexer")

    answer = auditor.get(at(ledger, trace_id, "spans/"))
    told = answer.json()

    assert {row[0] for row in told["rows"]} == {each.span_id for each in spans}
    assert len(told["words"]) < 110
    assert told["rows"][0][2] == 999
    assert sum(length for _, _, length in told["path"]) == told["duration_ns"]
    assert len(auditor.get(at(ledger, trace_id)).context["rows"]) == 200
    assert page(auditor, at(ledger, trace_id, "?from=900")).count("index.write") == 90


def test_a_span_shows_what_it_says_and_never_runs_it(
    auditor: Client, ledger: Ledger, web: psycopg.Connection[Any]
) -> None:
    attack = "<img src=x onerror=alert(1)>"
    other = keep_trace(web, ledger.id, [Kept(start_ns=now_ns())])
    span = Kept(
        name=attack, start_ns=now_ns(), status=2, status_message=attack, subject=attack,
        attributes={attack: attack, "nested": {"a": [1, {"b": attack}]}, "hidden": "a\u202eb"},
        resource={"service.name": attack}, scope=attack,
        events=[{"name": attack, "at_ns": now_ns(), "attributes": {attack: attack}}, {}],
        links=[{"trace_id": other, "span_id": "a" * 16}, {"trace_id": attack, "span_id": attack}],
    )  # fmt: skip
    trace_id = keep_trace(web, ledger.id, [span], agent=attack, service=attack, session=attack)

    for each in (LIST + f"?ledger={ledger.name}", at(ledger, trace_id),
                 at(ledger, trace_id, f"{span.span_id}/"),
                 at(ledger, trace_id, f"{span.span_id}/?part=1"),
                 *(at(ledger, trace_id, f"?show={tab}")
                   for tab in ("conversation", "shapes", "logs", "entries"))):  # fmt: skip
        answer = auditor.get(each)
        assert answer.status_code == 200, each
        assert attack.encode() not in answer.content, each
    part = auditor.get(at(ledger, trace_id, f"{span.span_id}/?part=1")).content.decode()
    assert "<html" not in part
    assert "a⟨U+202E⟩b" in part
    assert f'href="{at(ledger, other)}#span={"a" * 16}"' in part
    assert "not kept here" in part


def test_a_span_leads_to_its_entry_and_the_entry_back(
    auditor: Client, ledger: Ledger, web: psycopg.Connection[Any]
) -> None:
    trace_id = new_trace_id()
    event = make_event(trace={"trace_id": trace_id})
    (entry,) = chain(ledger, [event])
    spans = agent_run(at_ns=now_ns(), events={"run": uuid.UUID(event["id"]), "chat": uuid.uuid4()})
    keep_trace(web, ledger.id, spans, trace_id=trace_id)

    part = auditor.get(at(ledger, trace_id, f"{spans[0].span_id}/?part=1")).content.decode()
    waits = auditor.get(at(ledger, trace_id, f"{spans[1].span_id}/?part=1")).content.decode()
    back = auditor.get(f"/admin/audit/entry/{entry.hash}/change/").content.decode()
    tab = page(auditor, at(ledger, trace_id, "?show=entries"))

    assert f'href="/admin/audit/entry/{entry.hash}/change/"' in part
    assert "its event is not chained yet" in waits
    assert f'href="{at(ledger, trace_id)}"' in back
    assert "3 of its spans became events" in tab
    assert "1 is not in the chain yet" in tab


def test_an_entry_whose_trace_is_not_kept_leads_nowhere(auditor: Client, ledger: Ledger) -> None:
    (entry,) = chain(ledger, [make_event(trace={"trace_id": new_trace_id()})])

    assert (
        LIST + ledger.name
        not in auditor.get(f"/admin/audit/entry/{entry.hash}/change/").content.decode()
    )


def test_jaeger_is_offered_where_there_is_one(
    auditor: Client, ledger: Ledger, web: psycopg.Connection[Any], settings: Settings
) -> None:
    trace_id = keep_trace(web, ledger.id, [Kept(start_ns=now_ns())])

    assert "Open in Jaeger" not in page(auditor, at(ledger, trace_id))
    settings.JAEGER_UI_URL = "https://jaeger.example.com"
    shown = auditor.get(at(ledger, trace_id)).content.decode()
    assert f'href="https://jaeger.example.com/trace/{trace_id}"' in shown


def test_loops_slow_and_rare_spans_are_listed(
    auditor: Client, ledger: Ledger, web: psycopg.Connection[Any]
) -> None:
    now = now_ns()
    for number in range(1, 12):
        keep_trace(web, ledger.id, agent_run(at_ns=now - number * 60_000 * MS))
    spans = [*agent_run(at_ns=now, lookups=3, is_looping=True), Kept(name="reboot", start_ns=now)]
    trace_id = keep_trace(web, ledger.id, spans)

    shown = page(auditor, at(ledger, trace_id, "?show=shapes"))

    assert "claims.lookup was called 3 times with the same arguments" in shown
    assert "0 of the 11 traces of this agent before it have such a span" in shown


def test_a_session_shows_its_traces_and_pauses(
    auditor: Client, ledger: Ledger, web: psycopg.Connection[Any]
) -> None:
    now = now_ns()
    keep_trace(web, ledger.id, agent_run(at_ns=now - 62_200 * MS), session="a talk")
    keep_trace(web, ledger.id, agent_run(at_ns=now, fails=True), session="a talk")

    shown = page(auditor, f"{LIST}session/?ledger={ledger.name}&id=a%20talk")

    assert "2 traces over 64.4 s, 4.40 s of work; 1 with errors." in shown
    assert "60.0 s" in shown
    assert auditor.get(f"{LIST}session/?ledger={ledger.name}&id=none").status_code == 404


# --- What was said -------------------------------------------------------------------------------


def test_contents_are_read_with_a_reason_which_is_an_entry(
    auditor: Client, ledger: Ledger, web: psycopg.Connection[Any]
) -> None:
    spans = agent_run(at_ns=now_ns())
    trace_id = keep_trace(web, ledger.id, spans)
    talk, read = at(ledger, trace_id, "?show=conversation"), at(ledger, trace_id, "read/")
    chat = at(ledger, trace_id, f"{spans[-1].span_id}/?part=1")
    assert ANSWER not in page(auditor, talk)
    assert ANSWER not in page(auditor, chat)

    refused = auditor.post(read, {"reason": " "})
    answer = auditor.post(read, {"reason": "complaint 81"}, follow=True)

    assert refused.status_code == 400
    assert "Say why" in said(refused.content)
    assert ANSWER in said(answer.content)
    assert ANSWER in page(auditor, talk)
    assert ANSWER in page(auditor, chat)
    append_pending(ledger.id)
    (entry,) = entries(ledger)
    event = entry.parsed()["event"]
    assert (event["action"], event["reason"]) == ("audit.log_viewed", "complaint 81")
    assert event["target"] == {"type": "trace", "id": trace_id}
    assert event["actor"]["type"] == "human"
    other = keep_trace(web, ledger.id, agent_run(at_ns=now_ns()))
    assert ANSWER not in page(auditor, at(ledger, other, "?show=conversation"))
    assert ANSWER not in page(client("auditor"), talk)


def test_reading_is_a_post(auditor: Client, ledger: Ledger, web: psycopg.Connection[Any]) -> None:
    trace_id = keep_trace(web, ledger.id, agent_run(at_ns=now_ns()))

    assert auditor.get(at(ledger, trace_id, "read/")).status_code == 405
    assert not Entry.objects.filter(ledger=ledger).exists()


def test_contents_that_were_kept_back_are_said_to_be(
    auditor: Client, ledger: Ledger, web: psycopg.Connection[Any]
) -> None:
    trace_id = keep_trace(web, ledger.id, agent_run(at_ns=now_ns(), hides=True))

    answer = auditor.post(at(ledger, trace_id, "read/"), {"reason": "x"}, follow=True)

    assert "5 calls came without contents: the sender kept them back" in said(answer.content)


def test_a_trace_without_models_and_tools_has_no_conversation(
    auditor: Client, ledger: Ledger, web: psycopg.Connection[Any]
) -> None:
    trace_id = keep_trace(web, ledger.id, [Kept(start_ns=now_ns())])

    assert "Nobody spoke in this trace" in page(auditor, at(ledger, trace_id, "?show=conversation"))


# --- The API -------------------------------------------------------------------------------------


def get(key: str, address: str) -> Any:
    answer = Client().get(address, headers={"Authorization": f"Bearer {key}"})
    return answer.status_code, json.loads(answer.content)


def test_the_api_lists_and_reads_traces_of_its_own_ledger(
    ledger: Ledger, web: psycopg.Connection[Any], api_key: Callable[..., str]
) -> None:
    key = api_key(ledger, "entries:read")
    now = now_ns()
    spans = agent_run(at_ns=now, fails=True)
    older = keep_trace(web, ledger.id, [Kept(start_ns=now - MS)])
    trace_id = keep_trace(web, ledger.id, spans)

    status, first = get(key, "/api/v1/traces?limit=1")
    assert (status, [each["trace_id"] for each in first["items"]]) == (200, [trace_id])
    status, second = get(key, f"/api/v1/traces?limit=1&after={first['next']}")
    assert ([each["trace_id"] for each in second["items"]], second["next"]) == ([older], None)
    status, whole = get(key, f"/api/v1/traces/{trace_id}")
    assert status == 200
    assert (whole["spans"], whole["errors"], whole["status"]) == (8, 2, "error")
    assert whole["items"][0]["span_id"] == spans[0].span_id
    chats = [each for each in whole["items"] if each["operation"] == "chat"]
    assert chats[0]["contents"] == ["gen_ai.input.messages", "gen_ai.output.messages"]
    assert ANSWER not in json.dumps(whole)


def test_the_api_says_what_it_cannot_read(ledger: Ledger, api_key: Callable[..., str]) -> None:
    key = api_key(ledger, "entries:read")

    for address in ("/api/v1/traces?colour=red", "/api/v1/traces?limit=0", "/api/v1/traces?after=x",
                    f"/api/v1/traces/{new_trace_id()}?after=x", "/api/v1/lines?level=loud",
                    "/api/v1/lines?after=1", "/api/v1/lines?limit=1&limit=2"):  # fmt: skip
        status, told = get(key, address)
        assert (status, told["code"]) == (400, "parameter"), address
    assert get(key, f"/api/v1/traces/{new_trace_id()}")[0] == 404
    assert get(key, "/api/v1/traces?ledger=main")[0] == 403
    assert get(key, "/api/v1/lines?ledger=main")[0] == 403
    assert get(api_key(ledger, "events:write"), "/api/v1/traces")[0] == 403


def test_the_document_of_the_api_names_every_filter() -> None:
    paths = Client().get("/api/v1/openapi.json").json()["paths"]

    named = {
        path: {each["name"] for each in paths[path]["get"]["parameters"]}
        for path in ("/api/v1/traces", "/api/v1/lines", "/api/v1/traces/{id}")
    }

    shared = {"from", "to", "ledger", "after", "limit"}
    assert named["/api/v1/traces"] == {*trace_query.READERS, *shared}
    assert named["/api/v1/lines"] == {*line_query.READERS, *shared}
    assert named["/api/v1/traces/{id}"] == {"id", "after"}
