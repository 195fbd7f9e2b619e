from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.families import BY_NAME, folded
from metrics.family import CLOSED
from metrics.labels import CAPS, CUSTOM_CAP, LONGEST, NONE, OTHER, Names, normalise

TOOLS = BY_NAME["obs_tool_calls_total"]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("Search", "search"),
        ("gpt-4o:2024/05", "gpt-4o:2024/05"),
        ("book a flight!", "book_a_flight_"),
        ("Müller", "m_ller"),
        ("_other", "other"),
        ("__none", "none"),
        ("☃☃☃", NONE),
        ("", NONE),
        ("x" * 100, "x" * LONGEST),
    ],
)
def test_a_value_is_normalised(said: str, expected: str) -> None:
    assert normalise(said) == expected


@given(st.text(max_size=200))
def test_whatever_is_said_fits_a_label(said: str) -> None:
    found = normalise(said)

    assert found == NONE or re.fullmatch(r"[a-z0-9.:/-][a-z0-9_.:/-]{0,63}", found)
    assert normalise(found.lstrip("_")) == found.lstrip("_") or found == NONE
    assert found != OTHER


@pytest.mark.parametrize(
    "label", sorted({*CAPS, "custom.answers.topic", "custom.answers.colour"} - {"model"})
)
def test_a_list_takes_the_first_values_and_folds_the_rest(label: str) -> None:
    names, cap = Names(), CAPS.get(label.rpartition(".")[2], CUSTOM_CAP)

    said = [names.learn(label, f"v{number}") for number in range(cap + 5)]

    assert said == [f"v{number}" for number in range(cap)] + [OTHER] * 5
    assert names.learn(label, "v0") == "v0"
    assert names.overflowed() == [label.partition(".")[0]]
    assert names.overflowed() == []


def test_what_is_not_said_takes_no_place() -> None:
    names = Names()

    assert [names.learn("tool", None), names.learn("tool", ""), names.learn("tool", 5)] == [
        NONE, NONE, NONE,
    ]  # fmt: skip
    assert (names.learned(), names.overflowed()) == ([], [])


def test_spellings_of_one_value_are_one_and_are_not_remembered_without_end() -> None:
    names = Names()
    spellings = {"".join(pair) for pair in zip("SsSs", "EeEe", strict=True)} | {
        f"search{'!' * number}" for number in range(1, 3_000)
    }

    found = {names.learn("tool", said) for said in spellings}

    assert "search_" in found
    assert len(names._memo["tool"]) <= 4 * CAPS["tool"]


def test_provider_and_model_are_one_list() -> None:
    names = Names()

    said = [names.learn_model("OpenAI", f"m{number}") for number in range(CAPS["model"] + 1)]

    assert said[0] == ("openai", "m0")
    assert said[-1] == (OTHER, OTHER)
    assert names.learn_model(None, None) == (NONE, NONE)
    assert names.learn_model("openai", "M0") == ("openai", "m0")
    assert names.overflowed() == ["model"]


def test_a_family_folds_what_is_over_its_cap_and_keeps_status_and_environment() -> None:
    names = Names()

    keys = {names.combine(TOOLS, (f"t{number}", "error", "prod")) for number in range(500)}

    assert len(keys) == TOOLS.cap - TOOLS.reserve + 1
    assert ("obs_tool_calls_total", (OTHER, "error", "prod")) in keys
    assert names.combine(TOOLS, ("t499", "success", "test")) == (
        "obs_tool_calls_total", (OTHER, "success", "test"),
    )  # fmt: skip
    assert names.overflowed() == ["obs_tool_calls_total"]


@pytest.mark.parametrize("family", folded(), ids=lambda family: family.name)
def test_no_family_passes_its_cap_whatever_is_said(family: Any) -> None:
    names = Names()
    keys = set()
    for number in range(2_000):
        values = tuple(
            CLOSED[label][number % len(CLOSED[label])] if label in CLOSED else f"{label}{number}"
            for label in family.labels
        )
        keys.add(names.combine(family, values))
        keys.add(names.combine(family, tuple(
            value if label in CLOSED else OTHER
            for label, value in zip(family.labels, values, strict=True)
        )))  # fmt: skip

    assert len(keys) <= family.cap


def test_what_was_learned_is_kept_as_rows_and_begins_again_the_same() -> None:
    names, seasons = Names(), []
    for season in ("a", "b"):
        for number in range(40):
            names.learn("tool", f"{season}{number}")
            names.learn_model("openai", f"{season}{number}")
            names.combine(TOOLS, (f"{season}{number}", "success", "prod"))
        seasons.append(names.fresh())

    again = Names(learned=[row for season in seasons for row in season])

    assert names.fresh() == []
    assert sorted(seasons[0] + seasons[1]) == names.learned() == again.learned()
    assert again.fresh() == []
    assert again.learn_model("openai", "a1") == ("openai", "a1")
    assert again.learn_model("openai", "new") == (OTHER, OTHER)
    assert again.combine(TOOLS, ("new", "success", "prod"))[1] == (OTHER, "success", "prod")
    assert sorted(again.combinations(TOOLS)) == sorted(names.combinations(TOOLS))


def test_how_many_agents_have_a_name_is_a_setting() -> None:
    names = Names(max_agents=2)

    said = [names.learn("agent", name) for name in ("a", "b", "c")]

    assert said == ["a", "b", OTHER]
