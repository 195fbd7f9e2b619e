"""A trace reads as a conversation, whichever way its sender writes messages."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tracing.shaped import MS, Shaped
from tracing.conversation import MOST_TEXT, Moment, conversation
from tracing.message_shapes import arguments, is_content, result, said

QUESTION, ANSWER = "What is 6 times 7?", "It is 42."
CALL = {"id": "c1", "name": "times", "arguments": {"a": 6, "b": 7}}

GENAI: dict[str, Any] = {
    "gen_ai.input.messages": json.dumps(
        [{"role": "user", "parts": [{"type": "text", "content": QUESTION}]}]
    ),
    "gen_ai.output.messages": [
        {
            "role": "assistant",
            "parts": [{"type": "text", "content": ANSWER}, {"type": "tool_call", **CALL}],
        }
    ],
}
OPENLLMETRY = {
    "gen_ai.prompt.0.role": "user",
    "gen_ai.prompt.0.content": QUESTION,
    "gen_ai.completion.0.role": "assistant",
    "gen_ai.completion.0.content": ANSWER,
    "gen_ai.completion.0.tool_calls.0.id": "c1",
    "gen_ai.completion.0.tool_calls.0.name": "times",
    "gen_ai.completion.0.tool_calls.0.arguments": json.dumps(CALL["arguments"], indent=2),
}
OPENINFERENCE = {
    "llm.input_messages.0.message.role": "user",
    "llm.input_messages.0.message.contents.0.message_content.text": QUESTION,
    "llm.output_messages.0.message.role": "assistant",
    "llm.output_messages.0.message.content": ANSWER,
    "llm.output_messages.0.message.tool_calls.0.tool_call.id": "c1",
    "llm.output_messages.0.message.tool_calls.0.tool_call.function.name": "times",
    "llm.output_messages.0.message.tool_calls.0.tool_call.function.arguments": json.dumps(
        CALL["arguments"], indent=2
    ),
    "input.value": "the same once more",
}
EVENTS = [
    {"name": "gen_ai.user.message", "attributes": {"content": QUESTION}},
    {
        "name": "gen_ai.choice",
        "attributes": {
            "index": 0,
            "message": json.dumps(
                {"role": "assistant", "content": ANSWER,
                 "tool_calls": [{"id": "c1", "type": "function", "function": {
                     "name": "times", "arguments": json.dumps(CALL["arguments"], indent=2)}}]}
            ),
        },
    },
    {"name": "exception", "attributes": {"exception.message": "no message"}},
]  # fmt: skip
DETAILS = [{"name": "gen_ai.client.inference.operation.details", "attributes": GENAI}]


@pytest.mark.parametrize(
    ("attributes", "events"),
    [(GENAI, []), (OPENLLMETRY, []), (OPENINFERENCE, []), ({}, EVENTS), ({}, DETAILS)],
    ids=["GenAI", "OpenLLMetry", "OpenInference", "events", "details event"],
)
def test_each_spelling_says_the_same(attributes: Mapping[str, Any], events: list[Any]) -> None:
    found = said(attributes, events)

    (asked,), (answered,) = found.asked, found.answered
    assert (asked.role, [part.text for part in asked.parts]) == ("user", [QUESTION])
    assert answered.role == "assistant"
    text, call = answered.parts
    assert text.text == ANSWER
    assert (call.kind, call.name, call.call_id) == ("call", "times", "c1")
    assert json.loads(call.text) == CALL["arguments"]


@pytest.mark.parametrize(
    ("attributes", "role", "text"),
    [
        ({"input.value": "hello"}, "user", "hello"),
        ({"gen_ai.prompt": "hello"}, "user", "hello"),
        ({"traceloop.entity.input": '{"messages": [{"role": "system", "content": "be brief"}]}'},
         "system", "be brief"),
        ({"gen_ai.system_instructions": '[{"type": "text", "content": "be brief"}]'},
         "system", "be brief"),
        ({"gen_ai.input.messages": "[not JSON"}, "user", "[not JSON"),
        ({"gen_ai.input.messages": [7]}, "user", "7"),
        ({"gen_ai.input.messages": [{"role": "tool", "parts": [
            {"type": "tool_call_response", "id": "c1", "response": {"found": 3}}]}]},
         "tool", '{\n  "found": 3\n}'),
        ({"gen_ai.input.messages": [{"role": "tool", "content": "3 found", "tool_call_id": "c1"}]},
         "tool", "3 found"),
        ({"gen_ai.input.messages": [{"role": "user", "parts": [{"type": "blob", "mime": "x"}]}]},
         "user", '{\n  "type": "blob",\n  "mime": "x"\n}'),
    ],
)  # fmt: skip
def test_other_spellings_are_read_too(attributes: Mapping[str, Any], role: str, text: str) -> None:
    (message,) = said(attributes, []).asked

    assert (message.role, message.parts[0].text) == (role, text)


@given(
    st.dictionaries(
        st.sampled_from([*GENAI, *OPENLLMETRY, *OPENINFERENCE, "gen_ai.tool.call.arguments",
                         "gen_ai.prompt.x.content", "llm.input_messages.99999.message.role"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=8)
            | st.sampled_from(["[", '{"a":', "[[]]", '[{"role": 1}]', '[{"parts": {"type": 2}}]']),
            lambda inner: st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["role", "parts", "type", "content", "tool_calls", "function"]),
                inner, max_size=4,
            ),
            max_leaves=8,
        ),
        max_size=6,
    )
)  # fmt: skip
def test_whatever_is_sent_can_be_shown(attributes: dict[str, Any]) -> None:
    events = [{"name": name, "attributes": attributes} for name in ("gen_ai.choice", "exception")]
    spans = [
        Shaped(span_id="a", operation="chat", attributes=attributes, events=events),
        Shaped(span_id="b", operation="execute_tool", attributes=attributes),
    ]

    for moment in conversation(spans).moments:
        assert isinstance(moment.role, str)
        assert all(isinstance(part.text, str) for part in moment.parts)


# --- The order of things -------------------------------------------------------------------------


def talk(*texts: tuple[str, str]) -> list[dict[str, Any]]:
    return [{"role": role, "parts": [{"type": "text", "content": text}]} for role, text in texts]


def chat(number: int, asked: list[Any], answered: list[Any]) -> Shaped:
    return Shaped(
        span_id=f"chat-{number}",
        operation="chat",
        subject="model-x",
        start_ns=number * 10 * MS,
        duration_ns=5 * MS,
        attributes={"gen_ai.input.messages": asked, "gen_ai.output.messages": answered},
    )


def texts(moments: tuple[Moment, ...]) -> list[tuple[str, str]]:
    return [(each.role, " ".join(part.text for part in each.parts)) for each in moments]


def test_what_a_call_repeats_stands_once() -> None:
    first = talk(("system", "be brief"), ("user", "hello"))
    answer = talk(("assistant", "hi"))
    more = talk(("user", "hello"))  # said a second time, and so it stands a second time
    spans = [chat(1, first, answer), chat(2, first + answer + more, talk(("assistant", "again?")))]

    found = conversation(spans)

    assert texts(found.moments) == [
        ("system", "be brief"), ("user", "hello"), ("assistant", "hi"),
        ("user", "hello"), ("assistant", "again?"),
    ]  # fmt: skip
    assert found.repeated == 3


def test_a_tools_result_stands_where_the_tool_ran() -> None:
    asked = talk(("user", "6 times 7?"))
    call = [{"role": "assistant", "parts": [{"type": "tool_call", **CALL}]}]
    back = [
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": "42"}]}
    ]
    tool = Shaped(
        span_id="tool",
        operation="execute_tool",
        subject="times",
        start_ns=16 * MS,
        attributes={"gen_ai.tool.call.arguments": '{"a":6,"b":7}', "gen_ai.tool.call.result": "42"},
    )
    spans = [tool, chat(1, asked, call), chat(2, asked + call + back, talk(("assistant", "42")))]

    found = conversation(spans)

    assert [(each.sort, each.span_id) for each in found.moments] == [
        ("said", "chat-1"), ("said", "chat-1"), ("tool", "tool"), ("said", "chat-2"),
    ]  # fmt: skip
    assert [part.kind for part in found.moments[2].parts] == ["call", "result"]


def test_contents_that_were_kept_back_are_said_to_be() -> None:
    spans = [
        Shaped(span_id="a", operation="chat", subject="model-x"),
        Shaped(span_id="b", operation="execute_tool", subject="search", start_ns=1),
    ]

    found = conversation(spans)

    assert [(each.sort, each.subject) for each in found.moments] == [
        ("hidden", "model-x"),
        ("hidden", "search"),
    ]
    assert found.hidden == 2


def test_an_agent_that_gives_back_what_its_model_said_adds_nothing() -> None:
    asked, answer = talk(("user", "hello")), talk(("assistant", "hi"))
    inner = chat(1, asked, answer)
    agent = Shaped(
        span_id="agent",
        operation="invoke_agent",
        start_ns=0,
        duration_ns=100 * MS,
        attributes={"gen_ai.input.messages": asked, "gen_ai.output.messages": answer},
    )

    found = conversation([inner, agent])

    assert [(each.span_id, each.role) for each in found.moments] == [
        ("agent", "user"),
        ("chat-1", "assistant"),
    ]


def test_a_long_text_is_cut_and_says_by_how_much() -> None:
    spans = [chat(1, talk(("user", "x" * (MOST_TEXT + 7))), [])]

    (moment,) = conversation(spans).moments

    assert len(moment.parts[0].text) == MOST_TEXT
    assert moment.cut == 7


def test_arguments_and_results_are_found_in_each_spelling() -> None:
    assert arguments({"tool.parameters": {"q": 1}}) == '{\n  "q": 1\n}'
    assert arguments({"traceloop.entity.input": "x"}) == "x"
    assert result({"output.value": "y"}) == "y"
    assert result({"gen_ai.tool.call.result": ""}) is None


@pytest.mark.parametrize("name", [*GENAI, *OPENLLMETRY, *OPENINFERENCE])
def test_names_of_contents_are_known(name: str) -> None:
    assert is_content(name)


@pytest.mark.parametrize(
    "name", ["gen_ai.usage.input_tokens", "llm.token_count.prompt", "http.route", "tool.name"]
)
def test_names_of_what_is_no_content_are_known(name: str) -> None:
    assert not is_content(name)
