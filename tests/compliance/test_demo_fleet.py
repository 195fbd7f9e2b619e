"""The demo fleet: each thing that was planted is found by the check meant for it, and no other is.

`docs/demo.md` holds the tables that are made here of what was found; a test holds both together.
The fleet goes in at one moment, so that every figure is the same each time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from compliance.kinds.base import Item
from compliance.result import FrameworkResult
from obsplatform.fleet.deliver import deliveries
from obsplatform.fleet.history import history
from obsplatform.fleet.live import live
from obsplatform.fleet.planted import PLANTED
from obsplatform.fleet.teller import Event
from tests.compliance.recorded import Found, Recorded, result_row

NOW = datetime(2026, 11, 20, 15, 30, tzinfo=UTC)
PERIOD = ("2026-10-21", "2026-11-21")
FRAMEWORKS = ("soc2", "gdpr", "hipaa", "iso42001")
DEMO = Path(__file__).parents[2] / "docs" / "demo.md"


@dataclass(frozen=True, kw_only=True)
class Catch:
    """Something planted, the check that finds it, and the runs of the entries that fail."""

    what: str
    check: str
    runs: tuple[str, ...]
    """Once for each failing item; an item that is about no run stands as its id."""
    note: str = ""


def _catch(what: str, check: str, *runs: str, note: str = "") -> Catch:
    return Catch(what=what, check=check, runs=runs, note=note)


_HELIO = "Health data to a vendor without an agreement"
_MACRO = "An agent that nobody registered, with a model that nobody did"
_RETIRED = "A retired agent at work"
_SIGNS_IN = "That account signs in a day later"
_RELEASE = "A release that nobody tested or approved"
_BULK = "1,312 health records read at once, without a yes"

CAUGHT = (
    _catch("A HIPAA breach; its people are told after 64 days, not 60", "BRE-03", "BR-22"),
    _catch("An erasure asked for 41 days ago and never answered", "DSR-01", "DSR-104"),
    _catch("A breach; the authority is told after 101 hours, not 72", "BRE-01", "BR-31"),
    _catch("A table dropped in production without an approval", "TOOL-01", "run-migrate-4471"),
    _catch("Health data by plain fax", "DATA-03", "run-fax-0416"),
    _catch("A person approves their own request", "IAM-13", "run-pay-7702"),
    _catch("A query that was denied and ran all the same", "TOOL-03", "run-panel-0813"),
    _catch("Fourteen events lost on the way: client_seq jumps", "LOG-03", "run-after-crash",
           note="one hole of 14 numbers; pending until the ledger's clock is an hour on"),
    _catch("A refund of 1,840 EUR without an approval", "TOOL-01", "run-refund-2210"),
    _catch("Fourteen time-outs within half an hour", "OPS-01", "2026-11-08/claims-adjudicator",
           note="the agent's day"),
    _catch(_RETIRED, "IAM-07", "pilot-over"),
    _catch(_RETIRED, "MON-03", "run-translate-zombie"),
    _catch("High-risk profiling without an impact assessment", "PD-11", "run-lapse-10"),
    _catch("912.40 EUR approved, 91,240 EUR released under that approval", "TOOL-01",
           "run-pay-7741"),
    _catch("A critical alert that nobody answered", "MON-04", "ALR-604"),
    _catch("A new model version that no change brought", "CHG-02", "run-study-new"),
    _catch("A guardrail switched off and nobody asked", "CHG-05", "guardrail-off-8"),
    _catch("Emergency access without a reason or a review", "IAM-12", "emergency-6"),
    _catch(_RELEASE, "CHG-01", "CHG-2231", "CHG-2231", note="a version and a prompt"),
    _catch(_RELEASE, "CHG-03", "CHG-2231", "CHG-2231", note="a version and a prompt"),
    _catch("A prompt injection in a mail, only warned of", "AI-01", "run-mail-5519"),
    _catch(_HELIO, "DATA-09", "run-helio-trial"),
    _catch(_HELIO, "PHI-03", "run-helio-trial"),
    _catch(_HELIO, "PD-09", "run-helio-trial"),
    _catch(_HELIO, "AI-02", "run-helio-trial"),
    _catch(_HELIO, "VND-01", "run-helio-trial"),
    _catch(_HELIO, "CHG-02", "run-helio-trial", "run-helio-trial", "run-helio-trial",
           note="provider, name and version of the model"),
    _catch("Sixteen names tried from one address, and nobody reacts", "IAM-03", "signin-spray"),
    _catch(_MACRO, "MON-03", "macro-q4", "macro-q4", "macro-q4", "macro-q4",
           note="every one of its acts"),
    _catch(_MACRO, "AI-02", "macro-q4", "macro-q4", "macro-q4", "macro-q4",
           note="every one of its acts"),
    _catch(_MACRO, "VND-01", "macro-q4", note="a vendor is an item once a day"),
    _catch("The erased person's file is read again", "DSR-03", "DSR-118"),
    _catch(_SIGNS_IN, "IAM-07", "leaver-omar", "leaver-omar",
           note="the account was disabled, then deleted: two bans"),
    _catch(_BULK, "DATA-06", "run-bulk-1312"),
    _catch(_BULK, "PHI-02", "run-bulk-1312", note="within the tolerance of 1 percent: no failure"),
    _catch("An administrator signs in without a second factor", "IAM-02", "signin-vera"),
    _catch("Starts in the live part and never says another word", "MON-01", "night-shift",
           note="15 minutes later; within the tolerance of 0.5 percent: no failure"),
)  # fmt: skip

NOT_CHECKED = {
    "Six failed sign-ins, then a lockout":
        "IAM-03 counts it and it passes: the lockout answered within the hour",
    "A case handler refused seven times at a colleague's file":
        "no check: the refusal worked, and how often is too often is for people to say",
    "Raw answers read after the scope for them ended":
        "no check: no event says which scope an act used; the entries show both",
    "The refund's id used again with another sum: in Quarantine":
        "no check: it never became an entry; Quarantine, and the entry `audit.id_conflict`",
    "A key, a token and two passwords in details; stored without them":
        "no check: taken out before it was stored; the entry holds `***REDACTED***`",
    "A night's loop that costs a month's budget":
        "no check: events name no budget; its own alert and incident tell of it, in time",
    "Silence: no heartbeat for 37 hours from here on":
        "no check: MON-01 goes by arrival and leaves history out; alert ALR-609 noticed it",
}  # fmt: skip
"""What was planted and no check is meant for: who catches it instead."""

NO_RETURN = "nobody signed that there was none (nil return); until then silence is no evidence"
WHY = {
    ("BRE-04", "pass"): "a breach of fewer than 500 people: HHS may be told until 60 days after"
        " the year's end, so it waits",
    ("BRE-06", "no_data"): f"the fleet is nobody's processor, so no such breach; {NO_RETURN}",
    ("DATA-05", "no_data"): "no event gives a date until which data is kept; deletion by date"
        " cannot be followed",
    ("DSR-01", "no_data"): f"no request of these kinds came; {NO_RETURN}",
    ("IAM-09", "no_data"): "no agent has 20 decisions on any one day, fewer make no rate",
    ("LOG-06", "fail"): "entries are kept 365 days (only those with health data six years); HIPAA"
        " asks six years of all of them: **Retention** in the desk",
    ("LOG-07", "not_occurred"): "nobody has taken anything out of the log yet",
    ("LOG-08", "pass"): "one payment whose answer was lost: outcome `unknown`; within the"
        " tolerance of 0.5 percent",
    ("LOG-09", "not_occurred"): "nobody shortened a retention or switched a source off",
    ("PD-07", "not_occurred"): "no transfer rests on this ground; Article 44 judges all of them",
    ("PD-10", "not_occurred"): "no data was collected elsewhere than from the person",
    ("PD-13", "not_occurred"): "no children's data",
    ("PHI-04", "not_occurred"): "every disclosure was for treatment, payment or operations, which"
        " need no accounting",
}  # fmt: skip
"""Why a check is no plain pass though nothing was planted for it, by check and state."""

FAILS_UNPLANTED = {"LOG-06": 1, "LOG-08": 1}
"""Failing items that were not planted, by check; `WHY` explains them."""


@pytest.fixture(scope="module")
def at_once_and_later() -> tuple[list[Found], Recorded]:
    """Return what SOC 2 finds right after loading, and the ledger two silent hours later."""
    recorded = _loaded()
    found = recorded.found([recorded.evaluate("soc2", *PERIOD)])
    _report_queue(recorded, NOW + timedelta(hours=2))
    return found, recorded


@pytest.fixture(scope="module")
def ledger(at_once_and_later: tuple[list[Found], Recorded]) -> Recorded:
    return at_once_and_later[1]


@pytest.fixture(scope="module")
def results(ledger: Recorded) -> list[FrameworkResult]:
    return [ledger.evaluate(framework, *PERIOD) for framework in FRAMEWORKS]


@pytest.fixture(scope="module")
def found(ledger: Recorded, results: list[FrameworkResult]) -> list[Found]:
    return ledger.found(results)


def _loaded() -> Recorded:
    """Return the ledger as it stands when `manage.py demo` is done."""
    recorded = Recorded()
    _deliver(recorded, history(now=NOW), backfill=True)
    _deliver(recorded, live(now=NOW), backfill=False)
    size = len(recorded.events)
    after = NOW + timedelta(seconds=1)
    recorded.own("audit.chain_verified", after, integrity={"from_seq": 0, "to_seq": size})
    recorded.own(
        "audit.retention_reported",
        after,
        integrity={"retention_days": 365, "oldest_seq": 0},
        details={"categories": {}, "data_classes": {"phi": 2192}},
    )
    _report_queue(recorded, after)
    return recorded


def _deliver(recorded: Recorded, events: list[Event], *, backfill: bool) -> None:
    for post in deliveries(events):
        scope = "governance" if post.needs_governance else "events"
        recorded.post(post.events, received=NOW, scope=scope, backfill=backfill)


def _report_queue(recorded: Recorded, at: datetime) -> None:
    recorded.own("system.queue_reported", at, system={"queue_depth": 0, "max_lag_seconds": 1.4})


def _about(ledger: Recorded, check: str, item: Item) -> str:
    return {"MON-01": item.agent, "OPS-01": item.item}.get(check) or ledger.run(item)


def _caught(ledger: Recorded, found: Iterable[Found]) -> dict[str, Counter[str]]:
    """Return what fails, by check: how often each run. An item of several lenses counts once."""
    items = {(each.result.check, item.item): item for each in found for item in each.items}
    by_check: dict[str, Counter[str]] = {}
    for (check, _), item in items.items():
        by_check.setdefault(check, Counter())[_about(ledger, check, item)] += 1
    return by_check


def test_each_thing_planted_is_found_by_the_checks_meant_for_it_and_nothing_else_is(
    ledger: Recorded, found: list[Found]
) -> None:
    meant: dict[str, Counter[str]] = {}
    for catch in CAUGHT:
        meant.setdefault(catch.check, Counter()).update(catch.runs)
    caught = _caught(ledger, found)
    others = {check: caught.pop(check).total() for check in FAILS_UNPLANTED}

    assert caught == meant
    assert others == FAILS_UNPLANTED


def test_everything_planted_is_found_or_said_to_have_no_check() -> None:
    bad = {plant.what for plant in PLANTED if not plant.is_good}

    assert {catch.what for catch in CAUGHT} | NOT_CHECKED.keys() == bad
    assert not {catch.what for catch in CAUGHT} & NOT_CHECKED.keys()


def test_what_was_lost_and_who_is_silent_show_only_when_their_time_is_over(
    at_once_and_later: tuple[list[Found], Recorded],
) -> None:
    by_check = {each.result.check: each.result for each in at_once_and_later[0]}

    assert (by_check["LOG-03"].state, by_check["LOG-03"].pending) == ("pass", 1)
    assert (by_check["MON-01"].state, by_check["MON-01"].f) == ("pass", 0)


def test_no_statement_is_signed_and_no_framework_that_nobody_declared_applies(
    ledger: Recorded, results: list[FrameworkResult]
) -> None:
    statements = [
        leg for result in results for one in result.controls for leg in one.legs
        if leg.id == "statement"
    ]  # fmt: skip
    act = ledger.evaluate("eu_ai_act", *PERIOD)

    assert {(leg.state, leg.reason) for leg in statements} == {
        ("no_data", "no statement is signed")
    }
    assert act.numbers.assured is None
    assert act.not_in_force


def test_the_document_says_what_was_found(
    ledger: Recorded, results: list[FrameworkResult], found: list[Found]
) -> None:
    text = DEMO.read_text()

    for rows in tables(ledger, results, found):
        assert "\n".join(rows) + "\n" in text


def tables(
    ledger: Recorded, results: Sequence[FrameworkResult], found: Sequence[Found]
) -> list[list[str]]:
    """Return the rows of the document's tables: scores, what was planted, no check, the rest."""
    widest: dict[str, Found] = {}
    for each in sorted(found, key=lambda one: one.result.n):
        widest[each.result.check] = each
    caught = []
    for catch in CAUGHT:
        whole = widest[catch.check]
        f = sum(
            item.weight for item in whole.items if _about(ledger, catch.check, item) in catch.runs
        )
        caught.append(
            f"| {catch.what} | {catch.check} | {f} of {whole.result.n:,} | {catch.note} |"
        )
    meant = {catch.check for catch in CAUGHT}
    return [
        [result_row(result) for result in results],
        caught,
        [f"| {what} | {why} |" for what, why in NOT_CHECKED.items()],
        [
            each.row(WHY[each.result.check, each.result.state])
            for each in found
            if not each.is_plain and not (each.result.f and each.result.check in meant)
        ],
    ]
