"""What people do about agents: guardrails, overrides, reviews, evaluations, registers."""

from __future__ import annotations

from obsplatform.fleet import people
from obsplatform.fleet.agents import Agent, Model, Tool
from obsplatform.fleet.people import Person
from obsplatform.fleet.processing import Activity
from obsplatform.fleet.story import Story


def disable_guardrail(story: Story, *, approver: Person | None = people.YUKI) -> None:
    """Switch a guardrail off for an hour; without an approver nobody was asked."""
    allowed = {}
    if approver is not None:
        approval = story.approved("guardrail toxicity", approver, within=1500)
        allowed = {"approval_id": approval.id, "effect": "approved"}
    story.tell(
        "guardrail.disabled",
        actor=people.DARIO,
        target=("guardrail", "toxicity"),
        severity="high",
        decision=allowed or None,
        guardrail={"type": "toxicity", "effect": "logged"},
        reason="it blocks all messages in Finnish",
    )


def relax_policy(story: Story) -> None:
    """Loosen a policy, allowed by another person."""
    approval = story.approved("policy data-access", people.EDWIN, within=3000)
    story.tell(
        "policy.relaxed",
        actor=people.VERA,
        target=("policy", "data-access"),
        decision={"approval_id": approval.id, "effect": "approved"},
        change={"from": "50 records", "to": "80 records"},
        reason="year-end audit",
    )


def override(story: Story) -> None:
    """Put a person's answer in place of the agent's."""
    story.tell(
        "override.applied",
        actor=people.GRACE,
        target=("claim", f"CLM-{story.word(6)}"),
        decision={"effect": "allow", "policy_id": "claims-rules", "policy_version": "31"},
        reason="the second opinion arrived by post",
    )


def review_log(story: Story) -> None:
    """Look through a week of the audit log."""
    story.tell(
        "audit.review_completed",
        actor=people.HELEN,
        target=("ledger", "week"),
        review={
            "scope": "one week",
            "items_count": story.chance.randint(20, 60),
            "findings_count": story.chance.randint(0, 3),
        },
    )


def evaluate(story: Story) -> None:
    """Measure how good an agent's answers are."""
    story.tell(
        "evaluation.completed",
        actor=story.agent.owner,
        target=("agent", story.agent.id),
        evaluation={
            "suite": f"{story.agent.id}-golden",
            "sample_size": 200,
            "score": round(story.chance.uniform(0.86, 0.96), 3),
        },
    )


def register_tool(story: Story, tool: Tool) -> None:
    """Enter a tool in the register."""
    story.tell(
        "tool.registered",
        actor=people.LENA,
        target=("tool", tool.name),
        tool={
            "name": tool.name,
            "server": tool.server,
            "kind": tool.kind,
            "risk": tool.risk,
            "destructive": tool.destructive,
            "side_effect": tool.side_effect,
        },
    )


def register_model(story: Story, model: Model) -> None:
    """Enter a model in the register."""
    story.tell(
        "model.registered",
        actor=people.LENA,
        target=("model", model.name),
        model={
            "provider": model.provider,
            "name": model.name,
            "version": model.version,
            "operation": model.operation,
        },
    )


def remove_old(story: Story) -> None:
    """Take a tool and a model out of the registers that nobody uses any more."""
    story.tell(
        "tool.removed",
        actor=people.LENA,
        target=("tool", "fax.send"),
        tool={"name": "fax.send", "server": "gateway"},
    )
    story.tell(
        "model.removed",
        actor=people.LENA,
        target=("model", "aurora-legacy"),
        model={"provider": "aurora", "name": "aurora-legacy", "version": "1"},
    )


def approve_vendor(
    story: Story, name: str, *, agreement: str, classes: list[str], days: int = 400
) -> None:
    """Approve a vendor for some classes of data, under an agreement."""
    story.tell(
        "vendor.approved",
        actor=people.NORA,
        target=("vendor", name),
        vendor={
            "agreement": agreement,
            "valid_until": story.later(hours=24 * days),
            "data_classes": classes,
        },
    )


def look_after_vendors(story: Story) -> None:
    """Review one vendor and end another."""
    story.tell(
        "vendor.reviewed",
        actor=people.NORA,
        target=("vendor", "aurora"),
        review={"scope": "vendor", "findings_count": 0},
    )
    story.tell(
        "vendor.ended",
        actor=people.NORA,
        target=("vendor", "papertrail-archive"),
        reason="the contract ran out",
    )


def register_activity(
    story: Story, activity: Activity, *, action: str = "processing.activity_registered"
) -> None:
    """Enter a processing activity in the record, or change it there."""
    story.tell(
        action,
        actor=people.NORA,
        target=("processing_activity", activity.id),
        data={"processing_activity_id": activity.id},
        processing=activity.registered(),
    )


def assess_impact(story: Story, activity: Activity) -> None:
    """Complete a data protection impact assessment."""
    story.tell(
        "dpia.completed",
        actor=people.NORA,
        target=("processing_activity", activity.id),
        data={"processing_activity_id": activity.id},
        risk={"items_count": 14, "high_count": 1},
    )


def assess_risks(story: Story) -> None:
    """Complete the yearly risk assessment."""
    story.case = {"id": "RISK-2026"}
    story.tell(
        "risk.assessment_completed",
        actor=people.HELEN,
        target=("assessment", "RISK-2026"),
        risk={"items_count": 61, "high_count": 4},
    )


def mend(story: Story, case_id: str, *, severity: str, outcome: str | None, hours: float) -> None:
    """Find a weakness and fix or accept it; with neither, it stays open."""
    story.case = {"id": case_id}
    target = ("package", f"lib-{story.word(4)}")
    story.tell("vulnerability.found", actor=people.YUKI, target=target, severity=severity)
    if outcome is not None:
        story.wait(hours * 3600)
        story.tell(
            f"vulnerability.{outcome}",
            actor=people.YUKI,
            target=target,
            severity=severity,
            reason="reachable only from the build" if outcome == "accepted" else None,
        )


def mend_both(story: Story) -> None:
    """Find two weaknesses, fix one and accept one."""
    mend(story, f"VUL-{story.word(4)}", severity="high", outcome="fixed", hours=70)
    mend(story, f"VUL-{story.word(4)}", severity="medium", outcome="accepted", hours=20)


def hold(story: Story) -> None:
    """Keep files for a court, and let them go."""
    files = ("archive", "claims-2021")
    story.tell("legal_hold.applied", actor=people.EDWIN, target=files, reason="a suit in Ohio")
    story.wait(9 * 86400)
    story.tell("legal_hold.released", actor=people.EDWIN, target=files, reason="settled")


def registers(story: Story, agent: Agent) -> None:
    """Enter again what an agent uses, as after each review of the registers."""
    for tool in agent.tools[:1]:
        register_tool(story, tool)
    register_model(story, agent.chat_at(0))
    approve_vendor(
        story, "aurora", agreement="dpa", days=400, classes=["internal", "pii", "financial"]
    )
