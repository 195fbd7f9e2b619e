"""What is told of a shape of entries beforehand changes no row, and names no series anew."""

from __future__ import annotations

from typing import Any

import pytest

from compliance import shapes
from compliance.kinds.narrowing import Known
from compliance.kinds.series import named, naming
from compliance.lenses import all_lenses
from compliance.memory import Memory, Rows
from tests.compliance.building import entry, shipped
from tests.compliance.streams import lenses, stream

NOON = "2026-10-04T12:00:00Z"


def _rows(seed: int) -> Rows:
    memory = Memory([*all_lenses(shipped()).values(), *lenses()], ledger="main")
    for record in stream(seed, entries=800):
        memory.read(*record)
    return memory.dump()


@pytest.mark.parametrize("seed", range(2))
def test_entries_of_known_shapes_give_the_rows_that_each_alone_gives(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    told_beforehand = _rows(seed)

    # No shape comes so often: every lens sees every entry of an action as if it were the only one.
    monkeypatch.setattr(shapes, "_OFTEN", 1_000_000)
    one_by_one = _rows(seed)

    assert told_beforehand == one_by_one


@pytest.mark.parametrize(
    ("paths", "fields"),
    [
        (("agent.id",), {}),
        (("agent.id", "tool.name"), {"tool.name": "sql/1"}),
        (("agent.id", "tool.name"), {}),
        (("agent.id", "client_seq"), {"client_seq": 1}),
        (("data.classes",), {"data.classes": ["pii", "phi"]}),
        ((), {}),
    ],
)
def test_a_series_of_a_shape_has_the_name_that_its_values_have(
    paths: tuple[str, ...], fields: dict[str, Any]
) -> None:
    one = entry(1, "tool.invoke", fields, at=NOON)
    name_of = naming(paths, Known(dict(one.fields), frozenset(one.fields)), named)

    for agent in ("a", "b", "a"):
        other = entry(2, "tool.invoke", fields, at=NOON, agent=agent)
        assert name_of(other) == named([other.read(path) for path in paths])


def test_equal_numbers_of_another_type_are_another_series() -> None:
    known = Known({"action": "tool.invoke", "category": "tool_call"}, frozenset({"client_seq"}))
    name_of = naming(("client_seq",), known, named)

    names = {name_of(entry(1, "tool.invoke", {"client_seq": n}, at=NOON)) for n in (1, 1.0, True)}

    assert names == {named([1]), named([True])}
