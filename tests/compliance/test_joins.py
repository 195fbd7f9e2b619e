"""What fits always meets in a slot; what cannot fit is not kept."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compliance.kinds.joins import Join, ties_of
from compliance.language.reading import Remembered
from tests.compliance.building import entry, person

AT = "2026-10-04T10:00:00Z"
APPROVAL = {
    "all": [
        ["action", "eq", "approval.granted"],
        ["decision.approval_id", "eq", "@decision.approval_id"],
        ["actor.type", "eq", "human"],
        ["actor.id", "ne", "@actor.id"],
    ]
}


def _meet(join: Join, candidate: Any, event: Any) -> bool:
    return not set(join.file_under(candidate)).isdisjoint(join.look_under(event))


def test_an_approval_and_the_call_that_names_it_meet() -> None:
    join = Join(APPROVAL, name="m")
    approval = entry(0, "approval.granted", {"decision.approval_id": "A"}, at=AT, **person("alice"))
    call = entry(1, "tool.invoke", {"decision.approval_id": "A"}, at=AT)
    other = entry(2, "tool.invoke", {"decision.approval_id": "B"}, at=AT)

    assert _meet(join, approval, call)
    assert join.fits(approval, call)
    assert not _meet(join, approval, other)


def test_what_cannot_fit_by_itself_is_filed_nowhere() -> None:
    join = Join(APPROVAL, name="m")
    fields = {"decision.approval_id": "A"}

    assert join.file_under(entry(0, "approval.denied", fields, at=AT, **person("alice"))) == []
    assert join.file_under(entry(0, "approval.granted", at=AT, **person("alice"))) == []


def test_who_only_says_that_it_is_human_is_not() -> None:
    claims = entry(
        0,
        "approval.granted",
        {"decision.approval_id": "A"},
        at=AT,
        actor={"type": "human", "id": "alice"},
    )

    assert Join(APPROVAL, name="m").file_under(claims) == []


def test_an_event_without_the_tied_field_looks_nowhere() -> None:
    assert Join(APPROVAL, name="m").look_under(entry(0, "tool.invoke", at=AT)) == []


def test_branches_with_the_same_ties_share_their_slots() -> None:
    node = {
        "all": [
            ["case.id", "eq", "@case.id"],
            {"any": [["action", "eq", "dsr.completed"], ["action", "eq", "dsr.refused"]]},
        ]
    }
    join = Join(node, name="m")

    refused = entry(0, "dsr.refused", {"case.id": "7"}, at=AT)
    assert join.file_under(refused) == join.look_under(refused) == ["m0:=7"]


def test_each_branch_of_other_ties_has_slots_of_its_own() -> None:
    node = {
        "any": [
            ["target.id", "eq", "@data.recipient"],
            ["target.id", "eq", "@model.provider"],
        ]
    }
    join = Join(node, name="m")
    approved = entry(0, "vendor.approved", {"target": {"type": "vendor", "id": "acme"}}, at=AT)
    call = entry(1, "llm.call", {"model.provider": "acme"}, at=AT)

    assert len(join.file_under(approved)) == 2
    assert _meet(join, approved, call)


def test_same_ties_what_is_missing_on_both_sides() -> None:
    join = Join(["tool.server", "same", "@tool.server"], name="m")
    without = entry(0, "tool.registered", {"tool.name": "sql"}, at=AT)
    served = entry(1, "tool.invoke", {"tool.name": "sql", "tool.server": "s"}, at=AT)

    assert _meet(join, without, without)
    assert not _meet(join, without, served)


def test_a_condition_without_ties_has_one_slot() -> None:
    join = Join(["action", "eq", "risk.assessment_completed"], name="m")
    assessed = entry(0, "risk.assessment_completed", at=AT)

    assert join.file_under(assessed) == join.look_under(entry(1, "llm.call", at=AT))


def test_what_is_derived_ties_as_well() -> None:
    join = Join(["target.id", "eq", "@derived.value"], name="m", derived=True)
    approved = entry(0, "vendor.approved", {"target": {"type": "vendor", "id": "acme"}}, at=AT)
    call = entry(1, "llm.call", at=AT)

    assert set(join.file_under(approved)) == set(join.look_under(call, {"value": "acme"}))
    assert join.fits(approved, call, {"value": "acme"})


def test_a_slot_decides_only_where_its_ties_say_all() -> None:
    assert Join(["case.id", "eq", "@case.id"], name="m").is_decided_by_slot
    assert not Join(APPROVAL, name="m").is_decided_by_slot
    assert not Join(["data.fields", "superset_of", "@data.fields"], name="m").is_decided_by_slot


def test_ties_that_every_fit_has_are_told() -> None:
    assert ties_of(APPROVAL) == {"decision.approval_id": "decision.approval_id"}
    two = {"any": [["target.id", "eq", "@actor.id"], ["target.id", "eq", "@actor.ip"]]}
    assert ties_of(two) == {}


def test_what_was_kept_of_an_entry_fits_as_the_entry_does() -> None:
    join = Join(APPROVAL, name="m")
    approval = entry(0, "approval.granted", {"decision.approval_id": "A"}, at=AT, **person("alice"))
    call = entry(1, "tool.invoke", {"decision.approval_id": "A"}, at=AT)
    kept = Remembered(join.kept_fields(approval, "candidate"))
    looked = Remembered(join.kept_fields(call, "event"))

    assert join.file_under(kept) == join.file_under(approval)
    assert join.look_under(looked) == join.look_under(call)
    assert join.fits(kept, looked)
    assert (kept.seq, kept.at, kept.received) == (approval.seq, approval.at, approval.received)


_SCALAR = st.sampled_from(["a", "b", 1, True])
_LIST = st.lists(_SCALAR, min_size=1, max_size=3)
_FIELDS = st.fixed_dictionaries({}, optional={"x": _SCALAR, "y": _SCALAR, "l": _LIST})
_LEAF = st.sampled_from(
    [
        ["x", "eq", "@x"], ["x", "eq", "@y"], ["y", "same", "@y"], ["l", "has", "@x"],
        ["l", "overlaps", "@l"], ["l", "superset_of", "@l"], ["l", "subset_of", "@l"],
        ["x", "in", "@l"], ["x", "ne", "@x"], ["x", "eq", "a"], ["y", "missing", True],
    ]
)  # fmt: skip
_NODE = st.recursive(
    _LEAF,
    lambda part: st.one_of(
        st.lists(part, min_size=1, max_size=3).map(lambda parts: {"all": parts}),
        st.lists(part, min_size=1, max_size=3).map(lambda parts: {"any": parts}),
        part.map(lambda one: {"not": one}),
    ),
    max_leaves=8,
)


@given(node=_NODE, candidate=_FIELDS, event=_FIELDS)
def test_what_fits_always_meets(
    node: Any, candidate: dict[str, Any], event: dict[str, Any]
) -> None:
    join = Join(node, name="m")
    one, other = Remembered(candidate), Remembered(event)

    if join.fits(one, other):
        assert _meet(join, one, other)
    elif join.is_decided_by_slot:
        assert not _meet(join, one, other)


@pytest.mark.parametrize("width", [7, 40])
def test_a_condition_of_very_many_branches_still_finds_what_fits(width: int) -> None:
    either = {"any": [["x", "eq", "@x"], ["y", "eq", "@y"]]}
    join = Join({"all": [either] * min(width, 11)}, name="m")
    one = Remembered({"x": "a", "y": "b"})

    assert join.fits(one, one)
    assert _meet(join, one, one)
