"""OTLP over HTTP: whatever spans hold is masked, cut or cleaned, and stored all the same."""

from __future__ import annotations

import gzip
import json
from typing import Any

from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from audit.append import append_pending
from audit.models import Ledger
from tests.tracing.otlp_posting import NOW, entries, key, recent, send, told
from tests.tracing.otlp_requests import body, json_body, logs
from tracing.models import Line, Span
from tracing.otlp_http import JSON, PROTOBUF

__all__ = ["key"]  # fixtures, which pytest finds by their names here


SECRETS = {
    "http.request.header.authorization": "Bearer canary.Zq81Kd07Vn35aaaa1111",
    "db_password": "hunter2-Zq81Kd07Vn35-f6",
    "note": "use sk-proj-Zq81Kd07Vn35jjjj1010jjjj now",
    "gen_ai.tool.call.arguments": '{"password": "hunter2-Zq81Kd07Vn35-e5", "max_tokens": 4096}',
    "nested": {"deep": [{"api_key": "canary-Zq81Kd07Vn35-c3"}]},
    "url.full": "https://x.example/?token=Zq81Kd07Vn35qqqq",
}


def test_secrets_are_masked_before_anything_is_stored(ledger: Ledger, key: str) -> None:
    said = SECRETS | {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "search",
        "gen_ai.usage.input_tokens": 120,
        "llm.token_count.prompt": 120,
        "session.id": "talk-1",
    }
    sent = recent(
        "execute_tool",
        said,
        status=2,
        message="password=Zq81Kd07Vn35-status",
        events=[
            {
                "name": "exception",
                "attributes": {"exception.message": "token: Zq81Kd07Vn35-event"},
            }
        ],
    )

    assert send(key, body([sent], resource={"api_key": "Zq81Kd07Vn35-resource"})).status_code == 200
    assert send(key, logs([{"body": "token=Zq81Kd07Vn35-line", "at": NOW}]), to="/v1/logs")
    append_pending(ledger.id)

    (stored,) = Span.objects.filter(ledger_id=ledger.id)
    (line,) = Line.objects.filter(ledger_id=ledger.id)
    (entry,) = entries(ledger)
    everything = (
        json.dumps(
            [stored.attributes, stored.events, stored.resource, stored.status_message, line.message]
        )
        + bytes(entry.record).decode()
    )
    assert "Zq81Kd07Vn35" not in everything
    assert stored.attributes["gen_ai.usage.input_tokens"] == 120
    assert stored.attributes["llm.token_count.prompt"] == 120
    assert stored.attributes["session.id"] == stored.session_id == "talk-1"
    assert '"max_tokens": 4096' in stored.attributes["gen_ai.tool.call.arguments"]


def test_an_attribute_of_ten_megabytes_is_cut_and_says_so(ledger: Ledger, key: str) -> None:
    answer = send(
        key,
        gzip.compress(body([recent("big", {"text": "x" * 10_000_000}), recent("small")])),
        **{"Content-Encoding": "gzip"},
    )

    assert answer.status_code == 200
    big = Span.objects.get(ledger_id=ledger.id, name="big").attributes["text"]
    assert 65_536 < len(big) < 66_000
    assert "cut from 10,000,000 characters, sha256" in big
    assert Span.objects.filter(ledger_id=ledger.id).count() == 2


def test_many_long_attributes_are_left_out_beyond_a_megabyte(ledger: Ledger, key: str) -> None:
    said = {f"a{number:03}": "\u00fc" * 60_000 for number in range(30)}

    assert send(key, body([recent("big", said)])).status_code == 200

    found = Span.objects.get(ledger_id=ledger.id).attributes
    assert len(found) == 30
    assert found["a000"] == "\u00fc" * 60_000
    assert found["a029"].startswith("… left out: ")
    assert len(json.dumps(found, ensure_ascii=False).encode()) < 1_200_000


def test_nul_and_what_json_cannot_say_are_stored_all_the_same(ledger: Ledger, key: str) -> None:
    said = {"a\0b": "c\0d", "real": float("nan"), "tab\t": "line\nback\\slash\r"}

    assert send(key, body([recent("x\0y\t\\", said)])).status_code == 200

    found = Span.objects.get(ledger_id=ledger.id)
    assert found.name == "x\ufffdy\t\\"
    assert found.attributes == {
        "a\ufffdb": "c\ufffdd",
        "real": "nan",
        "tab\t": "line\nback\\slash\r",
    }


ODD = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2)
    ),
    max_leaves=5,
)
KNOWN = st.sampled_from(
    [
        "gen_ai.operation.name",
        "gen_ai.tool.name",
        "gen_ai.tool.call.arguments",
        "gen_ai.request.model",
        "gen_ai.usage.input_tokens",
        "gen_ai.input.messages",
        "gen_ai.response.finish_reasons",
        "gen_ai.conversation.id",
        "openinference.span.kind",
        "traceloop.span.kind",
        "llm.input_messages.0.message.role",
        "llm.cost.total",
        "user.id",
        "error.type",
        "plan.quality",
    ]
)
OPERATIONS = st.sampled_from(
    ["chat", "execute_tool", "invoke_agent", "plan", "search_memory", "invoke_workflow", "odd"]
)


@hypothesis(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(OPERATIONS, st.dictionaries(KNOWN, ODD, max_size=5), st.text(max_size=8))
def test_whatever_attributes_say_the_span_is_stored(
    ledger: Ledger, key: str, operation: str, said: dict[str, Any], name: str
) -> None:
    sent = recent(name, {**said, "gen_ai.operation.name": operation}, status=2, message=name)

    answer = send(key, body([sent]))

    assert answer.status_code == 200
    assert told(answer).partial_success.rejected_spans == 0
    assert Span.objects.filter(ledger_id=ledger.id, trace_id=sent["trace"]).count() == 1


def test_a_name_with_nul_loses_no_act(ledger: Ledger, key: str) -> None:
    said = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "se\0arch"}

    answer = send(key, body([recent("execute_tool se\0arch", said)]))

    append_pending(ledger.id)
    (entry,) = entries(ledger)
    event = json.loads(bytes(entry.record))["event"]
    assert told(answer).partial_success.error_message == ""
    assert event["tool"]["name"] == "se\ufffdarch"
    assert event["details"]["otlp"]["span"] == "execute_tool se\ufffdarch"


def test_a_request_does_not_repeat_a_large_resource_in_each_row(ledger: Ledger, key: str) -> None:
    about = {f"k{number}": "x" * 1_000 for number in range(200)} | {"obs.agent.id": "desk-bot"}
    library = "y" * 10_000

    for media, made in ((PROTOBUF, body), (JSON, json_body)):
        sent = made([recent("x")], resource=about, scope=library)
        assert send(key, sent, media=media).status_code == 200
    send(key, logs([{"body": "x", "at": NOW}], resource=about), to="/v1/logs")

    kept = [each.resource for each in Span.objects.filter(ledger_id=ledger.id)]
    kept.append(Line.objects.get(ledger_id=ledger.id).fields["resource"])
    assert len(kept) == 3
    assert all(len(json.dumps(each)) < 20_000 for each in kept)
    assert {(each["obs.agent.id"], each["otel.left_out"] > 150) for each in kept} == {
        ("desk-bot", True)
    }
    assert max(len(each.scope) for each in Span.objects.filter(ledger_id=ledger.id)) == 500
