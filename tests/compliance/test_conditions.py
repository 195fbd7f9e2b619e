"""Conditions mean what docs/catalogue.md says, for every op, with and without the field."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compliance.language.comparing import OPS
from compliance.language.conditions import ALWAYS, Closed, compile_condition
from compliance.language.errors import DefinitionError
from compliance.language.fields import ACTIONS


@dataclass
class Fields:
    """An entry that says these fields; absent, null and [] are missing."""

    said: dict[str, Any] = field(default_factory=dict)
    is_by_person: bool = False

    def read(self, path: str) -> Any:
        value = self.said.get(path)
        return None if value == [] else value


def holds(
    node: Any, said: dict[str, Any] | None = None, other: dict[str, Any] | None = None, **more: Any
) -> bool:
    condition = compile_condition(node, people=more.pop("people", False))
    entry = Fields(said or {}, is_by_person=more.pop("is_by_person", False))
    return condition.holds(entry, Fields(other or {}), more.pop("derived", None))


@pytest.mark.parametrize(
    ("leaf", "said"),
    [
        (["f", "eq", "a"], "a"), (["f", "eq", True], True), (["f", "eq", 1], 1),
        (["f", "eq", 1], 1.0), (["f", "ne", "a"], "b"), (["f", "ne", True], False),
        (["f", "in", ["a", "b"]], "b"), (["f", "not_in", ["a"]], "b"), (["f", "exists", True], 0),
        (["f", "exists", True], False), (["f", "gt", 1], 2), (["f", "gte", 1], 1),
        (["f", "lt", 1], 0), (["f", "lte", 0.1], 0.1), (["f", "prefix", "ab"], "abc"),
        (["f", "glob", "a*c?"], "abbcd"), (["f", "has", "a"], ["b", "a"]),
        (["f", "overlaps", ["a", "z"]], ["b", "a"]), (["f", "subset_of", ["a", "b"]], ["a"]),
        (["f", "superset_of", ["a"]], ["a", "b"]), (["f", "in", [1, 2]], 2),
        (["f", "gte", "2026-10-01T00:00:00.000000Z"], "2026-10-01T00:00:00.000001Z"),
    ],
)  # fmt: skip
def test_a_leaf_holds_where_the_field_fits(leaf: Any, said: Any) -> None:
    assert holds(leaf, {"f": said})


@pytest.mark.parametrize(
    ("leaf", "said"),
    [
        (["f", "eq", "a"], "A"), (["f", "eq", 1], True), (["f", "eq", True], 1),
        (["f", "eq", 1], "1"), (["f", "eq", "1"], 1), (["f", "in", ["a"]], ["a"]),
        (["f", "in", [1]], True), (["f", "gt", 1], True), (["f", "gt", 1], "2"),
        (["f", "prefix", "b"], "ab"), (["f", "glob", "a?"], "abc"), (["f", "glob", "a.c"], "abc"),
        (["f", "has", "a"], "a"), (["f", "has", 1], [True]),
        (["f", "subset_of", ["a"]], ["a", "b"]), (["f", "superset_of", ["a", "b"]], ["a"]),
        (["f", "overlaps", ["a"]], "a"),
    ],
)  # fmt: skip
def test_nothing_is_converted_from_one_type_to_another(leaf: Any, said: Any) -> None:
    assert not holds(leaf, {"f": said})


@pytest.mark.parametrize("missing", [{}, {"f": None}, {"f": []}])
def test_on_a_missing_field_ne_not_in_and_missing_hold_and_no_other_op(
    missing: dict[str, Any],
) -> None:
    values: dict[str, Any] = {
        "in": ["a"], "not_in": ["a"], "overlaps": ["a"], "subset_of": ["a"], "superset_of": ["a"],
        "exists": True, "missing": True, "gt": 1, "gte": 1, "lt": 1, "lte": 1,
    }  # fmt: skip
    held = {
        op for op in OPS if op != "same" and holds(["f", op, values.get(op, "a")], dict(missing))
    }

    assert held == {"ne", "not_in", "missing"}


def test_a_missing_path_of_the_other_entry_holds_for_same_alone() -> None:
    referring = [op for op in OPS if op not in ("exists", "missing", "glob")]

    held = {op for op in referring if holds(["f", op, "@g"], {"f": "a"}, {})}
    held_of_nothing = {op for op in referring if holds(["f", op, "@g"], {}, {})}

    assert held == set()
    assert held_of_nothing == {"same"}


@pytest.mark.parametrize(
    ("leaf", "said", "other"),
    [
        (["f", "eq", "@g"], "a", "a"), (["f", "ne", "@g"], "a", "b"),
        (["f", "ne", "@g"], None, "b"),
        (["f", "has", "@g"], ["a", "b"], "b"), (["f", "superset_of", "@g"], ["a", "b"], ["b"]),
        (["f", "subset_of", "@g"], ["b"], ["a", "b"]), (["f", "overlaps", "@g"], ["b"], ["a", "b"]),
        (["f", "gte", "@g"], 2, 1), (["f", "same", "@g"], "a", "a"),
        (["f", "in", "@g"], "a", ["a"]),
        (["f", "not_in", "@g"], "a", ["b"]), (["f", "prefix", "@g"], "abc", "ab"),
    ],
)  # fmt: skip
def test_a_path_of_the_other_entry_stands_for_its_value(leaf: Any, said: Any, other: Any) -> None:
    assert holds(leaf, {"f": said}, {"g": other})


def test_what_was_derived_is_read_beside_the_other_entry() -> None:
    leaf = ["change.to", "eq", "@derived.value"]

    assert holds(leaf, {"change.to": "gpt-9"}, {}, derived={"value": "gpt-9"})
    assert not holds(leaf, {"change.to": "gpt-9"}, {}, derived={"value": "gpt-8"})
    assert not holds(leaf, {"change.to": "gpt-9"}, {})
    assert compile_condition(leaf).other_paths() == frozenset()


_values = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "a", "b", "1"])
_maybe_lists = _values | st.lists(st.sampled_from(["a", "b", "c"]), max_size=3)
_scalars = st.booleans() | st.integers(-3, 3) | st.sampled_from(["a", "b", "1"])


@given(_maybe_lists, _scalars)
def test_ne_is_what_eq_is_not(said: Any, value: Any) -> None:
    assert holds(["f", "ne", value], {"f": said}) is not holds(["f", "eq", value], {"f": said})


@given(_maybe_lists, st.lists(_scalars, min_size=1, max_size=4))
def test_not_in_is_what_in_is_not(said: Any, values: list[Any]) -> None:
    assert holds(["f", "not_in", values], {"f": said}) is not holds(
        ["f", "in", values], {"f": said}
    )


@given(_maybe_lists, _scalars)
def test_in_of_one_value_is_eq(said: Any, value: Any) -> None:
    assert holds(["f", "in", [value]], {"f": said}) is holds(["f", "eq", value], {"f": said})


@given(_maybe_lists, _maybe_lists)
def test_same_is_equal_or_missing_on_both_sides(said: Any, other: Any) -> None:
    both_missing = said in (None, []) and other in (None, [])
    equal = holds(["f", "eq", "@g"], {"f": said}, {"g": other})

    assert holds(["f", "same", "@g"], {"f": said}, {"g": other}) is (equal or both_missing)


@given(st.lists(st.booleans(), max_size=6))
def test_all_any_and_not_join_as_logic_does(truths: list[bool]) -> None:
    leaves = [["f", "exists", True] if truth else ["f", "missing", True] for truth in truths]

    assert holds({"all": leaves}, {"f": 1}) is all(truths)
    assert holds({"any": leaves}, {"f": 1}) is any(truths)
    assert holds({"not": {"all": leaves}}, {"f": 1}) is not all(truths)


def test_always_holds_of_anything() -> None:
    assert ALWAYS.holds(Fields())


@pytest.mark.parametrize("value", ["human", ["human"]])
def test_in_a_match_a_human_counts_only_when_a_person_stands_behind(value: Any) -> None:
    leaf = ["actor.type", "eq" if value == "human" else "in", value]
    said = {"actor.type": "human"}

    assert holds(leaf, said, people=False)
    assert not holds(leaf, said, people=True)
    assert holds(leaf, said, people=True, is_by_person=True)


def test_in_a_match_a_service_beside_human_needs_no_person() -> None:
    leaf = ["actor.type", "in", ["human", "service"]]

    assert holds(leaf, {"actor.type": "service"}, people=True)


def test_the_paths_of_both_entries_are_told_apart() -> None:
    condition = compile_condition({"any": [["a", "eq", "@b"], {"not": ["c", "exists", True]}]})

    assert condition.paths() == {"a", "c"}
    assert condition.other_paths() == {"b"}


def test_the_actions_that_can_hold_are_told_by_action_and_category() -> None:
    granted = compile_condition(
        {"all": [["action", "eq", "approval.granted"], ["reason", "exists", True]]}
    )
    consents = compile_condition(
        {"any": [["action", "in", ["consent.given"]], ["action", "prefix", "consent.w"]]}
    )
    audits = compile_condition({"all": [["category", "eq", "audit"]]})
    nothing = compile_condition(
        {"all": [["action", "eq", "data.read"], ["category", "eq", "audit"]]}
    )

    assert granted.actions(ACTIONS) == frozenset({"approval.granted"})
    assert consents.actions(Closed(ACTIONS)) == frozenset({"consent.given", "consent.withdrawn"})
    assert audits.actions(ACTIONS) == frozenset(a for a, c in ACTIONS.items() if c == "audit")
    assert nothing.actions(ACTIONS) == frozenset()


def test_a_condition_on_a_category_may_hold_for_actions_that_are_not_listed() -> None:
    condition = compile_condition({"all": [["category", "eq", "data_access"]]})

    assert condition.actions(ACTIONS) is None
    assert condition.actions(Closed({"x.acme.read": "data_access"})) == frozenset({"x.acme.read"})
    assert condition.actions(Closed({"x.acme.read": "memory"})) == frozenset()


@given(st.data())
def test_an_action_left_out_never_holds(data: st.DataObject) -> None:
    leaf = st.one_of(
        st.tuples(
            st.just("action"),
            st.sampled_from(["in", "not_in"]),
            st.lists(st.sampled_from(sorted(ACTIONS)), min_size=1, max_size=3),
        ),
        st.tuples(
            st.just("category"),
            st.sampled_from(["eq", "ne"]),
            st.sampled_from(sorted(set(ACTIONS.values()))),
        ),
        st.tuples(st.just("reason"), st.sampled_from(["exists", "missing"]), st.just(True)),
    ).map(list)
    node = data.draw(
        st.recursive(
            leaf,
            lambda inner: st.one_of(
                st.fixed_dictionaries({"all": st.lists(inner, max_size=3)}),
                st.fixed_dictionaries({"any": st.lists(inner, max_size=3)}),
                st.fixed_dictionaries({"not": inner}),
            ),
            max_leaves=6,
        )
    )
    action = data.draw(st.sampled_from([*sorted(ACTIONS), "x.acme.did"]))
    category = ACTIONS.get(action, "memory")
    said = {"action": action, "category": category, "reason": data.draw(st.none() | st.just("r"))}
    condition = compile_condition(node)
    can = condition.actions(ACTIONS)

    if condition.holds(Fields(said)):
        assert can is None or action in can
        assert condition.actions(Closed({action: category})) == frozenset({action})


@pytest.mark.parametrize(
    ("node", "said"),
    [
        (["f", "equals", 1], '"equals" is none of'),
        ({"all": [["f", "eq", 1]], "any": []}, "one of all, any, not"),
        ({"some": []}, "found ['some']"),
        (["f", "eq"], "write [field, op, value]"),
        ("f eq 1", "is no condition"),
        ({"all": {"any": []}}, "all: takes a list"),
        (["f", "in", "a"], "takes a list"),
        (["f", "in", []], "the list is empty"),
        (["f", "exists", False], "write the other op"),
        (["f", "gt", True], "takes a number or a time"),
        (["f", "prefix", 1], "takes a string"),
        (["f", "same", "a"], '"@f"'),
        (["f", "eq", ["a"]], "takes a string, a number or true/false"),
        (["f", "eq", "$name"], "was never filled in"),
        (["f", "glob", "@g"], "takes no field of another entry"),
    ],
)
def test_what_is_no_condition_is_refused_with_a_line_that_says_why(node: Any, said: str) -> None:
    with pytest.raises(DefinitionError) as refused:
        compile_condition(node)

    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_conditions_do_not_stand_in_one_another_without_end() -> None:
    node: Any = ["f", "exists", True]
    for _ in range(20):
        node = {"not": node}

    with pytest.raises(DefinitionError, match="deep"):
        compile_condition(node)
