"""What is left of a condition, once action and category are known, says what the whole said."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from compliance.kinds.narrowing import Known, narrowed
from compliance.language.conditions import ALWAYS, compile_condition
from compliance.language.reading import Remembered

_LEAF = st.sampled_from(
    [
        ["action", "eq", "llm.call"], ["action", "in", ["llm.call", "data.read"]],
        ["action", "prefix", "data."], ["category", "ne", "audit"],
        ["category", "not_in", ["llm_call"]], ["category", "eq", "@category"],
        ["outcome", "eq", "success"], ["data.classes", "has", "pii"], ["reason", "exists", True],
    ]
)  # fmt: skip
_NODE = st.recursive(
    _LEAF,
    lambda part: st.one_of(
        st.lists(part, max_size=3).map(lambda parts: {"all": parts}),
        st.lists(part, max_size=3).map(lambda parts: {"any": parts}),
        part.map(lambda one: {"not": one}),
    ),
    max_leaves=8,
)
_ENTRY = st.fixed_dictionaries(
    {},
    optional={
        "outcome": st.sampled_from(["success", "denied"]),
        "data.classes": st.sampled_from([["pii"], ["phi"]]),
        "reason": st.just("because"),
    },
)
_ACTIONS = [("llm.call", "llm_call"), ("data.read", "data_access"), ("x.acme.did", "action")]


@given(node=_NODE, fields=_ENTRY, named=st.sampled_from(_ACTIONS))
def test_it_holds_exactly_when_the_whole_does(
    node: Any, fields: dict[str, Any], named: tuple[str, str]
) -> None:
    action, category = named
    entry = Remembered({**fields, "action": action, "category": category})
    whole = compile_condition(node)
    left = narrowed(whole, Known.of_action(action, category))

    assert whole.holds(entry, entry) == (left is not None and left.holds(entry, entry))


@given(node=_NODE, fields=_ENTRY, told=st.sets(st.sampled_from(["outcome", "data.classes"])))
def test_so_it_does_when_the_shape_is_known(
    node: Any, fields: dict[str, Any], told: set[str]
) -> None:
    whole_entry = {**fields, "action": "llm.call", "category": "llm_call"}
    told |= {"action", "category"}
    known = Known(
        {path: value for path, value in whole_entry.items() if path in told},
        frozenset(whole_entry),
    )
    entry = Remembered(whole_entry)
    whole = compile_condition(node)
    left = narrowed(whole, known)

    assert whole.holds(entry, entry) == (left is not None and left.holds(entry, entry))


@given(node=_NODE, fields=_ENTRY, others=_ENTRY)
def test_what_was_not_asked_about_changes_nothing(
    node: Any, fields: dict[str, Any], others: dict[str, Any]
) -> None:
    named = {"action": "llm.call", "category": "llm_call"}
    known = Known({**fields, **named}, frozenset({*fields, *named}))
    left = narrowed(compile_condition(node), known)

    asked = {path: value for path, value in fields.items() if path in known.asked}
    asked |= {path: value for path, value in others.items() if path not in known.asked} | named
    twin = narrowed(compile_condition(node), Known(asked, frozenset(asked)))

    assert (left and left.node) == (twin and twin.node)


def test_a_human_counts_only_where_the_sender_may_speak_for_people() -> None:
    by_a_human = compile_condition(["actor.type", "eq", "human"], people=True)
    values = {"action": "change.approved", "category": "change", "actor.type": "human"}

    def known(scope: str) -> Known:
        return Known({**values, "source.scope": scope}, frozenset({*values, "source.scope"}))

    assert narrowed(by_a_human, known("governance")) is ALWAYS
    assert narrowed(by_a_human, known("events")) is None


def test_a_condition_of_action_and_category_alone_is_told_at_once() -> None:
    of_data = compile_condition({"all": [["category", "in", ["data_access", "memory"]]]})

    assert narrowed(of_data, Known.of_action("data.read", "data_access")) is ALWAYS
    assert narrowed(of_data, Known.of_action("llm.call", "llm_call")) is None
