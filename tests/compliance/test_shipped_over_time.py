"""Every shipped check of the kinds cadence, gap, burst, followup and forbid finds what it is for.

Each has one story in which it holds and one in which it fails, told by hand.
"""

from __future__ import annotations

from typing import Any

import pytest

from compliance.catalogue import load_catalogue
from tests.compliance.told import DAY, HOUR, MINUTE, Told, text_of, told
from tests.compliance.told import MONDAY as START

Step = tuple[str, str, int, dict[str, Any]]

LATE = 400 * DAY


def e(action: str, at: int = 0, category: str = "case", **fields: Any) -> Step:
    """An event by a machine."""
    return action, category, at, fields


def p(action: str, at: int = 0, category: str = "case", **fields: Any) -> Step:
    """An act of a person."""
    return action, category, at, {"person": True, **fields}


def id_of(seq: int) -> str:
    return f"00000000-0000-7000-8000-{seq:012x}"


def cadence(step: Step, every: int) -> tuple[list[Step], list[Step]]:
    """Matches as often as they must be, over three intervals; and none at all."""
    action, category, _, fields = step
    good = [(action, category, place * every + HOUR, fields) for place in range(4)]
    return good, []


TRACE = {"trace__operation_id": "op"}
CALL = {"tool__side_effect": True, **TRACE}
USE: dict[str, Any] = {
    "data__subject_ids": ["s"],
    "data__purpose": "ads",
    "data__legal_basis": "consent",
}
GDPR: dict[str, Any] = {
    "case__id": "B",
    "case__regimes": ["gdpr"],
    "case__our_role": "controller",
    "case__aware_at": text_of(START),
}
HIPAA: dict[str, Any] = {
    "case__id": "B",
    "case__regimes": ["hipaa"],
    "case__our_role": "covered_entity",
    "case__discovered_at": text_of(START),
    "case__affected_subjects": 600,
}
CASE: dict[str, Any] = {"case__id": "C"}
BEAT: dict[str, Any] = {"category": "agent_lifecycle", "agent__instance_id": "i"}
LOGIN: dict[str, Any] = {
    "category": "authentication",
    "outcome": "failure",
    "actor__id": "eve",
    "actor__ip": "10.0.0.9",
}
BULK: dict[str, Any] = {
    "category": "data_access",
    "data__classes": ["pii"],
    "data__record_count": 1000,
}

CADENCES: dict[str, tuple[list[Step], list[Step]]] = {
    "LOG-01": cadence(e("audit.chain_verified", category="audit"), DAY),
    "LOG-10": cadence(p("audit.review_completed", category="audit"), 7 * DAY),
    "MON-02": cadence(e("monitor.rules_evaluated", category="system"), DAY),
    "IAM-05": cadence(p("access_review.completed"), 90 * DAY),
    "AI-04": cadence(e("evaluation.completed"), 30 * DAY),
    "AI-06": cadence(p("agent.kill_switch_tested", category="agent_lifecycle"), 180 * DAY),
    "OPS-02": cadence(e("backup.completed", category="system"), DAY),
    "OPS-03": cadence(
        e("backup.restore_tested", category="system", backup__chain_verified_after_restore=True),
        180 * DAY,
    ),
    "RSK-01": cadence(p("risk.assessment_completed"), 365 * DAY),
}

STORIES: dict[str, tuple[list[Step], list[Step], tuple[int, int], tuple[int, int]]] = {
    # id: what holds, what fails, (n, f) of the one, (n, f) of the other
    "LOG-03": (
        [
            e("run.completed", category="action", client_seq=n, agent__instance_id="i")
            for n in (1, 2)
        ],
        [
            e("run.completed", category="action", client_seq=n, agent__instance_id="i")
            for n in (1, 9)
        ],
        (2, 0),
        (9, 7),
    ),
    "MON-01": (
        [e("agent.started", 0, **BEAT), e("agent.stopped", 15 * MINUTE, **BEAT)],
        [e("agent.started", 0, **BEAT)],
        (1, 0),
        (1, 1),
    ),
    "MON-04": (
        [
            e("alert.raised", severity="high", case__alert_id="a"),
            p("alert.dismissed", HOUR, case__alert_id="a", reason="a drill"),
        ],
        [
            e("alert.raised", severity="high", case__alert_id="a"),
            e("alert.dismissed", HOUR, case__alert_id="a", reason="a drill"),
        ],
        (1, 0),
        (1, 1),
    ),
    "IAM-03": (
        [e("auth.login", n, **LOGIN) for n in range(5)]
        + [
            e("auth.lockout", HOUR, "authentication", target__id="eve"),
            e("alert.raised", HOUR, target__id="10.0.0.9"),
        ],
        [e("auth.login", n, **LOGIN) for n in range(5)],
        (2, 0),
        (2, 2),
    ),
    "IAM-06": (
        [
            e("identity.offboarded", 0, "identity", target__id="omar"),
            e("identity.account_disabled", DAY, "identity", target__id="omar"),
        ],
        [
            e("agent.retired", 0, "agent_lifecycle", target__id="bot-2"),
            e("credential.revoked", 2 * DAY, "identity", target__owner="bot-2"),
        ],
        (1, 0),
        (1, 1),
    ),
    "IAM-07": (
        [
            e("agent.retired", 0, "agent_lifecycle", target__id="bot-2"),
            e("agent.registered", HOUR, "agent_lifecycle", target__id="bot-2"),
            e("run.completed", 2 * HOUR, "action", agent__id="bot-2"),
        ],
        [
            e("credential.revoked", 0, "identity", target__id="k1"),
            e("run.completed", 2 * HOUR, "action"),
        ],
        (1, 0),
        (1, 1),
    ),
    "IAM-08": (
        [
            e("credential.issued", 0, "identity", target__id="c"),
            e("credential.rotated", 90 * DAY, "identity", target__id="c"),
            e("credential.revoked", 100 * DAY, "identity", target__id="c"),
        ],
        [e("credential.issued", 0, "identity", target__id="c")],
        (1, 0),
        (1, 1),
    ),
    "IAM-11": (
        [
            p("auth.login", 0, "authentication", actor__session_id="s"),
            p("auth.logout", 15 * MINUTE, "authentication", actor__session_id="s"),
        ],
        [
            p("auth.login", 0, "authentication", actor__session_id="s"),
            p("data.read", 16 * MINUTE, "data_access", actor__session_id="s"),
            p("auth.logout", 17 * MINUTE, "authentication", actor__session_id="s"),
        ],
        (1, 0),
        (2, 1),
    ),
    "IAM-12": (
        [
            e("auth.break_glass", 0, "authentication", reason="down"),
            p("access_review.completed", DAY, case__subject_event=id_of(2)),
        ],
        [
            e("auth.break_glass", 0, "authentication"),
            p("access_review.completed", DAY, case__subject_event=id_of(2)),
        ],
        (1, 0),
        (1, 1),
    ),
    "TOOL-03": (
        [
            e("decision.evaluated", 0, "decision", decision__effect="deny", **TRACE),
            e("tool.invoke", 1, "tool_call", outcome="denied", **TRACE),
        ],
        [
            e("decision.evaluated", 0, "decision", decision__effect="deny", **TRACE),
            e("tool.invoke", 1, "tool_call", outcome="failure", **TRACE),
        ],
        (1, 0),
        (1, 1),
    ),
    "DATA-05": (
        [
            e("memory.write", 0, "memory", target__id="m", data__retention_until=text_of(START)),
            e("memory.delete", 30 * DAY, "memory", target__id="m"),
        ],
        [e("memory.write", 0, "memory", target__id="m", data__retention_until=text_of(START))],
        (1, 0),
        (1, 1),
    ),
    "DATA-06": (
        [
            p("approval.granted", 0, "decision", decision__approval_id="a"),
            e("data.export", HOUR, **BULK, decision__approval_id="a"),
            e("data.export", HOUR, **BULK | {"data__record_count": 999}),
        ],
        [
            e("approval.granted", 0, "decision", decision__approval_id="a"),
            e("data.export", HOUR, **BULK, decision__approval_id="a"),
        ],
        (1, 0),
        (1, 1),
    ),
    "PD-03": (
        [e("consent.withdrawn", 0, **USE), e("data.read", DAY, "data_access", **USE)],
        [e("consent.withdrawn", 0, **USE), e("data.read", DAY + 1, "data_access", **USE)],
        (1, 0),
        (1, 1),
    ),
    "DSR-01": (
        [
            p("dsr.received", 0, case__dsr_type="access", **CASE),
            p("dsr.extended", 20 * DAY, reason="complex", **CASE),
            p("dsr.completed", 60 * DAY, **CASE),
        ],
        [
            p("dsr.received", 0, case__dsr_type="access", **CASE),
            p("dsr.completed", 60 * DAY, **CASE),
        ],
        (1, 0),
        (1, 1),
    ),
    "DSR-03": (
        [
            p("dsr.completed", 0, case__dsr_type="erasure", data__subject_ids=["s"], **CASE),
            e("memory.delete", 1, "memory", data__subject_ids=["s"]),
        ],
        [
            p("dsr.completed", 0, case__dsr_type="erasure", data__subject_ids=["s"], **CASE),
            e("memory.read", 1, "memory", data__subject_ids=["s"]),
        ],
        (1, 0),
        (1, 1),
    ),
    "DSR-04": (
        [
            p("dsr.recipients_notified", 0, **CASE),
            p("dsr.completed", 1, case__dsr_type="erasure", case__recipients_count=2, **CASE),
        ],
        [p("dsr.completed", 1, case__dsr_type="erasure", case__recipients_count=2, **CASE)],
        (1, 0),
        (1, 1),
    ),
    "INC-01": (
        [p("incident.detected", severity="high", **CASE), p("incident.triaged", 4 * HOUR, **CASE)],
        [p("incident.detected", severity="high", **CASE), p("incident.triaged", 6 * HOUR, **CASE)],
        (1, 0),
        (1, 1),
    ),
    "INC-02": (
        [
            p("incident.detected", severity="medium", **CASE),
            p("incident.resolved", 30 * DAY, case__root_cause="a typing error", **CASE),
        ],
        [
            p("incident.detected", severity="medium", **CASE),
            p("incident.resolved", DAY, **CASE),
        ],
        (1, 0),
        (1, 1),
    ),
    "INC-03": (
        [
            p("incident.resolved", severity="critical", **CASE),
            p("incident.reviewed", 14 * DAY, **CASE),
        ],
        [p("incident.resolved", severity="critical", **CASE)],
        (1, 0),
        (1, 1),
    ),
    "BRE-01": (
        [p("breach.confirmed", DAY, **GDPR), p("breach.authority_notified", 3 * DAY, **GDPR)],
        [p("breach.confirmed", DAY, **GDPR), p("breach.authority_notified", 4 * DAY, **GDPR)],
        (1, 0),
        (1, 1),
    ),
    "BRE-02": (
        [
            p("breach.risk_assessed", 0, case__risk="high", **GDPR),
            p("breach.subject_notice_not_required", 1, case__art34_exemption="encrypted", **GDPR),
        ],
        [
            p("breach.risk_assessed", 0, case__risk="high", **GDPR),
            p("breach.subject_notice_not_required", 1, **GDPR),
        ],
        (1, 0),
        (1, 1),
    ),
    "BRE-03": (
        [p("breach.confirmed", DAY, **HIPAA), p("breach.subjects_notified", 60 * DAY, **HIPAA)],
        [p("breach.confirmed", DAY, **HIPAA), p("breach.subjects_notified", 64 * DAY, **HIPAA)],
        (1, 0),
        (1, 1),
    ),
    "BRE-04": (
        [
            p("breach.confirmed", DAY, case__max_affected_in_state=501, **HIPAA),
            p("breach.authority_notified", 60 * DAY, **HIPAA),
            p("breach.media_notified", 60 * DAY, **HIPAA),
        ],
        [
            p("breach.confirmed", DAY, case__max_affected_in_state=501, **HIPAA),
            p("breach.authority_notified", 60 * DAY, **HIPAA),
        ],
        (2, 0),
        (2, 1),
    ),
    "BRE-05": (
        [
            p("breach.suspected", 0, **CASE),
            p("breach.risk_assessed", 30 * DAY, case__factors={"nature": "x"}, **CASE),
        ],
        [p("breach.suspected", 0, **CASE), p("breach.risk_assessed", DAY, **CASE)],
        (1, 0),
        (1, 1),
    ),
    "BRE-06": (
        [
            p("breach.confirmed", 0, **GDPR | {"case__our_role": "processor"}),
            p("breach.principal_notified", DAY, **GDPR),
        ],
        [p("breach.confirmed", 0, **GDPR | {"case__our_role": "processor"})],
        (1, 0),
        (1, 1),
    ),
    "CHG-04": (
        [
            e(
                "change.deployed",
                0,
                "change",
                change__id="c",
                change__emergency=True,
                change__author="bo",
            ),
            p("change.reviewed", 5 * DAY, "change", change__id="c"),
        ],
        [
            e(
                "change.deployed",
                0,
                "change",
                change__id="c",
                change__emergency=True,
                change__author="alice",
            ),
            p("change.reviewed", 5 * DAY, "change", change__id="c"),
        ],
        (1, 0),
        (1, 1),
    ),
    "AI-01": (
        [
            e(
                "guardrail.triggered",
                0,
                "decision",
                guardrail__type="malware",
                guardrail__effect="logged",
            ),
            p("alert.dismissed", DAY, case__subject_event=id_of(2), reason="a drill"),
        ],
        [
            e(
                "guardrail.triggered",
                0,
                "decision",
                guardrail__type="malware",
                guardrail__effect="logged",
            )
        ],
        (1, 0),
        (1, 1),
    ),
    "WF-01": (
        [
            e("workflow.started", 0, "workflow", workflow__run_id="r"),
            e("workflow.cancelled", DAY, "workflow", workflow__run_id="r"),
        ],
        [e("workflow.started", 0, "workflow", workflow__run_id="r")],
        (1, 0),
        (1, 1),
    ),
    "WF-02": (
        [
            e("workflow.step_failed", 0, "workflow", workflow__run_id="r", workflow__step_id="s"),
            e(
                "workflow.step_retried",
                HOUR,
                "workflow",
                workflow__run_id="r",
                workflow__step_id="s",
            ),
        ],
        [e("workflow.step_failed", 0, "workflow", workflow__run_id="r", workflow__step_id="s")],
        (1, 0),
        (1, 1),
    ),
    "WF-03": (
        [e("tool.invoke", 0, "tool_call", **CALL)],
        [e("tool.invoke", at, "tool_call", **CALL) for at in (0, 1)],
        (1, 0),
        (2, 1),
    ),
    "VUL-01": (
        [
            p("vulnerability.found", severity="critical", **CASE),
            p("vulnerability.accepted", 7 * DAY, reason="not reachable", **CASE),
        ],
        [
            p("vulnerability.found", severity="critical", **CASE),
            p("vulnerability.fixed", 8 * DAY, **CASE),
        ],
        (1, 0),
        (1, 1),
    ),
}


def tell(ledger: Told, steps: list[Step]) -> None:
    ledger.wait(0)
    for action, category, at, fields in steps:
        ledger.tell(action, at, **{"category": category, **fields})
    ledger.wait(3 * LATE)


@pytest.mark.parametrize("check", sorted(CADENCES))
def test_a_cadence_holds_while_it_is_kept_and_fails_when_it_is_not(check: str) -> None:
    good, bad = CADENCES[check]
    kept, broken = told(check), told(check)
    tell(kept, good)
    tell(broken, bad)
    days = good[-1][2] // DAY + 1

    tested = kept.tested(days)
    assert tested.f == tested.pending == 0
    assert tested.n == days
    missed = broken.tested(days, first=LATE // DAY)
    assert missed.n == missed.f == min(days, 2 * LATE // DAY)


@pytest.mark.parametrize("check", sorted(STORIES))
def test_a_check_holds_in_one_story_and_fails_in_the_other(check: str) -> None:
    good, bad, holds, fails = STORIES[check]
    kept, broken = told(check), told(check)
    tell(kept, good)
    tell(broken, bad)

    assert kept.counts(3 * LATE // DAY + 1) == (*holds, 0)
    assert broken.counts(3 * LATE // DAY + 1) == (*fails, 0)


def test_a_ledger_with_a_hole_fails() -> None:
    kept, broken = told("LOG-02"), told("LOG-02")
    for ledger, seq in ((kept, 2), (broken, 3)):
        ledger.tell("run.completed", 0, category="action", seq=1)
        ledger.tell("run.completed", 0, category="action", seq=seq)

    assert kept.counts() == (2, 0, 0)
    assert broken.counts() == (3, 1, 0)


def test_no_shipped_check_of_these_kinds_is_without_its_stories() -> None:
    kinds = ("cadence", "gap", "burst", "followup", "forbid")
    shipped = {check.id for check in load_catalogue().checks.values() if check.kind in kinds}

    assert shipped == {"LOG-02", *STORIES, *CADENCES}
