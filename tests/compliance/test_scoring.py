"""The arithmetic of scores, by hand and over thousands of random moves."""

from __future__ import annotations

import random
from dataclasses import replace
from fractions import Fraction

import pytest

from audit.ledger.canonical import canonicalise
from compliance.definitions import SEVERITIES, Severity
from compliance.result import (
    ControlResult,
    Leg,
    State,
    as_json,
    canonical,
    digest_of,
    from_json,
    shown,
)
from compliance.scoring import control_state, credit, score
from tests.compliance.results import a_control, a_leg, a_result, some_controls
from tests.sizes import size

STATES: tuple[State, ...] = (
    "pass", "fail", "no_data", "error", "waived", "pending", "not_occurred", "not_applicable",
)  # fmt: skip
MOVES = size(4_000, 20_000)
STREAMS = size(500, 2_000)


def test_a_critical_failure_caps_seventeen_passing_controls() -> None:
    controls = [a_control(f"c{i}", a_leg(f"c{i}", "k", "pass")) for i in range(17)]
    controls += [a_control(f"n{i}", a_leg(f"n{i}", "k", "no_data")) for i in range(2)]
    failing = a_leg("CC6.3", "TOOL-01", "fail", severity="critical", n=4120, f=2)
    controls.append(a_control("CC6.3", failing, weight="critical"))

    numbers = score(controls)

    assert [shown(one) for one in (numbers.raw, numbers.tested, numbers.coverage)] == [
        "82.2",  # 82.258…: rounded down
        "91.0",
        "90.3",
    ]
    assert shown(numbers.assured) == "49.0"
    assert [(one.control, one.leg, one.state) for one in numbers.capped_by] == [
        ("CC6.3", "TOOL-01", "fail")
    ]


def test_ten_thousand_easy_passes_do_not_hide_three_critical_failures() -> None:
    easy = a_control(
        "easy", a_leg("easy", "a", "fail", severity="low", n=10_000, f=10), weight="low"
    )
    hard = a_control(
        "hard", a_leg("hard", "b", "fail", severity="critical", n=3, f=3), weight="critical"
    )

    assert shown(score([easy, hard]).assured) == "4.5"


def test_a_failing_medium_leg_earns_half_at_most_and_nothing_from_a_tenth_on() -> None:
    def leg(f: int) -> Leg:
        return a_leg("c", "k", "fail", severity="medium", n=1000, f=f)

    assert credit(leg(1)) == Fraction(99, 2)
    assert credit(leg(50)) == 25
    assert credit(leg(100)) == 0
    assert credit(leg(1000)) == 0


@pytest.mark.parametrize(
    ("state", "severity", "cap"),
    [
        ("fail", "critical", 49),
        ("error", "critical", 49),
        ("no_data", "critical", 49),
        ("fail", "high", 79),
        ("no_data", "high", 79),
        ("fail", "medium", 100),
        ("waived", "critical", 100),
        ("pending", "critical", 100),
        ("not_occurred", "critical", 100),
    ],
)
def test_what_fails_or_cannot_be_told_caps(state: State, severity: Severity, cap: int) -> None:
    many = [a_control(f"c{i}", a_leg(f"c{i}", "k", "pass")) for i in range(99)]

    numbers = score([*many, a_control("x", a_leg("x", "k", state, severity=severity))])

    assert numbers.cap == cap


def test_without_anything_that_counts_there_is_no_score() -> None:
    numbers = score([a_control("c", a_leg("c", "k", "not_occurred"))])

    assert numbers.assured is None
    assert numbers.band is None
    assert numbers.reason


def test_a_hundred_stands_only_where_every_counted_leg_passes() -> None:
    nearly = [a_control(f"c{i}", a_leg(f"c{i}", "k", "pass")) for i in range(9_999)]
    nearly.append(a_control("x", a_leg("x", "k", "fail", severity="low", n=9_999, f=1)))

    assert shown(score(nearly).assured) == "99.9"
    assert shown(score(nearly[:-1]).assured) == "100.0"


@pytest.mark.parametrize(
    ("tested", "untested", "band"),
    [
        (100, 0, "strong"),
        (90, 10, "strong"),
        (89, 11, "needs work"),
        (59, 41, "not enough evidence"),
    ],
)
def test_the_band_follows_score_and_coverage(tested: int, untested: int, band: str) -> None:
    controls = [
        a_control(f"c{i}", a_leg(f"c{i}", "k", "pass", severity="low")) for i in range(tested)
    ]
    controls += [
        a_control(f"n{i}", a_leg(f"n{i}", "k", "no_data", severity="low")) for i in range(untested)
    ]

    assert score(controls).band == band


def test_waived_legs_earn_nothing_and_the_number_without_them_stands_beside() -> None:
    controls = [
        a_control("a", a_leg("a", "k", "pass")),
        a_control("b", a_leg("b", "k", "waived")),
    ]

    numbers = score(controls)

    assert numbers.assured == 50
    assert numbers.with_exceptions == 100


def test_a_leg_that_is_only_shown_counts_for_nothing() -> None:
    failing = a_leg("a", "k", "fail", severity="critical", shown_only=True)
    control = a_control("a", failing, a_leg("a", "statement", "pass"))

    numbers = score([control])

    assert control.state == "pass"
    assert numbers.assured == 100
    assert numbers.cap == 100


def test_a_control_shows_the_worst_of_its_legs() -> None:
    def state(*states: State) -> State:
        return control_state([a_leg("c", f"k{i}", each) for i, each in enumerate(states)])

    assert state("pass", "fail", "no_data") == "fail"
    assert state("pass", "error") == "no_data"
    assert state("pass", "waived") == "waived"
    assert state("pass", "pending") == "pass"
    assert state("not_occurred", "pending") == "pending"
    assert state("not_occurred", "not_applicable") == "not_occurred"
    assert state("not_applicable") == "not_applicable"


def test_a_result_reads_back_from_its_json_with_the_same_digest() -> None:
    for result in (a_result(), a_result(assured=None)):
        assert from_json(as_json(result)) == result
        assert digest_of(result) == result.digest


def test_the_canonical_form_is_that_of_the_ledger() -> None:
    texts = {"names": ["Zoë", '\u2028\x7f\x01\n"\\/', "😀", "\ue000"], "b": [True, None, -7]}

    assert canonical(texts) == canonicalise(texts)  # type: ignore[arg-type]
    assert canonical(as_json(a_result())) == canonicalise(as_json(a_result()))


def test_every_part_of_a_result_is_in_its_digest() -> None:
    result = a_result()

    for changed in (
        a_result(head_seq=9001),
        a_result(observed_from=result.observed_from + 1),
        a_result(hashes={"catalogue": "0" * 64}),
        a_result(controls=some_controls()[1:]),
        a_result(refused=("entry 7: audit.waiver_approved counts for nothing",)),
    ):
        assert changed.digest != result.digest


def _some(chance: random.Random) -> list[ControlResult]:
    controls = []
    for i in range(chance.randint(1, 8)):
        legs = []
        for j in range(chance.randint(1, 5)):
            state, n = chance.choice(STATES), chance.randint(1, 200)
            f = chance.randint(1, n) if state == "fail" else 0
            severity = chance.choice(SEVERITIES)
            legs.append(a_leg(f"c{i}", f"k{j}", state, severity=severity, n=n, f=f))
        controls.append(a_control(f"c{i}", *legs, weight=chance.choice(SEVERITIES)))
    return controls


def _with(controls: list[ControlResult], i: int, j: int, **fields: object) -> list[ControlResult]:
    legs = list(controls[i].legs)
    legs[j] = replace(legs[j], **fields)  # type: ignore[arg-type]
    changed = list(controls)
    changed[i] = replace(changed[i], legs=tuple(legs))
    return changed


def _never_higher(before: Fraction | None, after: Fraction | None) -> bool:
    return before is None or (after is not None and after <= before)


def test_no_move_pays_that_should_not() -> None:
    chance = random.Random(7)
    moves = 0
    while moves < MOVES:
        controls = _some(chance)
        before = score(controls)
        i = chance.randrange(len(controls))
        j = chance.randrange(len(controls[i].legs))
        leg = controls[i].legs[j]
        mixed = [replace(each, legs=tuple(reversed(each.legs))) for each in reversed(controls)]
        assert score(mixed).assured == before.assured  # order is nothing
        if before.assured is None or before.raw is None or before.coverage is None:
            continue
        if before.tested is not None:
            assert before.tested * before.coverage / 100 == before.raw

        if leg.state in ("fail", "no_data", "error", "waived"):
            mended = score(_with(controls, i, j, state="pass", f=0))
            assert mended.assured is not None
            assert mended.assured >= before.assured  # fixing never lowers
            moves += 1
        if leg.state == "fail" and leg.f > 1:
            fewer = score(_with(controls, i, j, f=leg.f - 1))
            assert fewer.assured is not None
            assert fewer.assured >= before.assured
            moves += 1
        if leg.state not in ("no_data", "error"):
            withheld = score(_with(controls, i, j, state="no_data", n=0, f=0))
            assert _never_higher(before.assured, withheld.assured)  # withholding never raises
            assert _never_higher(before.raw, withheld.raw)
            assert _never_higher(before.coverage, withheld.coverage)
            moves += 1
        if leg.state == "fail":
            flood = leg.n * chance.randint(10, 1000)
            flooded = score(_with(controls, i, j, n=leg.n + flood))
            assert flooded.cap == before.cap  # a flood of easy passes lifts no cap
            if leg.severity in ("critical", "high"):
                assert flooded.assured == before.assured
            moves += 1
        if leg.state in ("fail", "no_data", "error"):
            waived = score(_with(controls, i, j, state="waived"))
            assert waived.raw is not None
            assert waived.raw <= before.raw  # a waiver lifts the cap and earns nothing
            moves += 1


def test_dropping_a_whole_event_stream_never_pays() -> None:
    chance = random.Random(11)
    for _ in range(STREAMS):
        controls = _some(chance)
        before = score(controls)
        gone = f"k{chance.randrange(5)}"
        silent = [
            replace(
                each,
                legs=tuple(
                    replace(leg, state="no_data", n=0, f=0) if leg.id == gone else leg
                    for leg in each.legs
                ),
            )
            for each in controls
        ]

        assert _never_higher(before.assured, score(silent).assured)
