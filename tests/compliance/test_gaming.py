"""Every way to game a score that we know, on real entries, and what it gains.

Nothing, or an act that is listed, expires and needs two people.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from audit.ledger.record import format_time
from compliance.result import FrameworkResult
from tests.compliance.judging import (
    OF_AGENT,
    OF_PEOPLE,
    Story,
    a_control,
    a_framework,
    at,
    control_of,
    dates,
    leg_of,
    ours,
)

DAYS = 2
HOUSE = a_framework(
    a_control("approvals", "TOOL-01", weight="critical"),
    a_control("policy", "TOOL-02"),
    a_control("identity", "IAM-01"),
    a_control("silence", "MON-01"),
    a_control("loss", "LOG-03"),
)
HASH = "a" * 64
SECOND_NOON = at(1, hours=12)
DECIDED = {"policy_id": "p-1", "policy_version": "1", "effect": "allow"}


class Shop(Story):
    """Two days of an agent that searches, and pays when a person has approved it."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = 0
        self.verified(DAYS)
        self.agents("agent.started", at(0), category="agent_lifecycle")
        for tool, risk in (("search", "low"), ("pay", "high")):
            self.governance("tool.registered", at(0, minutes=1), tool={"name": tool, "risk": risk})
        for i in range(DAYS * 144):
            self.agents("agent.heartbeat", at(minutes=10 * i + 5), category="agent_lifecycle")

    def agents(self, action: str, when: datetime, *, category: str, **fields: Any) -> str:
        """Tell of an act of the agent, with its number in the order of sending."""
        return self.tell(action, when, category=category, **self.numbered() | fields)

    def numbered(self) -> dict[str, Any]:
        self.sent += 1
        return {
            "client_seq": self.sent,
            "agent": {"id": "alice-agent", "instance_id": "one"},
        }

    def governance(self, action: str, when: datetime, **fields: Any) -> str:
        """Tell of an act of Carol, with a key that speaks for people."""
        given = {
            "category": "decision" if action.startswith("approval") else "registry",
            "actor": {"type": "human", "id": "carol"},
            "agent": {"id": "platform"},
            "source": OF_PEOPLE,
        }
        return self.tell(action, when, **given | fields)

    def search(self, when: datetime, **fields: Any) -> str:
        """Tell of an ordinary call."""
        given = {"tool": {"name": "search", "risk": "low"}, "decision": DECIDED}
        return self.agents("tool.invoke", when, category="tool_call", **given | fields)

    def approve(self, when: datetime, approval: str, **fields: Any) -> str:
        """Tell of Carol's approval of a payment, good for a day."""
        decision = {"approval_id": approval, "requested_by": "alice-agent"}
        decision["expires_at"] = format_time(at(30))
        given = {"tool": {"name": "pay", "arguments_hash": HASH}, "decision": decision}
        return self.governance("approval.granted", when, **given | fields)

    def pay(self, when: datetime, approval: str, **fields: Any) -> str:
        """Tell of a payment that names an approval."""
        decision = DECIDED | {"approval_id": approval, "requested_by": "alice-agent"}
        given = {
            "tool": {"name": "pay", "risk": "high", "arguments_hash": HASH},
            "decision": decision,
        }
        return self.agents("tool.invoke", when, category="tool_call", **given | fields)

    def score(self, **asked: Any) -> FrameworkResult:
        """Judge the two days; a last entry has moved the clock past them."""
        return self.judged(ours(), HOUSE, days=DAYS, **asked)


def well_run() -> Shop:
    shop = Shop()
    for i in range(100):
        shop.search(at(0, hours=2, minutes=i))
    shop.approve(at(0, hours=8), "ok-1")
    shop.pay(at(0, hours=9), "ok-1")
    shop.platform("audit.chain_verified", at(DAYS, minutes=1))
    return shop


@pytest.fixture
def shop() -> Shop:
    return well_run()


def failing_payment(shop: Shop) -> Shop:
    shop.pay(at(1, hours=9), "never-given")
    return shop


def test_a_well_run_shop_has_a_hundred(shop: Shop) -> None:
    result = shop.score()

    assert {leg.id: leg.state for each in result.controls for leg in each.legs} == {
        "TOOL-01": "pass",
        "TOOL-02": "pass",
        "IAM-01": "pass",
        "MON-01": "pass",
        "LOG-03": "pass",
    }
    assert result.numbers.assured == 100


class TestApprovals:
    def payment(self, result: FrameworkResult) -> tuple[str, int, int]:
        leg = leg_of(result, "approvals", "TOOL-01")
        return leg.state, leg.n, leg.f

    def test_typing_an_approval_id_gains_nothing(self, shop: Shop) -> None:
        result = failing_payment(shop).score()

        assert self.payment(result) == ("fail", 2, 1)
        assert result.numbers.assured == 49

    def test_using_an_approval_twice_gains_nothing(self, shop: Shop) -> None:
        shop.pay(at(0, hours=10), "ok-1")

        assert self.payment(shop.score()) == ("fail", 2, 1)

    def test_an_approval_of_other_arguments_gains_nothing(self, shop: Shop) -> None:
        shop.approve(at(0, hours=11), "ok-2")
        swapped = {"name": "pay", "risk": "high", "arguments_hash": "b" * 64}
        shop.pay(at(0, hours=12), "ok-2", tool=swapped)

        assert self.payment(shop.score()) == ("fail", 2, 1)

    def test_an_approval_that_is_back_dated_gains_nothing(self, shop: Shop) -> None:
        shop.pay(at(1, hours=9), "late")
        shop.approve(at(1, hours=8), "late", received=at(1, hours=10))

        assert self.payment(shop.score()) == ("fail", 2, 1)

    def test_an_agent_that_approves_for_a_person_gains_nothing(self, shop: Shop) -> None:
        shop.approve(at(1, hours=8), "self", source=OF_AGENT)
        shop.pay(at(1, hours=9), "self")

        assert self.payment(shop.score()) == ("fail", 2, 1)

    def test_calling_a_dangerous_tool_harmless_gains_nothing(self, shop: Shop) -> None:
        claimed = {"name": "pay", "risk": "low", "arguments_hash": HASH}
        shop.pay(at(1, hours=9), "never-given", tool=claimed)

        assert self.payment(shop.score()) == ("fail", 2, 1)


class TestFloods:
    def test_a_flood_of_easy_passes_lifts_no_failure(self, shop: Shop) -> None:
        before = failing_payment(shop).score()
        for i in range(2_000):
            shop.search(at(1, hours=10, minutes=i % 700))
        for i in range(200):
            shop.approve(at(1, hours=2), f"bulk-{i}")
            shop.pay(at(1, hours=3), f"bulk-{i}")
        after = shop.score()

        assert after.numbers.assured == before.numbers.assured == 49
        assert after.numbers.raw == before.numbers.raw

    def test_a_chatty_agent_cannot_hide_a_bad_one(self, shop: Shop) -> None:
        for i in range(300):
            shop.tell(
                "tool.invoke",
                at(1, hours=4, minutes=i),
                category="tool_call",
                agent={"id": "bad-agent"},
                tool={"name": "search", "risk": "low"},
                decision={} if i % 30 == 0 else DECIDED,
            )
        for i in range(5_000):
            shop.search(at(1, hours=10, minutes=i % 700))

        result = shop.score()

        assert leg_of(result, "policy", "TOOL-02").state == "fail"
        (check,) = [each for each in result.checks if each.check == "TOOL-02"]
        assert check.worst_agent == "bad-agent"


def is_of(*actions: str) -> Callable[[dict[str, Any]], bool]:
    return lambda event: event["action"] in actions


def is_of_the_agent(event: dict[str, Any]) -> bool:
    return bool(event["agent"]["id"] == "alice-agent")


class TestSilence:
    @pytest.mark.parametrize(
        "is_dropped",
        [
            is_of("audit.chain_verified"),
            is_of("agent.heartbeat"),
            is_of("agent.started"),
            is_of("tool.invoke"),
            is_of("tool.registered"),
            is_of("approval.granted"),
            is_of_the_agent,
        ],
        ids=["verified", "heartbeat", "started", "calls", "registry", "approvals", "all"],
    )
    @pytest.mark.parametrize("story", [well_run, lambda: failing_payment(well_run())])
    def test_dropping_a_stream_gains_nothing(
        self, story: Callable[[], Shop], is_dropped: Callable[[dict[str, Any]], bool]
    ) -> None:
        whole, silent = story(), story()
        silent.drop(is_dropped)

        before, after = whole.score().numbers, silent.score().numbers

        assert before.assured is not None
        assert after.assured is None or after.assured <= before.assured

    def test_leaving_out_single_calls_shows_in_their_numbers(self, shop: Shop) -> None:
        failing_payment(shop)
        shop.search(at(1, hours=10))
        dropped = 0

        def is_the_payment(event: dict[str, Any]) -> bool:
            nonlocal dropped
            hit = bool(event.get("decision", {}).get("approval_id") == "never-given")
            dropped += hit
            return hit

        shop.drop(is_the_payment)
        result = shop.score()

        assert dropped == 1
        assert leg_of(result, "approvals", "TOOL-01").state == "pass"
        assert leg_of(result, "loss", "LOG-03").f == 1  # and what is lost is listed


class TestPeoplesActs:
    def waiver(self, shop: Shop, *, by: str, when: datetime = SECOND_NOON, **said: Any) -> None:
        first, last = dates(0, 30)
        given: dict[str, Any] = {"act": "approved", "waiver": "w", "framework": "house"}
        given |= {
            "control": "approvals",
            "check": "TOOL-01",
            "items": [],
            "asked_by": "alice",
            "from": first,
        }
        shop.person("waiver_approved", when, by=by, **given | {"expires_on": last} | said)

    def scope(self, shop: Shop, *, by: str, when: datetime = SECOND_NOON) -> None:
        _, last = dates(0, 30)
        given = {"act": "out", "decision": "d", "framework": "house", "control": "approvals"}
        given |= {"reason": "we never pay", "asked_by": "alice", "expires_on": last}
        shop.person("scope_decided", when, by=by, **given)

    def test_waiving_alone_gains_nothing_and_is_named(self, shop: Shop) -> None:
        failing_payment(shop)
        self.waiver(shop, by="alice")
        result = shop.score()

        assert result.numbers.assured == 49
        assert "alice both asked for it and approved it" in result.refused[0]

    def test_a_waiver_of_two_people_lifts_the_cap_and_earns_nothing(self, shop: Shop) -> None:
        before = failing_payment(shop).score().numbers
        self.waiver(shop, by="bob")
        result = shop.score()

        assert result.numbers.cap == 100
        assert result.numbers.raw == before.raw
        assert control_of(result, "approvals").state == "waived"
        assert leg_of(result, "approvals", "TOOL-01").act_seq is not None

    def test_a_waiver_after_the_period_gains_nothing_in_it(self, shop: Shop) -> None:
        failing_payment(shop)
        self.waiver(shop, by="bob", when=at(DAYS, hours=1))

        assert shop.score().numbers.assured == 49

    def test_moving_out_of_scope_alone_gains_nothing(self, shop: Shop) -> None:
        failing_payment(shop)
        self.scope(shop, by="alice")
        result = shop.score()

        assert result.numbers.assured == 49
        assert result.refused

    def test_moving_out_of_scope_takes_two_people_and_is_listed(self, shop: Shop) -> None:
        failing_payment(shop)
        self.scope(shop, by="bob")
        result = shop.score()

        leg = leg_of(result, "approvals", "TOOL-01")
        assert leg.state == "not_applicable"
        assert leg.reason == "out of scope, approved by bob: we never pay"
        assert leg.act_seq is not None

    def test_a_scope_decision_made_after_the_period_is_none_of_it(self, shop: Shop) -> None:
        failing_payment(shop)
        self.scope(shop, by="bob", when=at(DAYS, hours=1))

        assert shop.score().numbers.assured == 49
