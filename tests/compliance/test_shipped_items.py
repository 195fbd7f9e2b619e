"""Every shipped check of the kinds each, prior, rate and fact: an item that passes, one that fails.

A line gives the event that passes and what to change of it so that it fails; for a prior, the
entries without which it fails. Whether a check asks the right thing is for people to say; that it
asks what it says shows here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from compliance.language.reading import EntryView
from tests.compliance.building import counts, entry, person, run, shipped

AT = "2026-10-04T10:00:00Z"
LATER = "2026-12-31T00:00:00.000000Z"
HASH = "1" * 64
Fields = Mapping[str, Any]
Earlier = tuple[str, Fields]


@dataclass(frozen=True, kw_only=True)
class Line:
    """A check and its two examples."""

    check: str
    action: str
    passes: Fields
    fails: Fields | None = None
    """What to change of the event so that it fails; None: it fails without `earlier`."""
    earlier: tuple[Earlier, ...] = ()
    """Acts of a person, bob, before the event."""
    rest: Fields = field(default_factory=dict)
    """Further arguments of the event's entry."""
    n: int = 1


def _vendor(name: str, **more: Any) -> Fields:
    return {"target": {"type": "vendor", "id": name}, "vendor.valid_until": LATER, **more}


_TARGET = {"target": {"type": "account", "id": "carol"}}
_APPROVED = ("approval.granted", {"decision.approval_id": "A"})
_ASKS = {"decision.approval_id": "A"}
_PII = {"data.classes": ["pii"]}
_PHI = {"data.classes": ["phi"], "data.external": True, "data.recipient": "acme"}
_ACTIVITY = {"data.processing_activity_id": "P"}
_DECIDED = {
    "decision.effect": "allow", "decision.policy_id": "p", "decision.policy_version": "1",
}  # fmt: skip
_PERSON = person("alice")

LINES = (
    # ------------------------------------------------------------------ each
    Line(check="LOG-04", action="llm.call", passes={}, n=1, fails={},
         rest={"received": "2026-10-04T10:05:00Z"}),
    Line(check="LOG-05", action="llm.call", passes={}, fails={},
         rest={"received": "2026-10-04T09:59:00Z"}),
    Line(check="LOG-07", action="audit.exported", passes={"reason": "yearly audit"},
         fails={"reason": None}, rest=_PERSON),
    Line(check="LOG-08", action="run.started",
         passes={"run.id": "r", "agent.instance_id": "i", "client_seq": 1}, fails={"run.id": None}),
    Line(check="IAM-01", action="llm.call", passes={}, fails={"actor.id": "admin"}),
    Line(check="IAM-02", action="auth.login", passes={"auth.privileged": True, "auth.mfa": True},
         fails={"auth.mfa": False}, rest=_PERSON),
    Line(check="IAM-10", action="tool.invoke", passes={"tool.risk": "high", **_DECIDED},
         fails={"decision.policy_version": None}),
    Line(check="IAM-13", action="approval.granted", passes={"decision.requested_by": "bot"},
         fails={"decision.requested_by": "alice"}, rest=_PERSON),
    Line(check="TOOL-02", action="tool.invoke", passes=_DECIDED, fails={"decision.effect": None}),
    Line(check="TOOL-05", action="tool.invoke",
         passes={"tool.risk": "medium", "tool.arguments_hash": HASH, "tool.result_hash": HASH},
         fails={"tool.result_hash": None}),
    Line(check="DATA-01", action="data.read", passes={**_PII, "data.purpose": "billing"},
         fails={"data.purpose": None}),
    Line(check="DATA-02", action="memory.read", passes=_PII, fails={"data.classes": None}),
    Line(check="DATA-03", action="data.export", passes={**_PII, "data.encrypted_in_transit": True},
         fails={"data.encrypted_in_transit": None}),
    Line(check="DATA-07", action="data.update",
         passes={**_PII, "data.before_hash": HASH, "data.after_hash": HASH},
         fails={"data.after_hash": None}),
    Line(check="DATA-08", action="llm.call", passes=_PII, fails={"data.classes": ["credentials"]}),
    Line(check="DATA-10", action="memory.write", passes={**_PII, "data.encrypted_at_rest": True},
         fails={"data.encrypted_at_rest": False}),
    Line(check="PHI-01", action="data.read",
         passes={"data.classes": ["phi"], "data.subject_ids": ["s"], "data.purpose": "treatment",
                 "decision.effect": "allow"},
         fails={"data.purpose": "curiosity"}),
    Line(check="PHI-04", action="data.disclose",
         passes={**_PHI, "data.subject_ids": ["s"], "data.purpose": "public_health",
                 "data.fields": ["name"], "reason": "notifiable disease"},
         fails={"reason": None}),
    Line(check="PD-01", action="data.read", passes={**_PII, "data.legal_basis": "contract"},
         fails={"data.legal_basis": None}),
    Line(check="PD-04", action="data.read",
         passes={"data.classes": ["phi"], "data.art9_condition": "health_care"},
         fails={"data.art9_condition": "because"}),
    Line(check="PD-07", action="llm.call",
         passes={**_PII, "model.provider": "acme", "transfer.to_country": "DE"},
         fails={"transfer.to_country": None}),
    Line(check="PD-10", action="data.create",
         passes={**_PII, "data.source": "subject", "data.notice_version": "3"},
         fails={"data.notice_version": None}),
    Line(check="PD-13", action="data.read",
         passes={"data.classes": ["children"], "data.legal_basis": "consent",
                 "data.guardian_consent": True},
         fails={"data.guardian_consent": False}),
    Line(check="BRE-07", action="breach.closed",
         passes={"case.facts": "f", "case.effects": "e", "case.remedial_action": "r"},
         fails={"case.effects": None}),
    Line(check="AI-03", action="llm.call",
         passes={"model.provider": "p", "model.name": "m", "model.version": "1",
                 "model.prompt_hash": HASH, "model.response_hash": HASH},
         fails={"model.version": None}),
    Line(check="AI-05", action="memory.write", passes={**_PII, "memory.ttl_seconds": 60},
         fails={"memory.ttl_seconds": None}),
    Line(check="WF-04", action="workflow.input_rejected",
         passes={"reason": "too long", "workflow.run_id": "r"}, fails={"reason": None}),
    Line(check="OPS-04", action="system.queue_reported", passes={"system.max_lag_seconds": 60},
         fails={"system.max_lag_seconds": 60.5}),
    # ------------------------------------------------------------------ prior
    Line(check="LOG-09", action="audit.retention_shortened", passes=_ASKS, earlier=(_APPROVED,),
         rest=_PERSON),
    Line(check="MON-03", action="llm.call", passes={},
         earlier=(("agent.registered", {"agent.owner": "ops"}),)),
    Line(check="IAM-04", action="identity.role_granted", passes={**_ASKS, **_TARGET},
         earlier=(_APPROVED,), rest=_PERSON),
    Line(check="TOOL-01", action="tool.invoke",
         passes={**_ASKS, "tool.name": "wire", "tool.risk": "high", "tool.arguments_hash": HASH,
                 "decision.requested_by": "bot"},
         earlier=(("approval.granted",
                   {"decision.approval_id": "A", "tool.name": "wire", "tool.arguments_hash": HASH,
                    "decision.requested_by": "bot", "decision.expires_at": LATER}),)),
    Line(check="TOOL-04", action="tool.invoke", passes={"tool.name": "sql", "tool.server": "s"},
         earlier=(("tool.registered", {"tool.name": "sql", "tool.server": "s"}),)),
    Line(check="DATA-04", action="data.export", passes={**_PII, **_ASKS, "data.recipient": "acme"},
         earlier=(_APPROVED,)),
    Line(check="DATA-09", action="llm.call", passes={**_PII, "model.provider": "acme"},
         earlier=(("vendor.approved", _vendor("acme", **{"vendor.data_classes": ["pii"]})),)),
    Line(check="PHI-02", action="data.export",
         passes={"data.classes": ["phi"], "data.purpose": "operations", "data.record_count": 51,
                 **_ASKS},
         earlier=(_APPROVED,)),
    Line(check="PHI-03", action="data.disclose", passes={**_PHI, "data.purpose": "operations"},
         earlier=(("vendor.approved", _vendor("acme", **{"vendor.agreement": "baa"})),)),
    Line(check="PD-02", action="data.read",
         passes={"data.legal_basis": "consent", "data.consent_id": "k", "data.purpose": "news",
                 "data.subject_ids": ["s1"]},
         earlier=(("consent.given", {"data.consent_id": "k", "data.purpose": "news",
                                     "data.subject_ids": ["s1", "s2"]}),)),
    Line(check="PD-05", action="data.read", passes={**_PII, **_ACTIVITY, "data.purpose": "billing"},
         earlier=(("processing.activity_registered",
                   {**_ACTIVITY, "processing.purposes": ["billing", "support"]}),)),
    Line(check="PD-06", action="data.read", passes={**_PII, **_ACTIVITY, "data.fields": ["name"]},
         earlier=(("processing.activity_registered",
                   {**_ACTIVITY, "processing.fields": ["name", "email"]}),)),
    Line(check="PD-08", action="decision.about_person",
         passes={**_ASKS, "decision.legal_effect": True},
         earlier=(_APPROVED,)),
    Line(check="PD-09", action="llm.call", passes={**_PII, "model.provider": "acme"},
         earlier=(("vendor.approved", _vendor("acme", **{"vendor.agreement": "dpa"})),)),
    Line(check="PD-11", action="data.read", passes={**_PII, **_ACTIVITY},
         earlier=(("dpia.completed", _ACTIVITY),)),
    Line(check="DSR-02", action="dsr.completed",
         passes={"case.id": "7", "case.dsr_type": "erasure"},
         earlier=(("data.delete", {"case.id": "7"}), ("memory.nothing_found", {"case.id": "7"})),
         rest=_PERSON),
    Line(check="DSR-05", action="dsr.completed", passes={"case.id": "7", "case.dsr_type": "access"},
         earlier=(("dsr.identity_verified", {"case.id": "7"}),), rest=_PERSON),
    Line(check="CHG-01", action="change.deployed",
         passes={"change.id": "C", "change.author": "dave"},
         earlier=(("change.approved", {"change.id": "C"}),)),
    Line(check="CHG-03", action="change.deployed", passes={"change.id": "C"},
         earlier=(("change.tested", {"change.id": "C"}),)),
    Line(check="CHG-05", action="guardrail.disabled", passes=_ASKS, earlier=(_APPROVED,),
         rest=_PERSON),
    Line(check="AI-02", action="llm.call", passes={"model.provider": "p", "model.name": "m"},
         earlier=(("model.registered", {"model.provider": "p", "model.name": "m"}),)),
    Line(check="VND-01", action="data.disclose",
         passes={"data.external": True, "data.recipient": "acme"},
         earlier=(("vendor.reviewed", {"target": {"type": "vendor", "id": "acme"}}),)),
    # ------------------------------------------------------------------ fact
    Line(check="LOG-06", action="audit.retention_reported",
         passes={"integrity.retention_days": 365}, fails={"integrity.retention_days": 364}),
    Line(check="PD-12", action="processing.activity_registered",
         passes={**_ACTIVITY, "processing.controller": "us", "processing.transfers": ["none"],
                 "processing.security_measures": "encrypted", "processing.role": "processor"},
         fails={"processing.controller": None}, rest=_PERSON),
)  # fmt: skip
# What fails by time alone, and what needs more than one event, has tests of its own below.
BY_TIME = {"LOG-04": "2026-10-04T10:05:00.000001Z", "LOG-05": "2026-10-04T09:58:59.999999Z"}


def _entries(line: Line, *, fails: bool) -> list[EntryView]:
    earlier = () if fails and line.fails is None else line.earlier
    before = [
        entry(seq, action, fields, at=AT, **person("bob"))
        for seq, (action, fields) in enumerate(earlier)
    ]
    fields = {**line.passes, **((line.fails or {}) if fails else {})}
    rest = dict(line.rest)
    if fails and line.check in BY_TIME:
        rest["received"] = BY_TIME[line.check]
    return [*before, entry(len(before), line.action, fields, **{"at": AT, **rest})]


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.check)
def test_the_passing_example_passes(line: Line) -> None:
    assert counts(run(line.check, _entries(line, fails=False))) == (line.n, 0, 0)


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.check)
def test_the_failing_example_fails(line: Line) -> None:
    assert counts(run(line.check, _entries(line, fails=True))) == (line.n, 1, 0)


def test_a_changed_model_needs_a_change_record() -> None:
    def calls(first: int) -> list[EntryView]:
        names = ("m1", "m2")
        return [
            entry(seq, "llm.call", {"model.name": name}, at=AT)
            for seq, name in enumerate(names, first)
        ]

    deployed = entry(
        0, "change.deployed", {"change.object_id": "a", "change.to": "m2"}, at=AT, **_PERSON
    )
    assert counts(run("CHG-02", [deployed, *calls(1)])) == (1, 0, 0)
    assert counts(run("CHG-02", calls(0))) == (1, 1, 0)


@pytest.mark.parametrize(
    ("check", "action", "of_all", "of_some", "some", "total"),
    [
        ("IAM-09", "decision.evaluated", {"decision.effect": "allow"},
         {"decision.effect": "deny"}, 1, 20),
        ("OPS-01", "llm.call", {}, {"outcome": "error", "error.type": "timeout"}, 1, 100),
    ],
)  # fmt: skip
def test_a_share_at_the_limit_passes_and_one_more_fails(
    check: str, action: str, of_all: Fields, of_some: Fields, some: int, total: int
) -> None:
    def day(failing: int) -> list[EntryView]:
        return [
            entry(seq, action, of_some if seq < failing else of_all, at=AT) for seq in range(total)
        ]

    assert counts(run(check, day(some))) == (1, 0, 0)
    assert counts(run(check, day(some + 1))) == (1, 1, 0)


def test_every_shipped_check_of_these_kinds_has_its_examples() -> None:
    kinds = {"each", "prior", "rate", "fact"}
    shown = {line.check for line in LINES} | {"CHG-02", "IAM-09", "OPS-01"}

    assert {check.id for check in shipped().checks.values() if check.kind in kinds} == shown
