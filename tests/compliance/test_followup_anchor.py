"""followup with an anchor: the clock of a breach, whatever comes when, and wherever one stops."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compliance.result import LAST, time_text
from tests.compliance.told import DAY, HOUR, MONDAY, Told, text_of, told


def breach(ledger: Told, at: int, action: str = "confirmed", **more: Any) -> int:
    fields: dict[str, Any] = {"case__id": "B1", "person": True}
    if action == "confirmed":
        fields |= {"case__regimes": ["gdpr", "hipaa"], "case__our_role": "controller"}
    return ledger.tell(f"breach.{action}", at, **(fields | more))


def at_text(at: int) -> str:
    return text_of(MONDAY + at)


class TestAnchor:
    """anchor, key, variants, extend."""

    def due(self, ledger: Told, item: str) -> int | None:
        due = ledger.items("pending")[item].due
        return None if due is None else due - MONDAY

    def test_time_runs_from_the_anchor(self) -> None:
        ledger = told("BRE-01")
        seq = breach(ledger, DAY, case__aware_at=at_text(HOUR))

        assert self.due(ledger, str(seq)) == HOUR + 72 * HOUR

    def test_without_the_anchor_it_runs_from_the_event(self) -> None:
        ledger = told("BRE-01")
        seq = breach(ledger, DAY)

        assert self.due(ledger, str(seq)) == DAY + 72 * HOUR

    def test_nobody_becomes_aware_after_the_case_began(self) -> None:
        ledger = told("BRE-01")
        breach(ledger, HOUR, "suspected")
        seq = breach(ledger, DAY, case__aware_at=at_text(20 * HOUR))

        assert self.due(ledger, str(seq)) == HOUR + 72 * HOUR

    def test_the_first_field_that_is_present_counts(self) -> None:
        ledger = told("BRE-06")
        seq = breach(ledger, DAY, case__our_role="processor", case__discovered_at=at_text(2 * HOUR))

        assert self.due(ledger, str(seq)) == 2 * HOUR + 60 * DAY

    def test_a_field_that_is_not_of_a_case_may_lie_in_the_future(self) -> None:
        ledger = told("DATA-05")
        seq = ledger.tell(
            "data.create",
            0,
            category="data_access",
            target__id="t1",
            data__retention_until=at_text(100 * DAY),
        )
        assert self.due(ledger, str(seq)) == 130 * DAY

    def test_one_item_a_case_the_earliest(self) -> None:
        ledger = told("BRE-05")
        breach(ledger, 0, "suspected")
        breach(ledger, DAY)
        breach(ledger, 2 * DAY, "risk_assessed", case__factors={"nature": "low"})

        assert ledger.counts() == (1, 0, 0)

    @pytest.mark.parametrize("assessed", [False, True])
    def test_an_earlier_event_that_arrives_late_takes_the_place(self, assessed: bool) -> None:
        ledger = told("BRE-05")
        breach(ledger, DAY)
        if assessed:
            breach(ledger, 2 * DAY, "risk_assessed", case__factors={"nature": "low"})
        earlier = breach(ledger, 0, "suspected", received=3 * DAY)

        assert ledger.counts() == ((1, 0, 0) if assessed else (0, 0, 1))
        assert list(ledger.items("pending")) == ([] if assessed else [str(earlier)])

    def test_a_key_that_has_failed_moves_too(self) -> None:
        ledger = told("BRE-05")
        breach(ledger, DAY)
        ledger.wait(40 * DAY)
        earlier = breach(ledger, 0, "suspected", received=41 * DAY)

        assert ledger.counts(60) == (1, 1, 0)
        assert list(ledger.items()) == [str(earlier)]

    def test_each_variant_that_holds_is_an_item(self) -> None:
        ledger = told("BRE-04")
        seq = breach(
            ledger,
            0,
            case__discovered_at=at_text(0),
            case__affected_subjects=900,
            case__max_affected_in_state=700,
        )
        waiting = ledger.counts()
        breach(ledger, DAY, "media_notified")

        assert waiting == (0, 0, 2)
        assert ledger.counts() == (1, 0, 1)
        assert list(ledger.items("pending")) == [f"{seq}/hhs_large"]

    def test_a_small_breach_is_told_by_the_sixtieth_day_of_the_next_year(self) -> None:
        ledger = told("BRE-04")
        seq = breach(ledger, 0, case__discovered_at=at_text(0), case__affected_subjects=3)

        due = ledger.items("pending")[f"{seq}/hhs_annual"].due
        assert due is not None
        assert text_of(due) == "2027-03-01T23:59:59.999999Z"

    def test_a_breach_of_the_last_year_there_is_has_a_deadline_that_can_be_shown(self) -> None:
        ledger = told("BRE-04")
        seq = breach(ledger, LAST - MONDAY, received=0, case__affected_subjects=3)

        pending = ledger.memory.books[ledger.lens.id].items[f"{seq}/hhs_annual"]
        assert pending.due is not None
        assert time_text(pending.due) == "9999-12-31T23:59:59.999999Z"

    def test_without_any_variant_it_fails(self) -> None:
        ledger = told("BRE-04", variants=[
            {
                "name": "media",
                "when": ["case.max_affected_in_state", "gt", 500],
                "match": ["action", "eq", "breach.media_notified"],
                "within": "P60D",
            }
        ])  # fmt: skip
        seq = breach(ledger, 0)

        assert ledger.counts() == (1, 1, 0)
        assert list(ledger.items()) == [f"{seq}/none"]

    def test_parts_keep_the_variants_they_name(self) -> None:
        ledger = told("BRE-04", parts=["media"])
        breach(ledger, 0, case__affected_subjects=900, case__max_affected_in_state=700)
        breach(ledger, 0, case__id="B2", case__affected_subjects=900)

        assert ledger.counts() == (0, 0, 1)

    @pytest.mark.parametrize(
        ("days", "written", "expected"),
        [(20, None, 80), (45, None, 90), (45, True, 105), (0, None, 60), (-5, True, 60)],
    )
    def test_law_enforcement_may_delay(
        self, days: int, written: bool | None, expected: int
    ) -> None:
        ledger = told("BRE-03")
        seq = breach(ledger, 0)
        more = {} if written is None else {"case__delay_written": written}
        breach(ledger, DAY, "law_enforcement_delay", case__delay_days=days, **more)

        assert self.due(ledger, str(seq)) == expected * DAY

    def test_a_delay_that_comes_after_the_deadline_is_none(self) -> None:
        ledger = told("BRE-03")
        breach(ledger, 0)
        breach(ledger, DAY, "law_enforcement_delay", case__delay_days=30, received=61 * DAY)
        breach(ledger, 65 * DAY, "subjects_notified")

        assert ledger.counts(90) == (1, 1, 0)

    def test_of_two_delays_the_longest_counts_and_not_both(self) -> None:
        ledger = told("BRE-03")
        seq = breach(ledger, 0)
        breach(ledger, DAY, "law_enforcement_delay", case__delay_days=10)
        breach(ledger, 2 * DAY, "law_enforcement_delay", case__delay_days=20)

        assert self.due(ledger, str(seq)) == 80 * DAY

    def test_a_delay_that_is_chained_before_the_breach_counts(self) -> None:
        ledger = told("BRE-03")
        breach(ledger, 0, "law_enforcement_delay", case__delay_days=10)
        seq = breach(ledger, HOUR)

        assert self.due(ledger, str(seq)) == 70 * DAY

    @pytest.mark.parametrize(
        ("within", "extended_at"), [("P1M", 20), ("P3M", 40)], ids=["in time", "too late"]
    )
    def test_a_request_is_extended_within_its_first_month_only(
        self, within: str, extended_at: int
    ) -> None:
        """One month and two more, or three without any: both end on the same day."""
        ledger = told("DSR-01", within=within)
        seq = ledger.tell("dsr.received", HOUR, case__id="D1", case__dsr_type="access")
        ledger.tell("dsr.extended", extended_at * DAY, case__id="D1", reason="complex", person=True)

        due = ledger.items("pending")[str(seq)].due
        assert due is not None
        assert text_of(due) == "2026-12-07T23:59:59.999999Z"

    def test_an_extension_from_history_reopens_what_had_failed(self) -> None:
        ledger = told("BRE-03")
        ledger.wait(80 * DAY)
        breach(ledger, 0, received=80 * DAY, backfill=True)
        breach(ledger, 70 * DAY, "subjects_notified", received=80 * DAY, backfill=True)
        failed = ledger.counts(90)
        breach(
            ledger,
            DAY,
            "law_enforcement_delay",
            case__delay_days=15,
            received=80 * DAY,
            backfill=True,
        )

        assert failed == (1, 1, 0)
        assert ledger.counts(90) == (1, 0, 0)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["suspected", "confirmed", "risk_assessed", "law_enforcement_delay",
                         "authority_notified", "media_notified", "subjects_notified"]),
        st.integers(0, 100 * 24),
        st.integers(0, 100 * 24),
        st.sampled_from(["B1", "B2"]),
        st.booleans(),
    ),
    max_size=12,
)  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(STEPS, st.sampled_from(["BRE-03", "BRE-04", "BRE-05", "BRE-01", "BRE-02"]))
def test_stopping_anywhere_changes_nothing_and_the_books_balance(
    steps: list[tuple[str, int, int, str, bool]], check: str
) -> None:
    def run(*, resumes: bool) -> Told:
        ledger = told(check)
        ledger.resumes = resumes
        for action, at, received, case, backfill in sorted(steps, key=lambda step: step[2]):
            breach(
                ledger,
                at * HOUR,
                action,
                received=received * HOUR,
                backfill=backfill,
                case__id=case,
                case__regimes=["gdpr", "hipaa"],
                case__risk="high",
                case__factors={"nature": "low"},
                case__delay_days=at % 50 or 1,
                case__affected_subjects=at,
                case__max_affected_in_state=at,
            )
        ledger.wait(800 * DAY)
        return ledger

    once = run(resumes=False)
    assert run(resumes=True).rows() == once.rows()
    n, f, pending = once.counts(900)
    assert pending == 0
    assert len(once.items(days=900)) == f <= n
    assert not once.items("pending", days=900)
    assert min((row[3] for row in once.decided()), default=0) >= 0
