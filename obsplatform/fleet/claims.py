"""Days of the claims adjudicator: health claims of the Ohio plan, step by step, PHI in them."""

from __future__ import annotations

from typing import Any

from obsplatform.fleet import agents, people
from obsplatform.fleet.processing import CLAIMS
from obsplatform.fleet.story import Story
from obsplatform.fleet.work import Episodes

_MEMBERS = 260
_PROVIDERS = ("st-brigid-hospital", "lakeside-clinic")


def _member(story: Story) -> str:
    return f"mbr-{story.chance.randint(1, _MEMBERS):05d}"


class _Claim:
    """One claim on its way through the workflow."""

    def __init__(self, story: Story) -> None:
        self.story = story
        self.member = _member(story)
        self.id = f"CLM-{story.chance.randint(100000, 999999)}"
        self.amount = round(story.chance.lognormvariate(6.0, 0.9), 2)
        self._workflow = f"wf-{story.word(8)}"
        self._step_began = story.at

    def workflow(self, action: str, step: str | None = None, **blocks: Any) -> None:
        if action == "step_started":
            self._step_began = self.story.at
        if action == "step_completed":
            took = self.story.at - self._step_began
            blocks["duration_ms"] = round(took.total_seconds() * 1000, 1)
        said: dict[str, Any] = {
            "id": "claim-intake",
            "name": "Claim intake",
            "run_id": self._workflow,
        }
        if step is not None:
            said |= {"step": step, "step_id": f"{self._workflow}/{step}", "step_type": "task"}
            said["attempt"] = blocks.pop("attempt", 1)
        self.story.tell(
            f"workflow.{action}", target=("workflow", "claim-intake"), workflow=said, **blocks
        )

    def open(self) -> None:
        """Take the claim in and check that the member is covered."""
        self.story.start(run={"mode": "workflow"})
        self.workflow("started")
        self.workflow("step_started", "validate")
        self.story.wait(0.2, 2)
        self.workflow("step_completed", "validate")

    def read(self) -> None:
        """Read the member's record and what the hospital sent."""
        self.story.decide(("claim", self.id), "allow")
        self.story.use_data(
            "data.read",
            ("member_record", self.member),
            CLAIMS,
            subjects=[self.member],
            fields=self.story.chance.randint(4, 8),
        )
        fails = self.story.errs(0.02)
        self.story.call_tool(
            agents.COVERAGE,
            ("member", self.member),
            outcome="error" if fails else "success",
            error="timeout" if fails else None,
            data={**CLAIMS.use(), "subject_ids": [self.member]},
        )

    def assess(self) -> None:
        """Let the clinical model read the file."""
        self.workflow("step_started", "assess")
        self.story.think(under=CLAIMS, subjects=[self.member], tokens=(5400, 620))
        self.story.use_data("data.infer", ("claim", self.id), CLAIMS, subjects=[self.member])
        self.workflow("step_completed", "assess")

    def decide(self, answer: str) -> None:
        """Decide about the member, with the nurse in the loop."""
        approval = self.story.approved(self.id, people.GRACE, within=2400)
        self.story.tell(
            "decision.about_person",
            target=("claim", self.id),
            data={**CLAIMS.use(), "subject_ids": [self.member]},
            decision={
                "effect": "allow" if answer == "paid" else "deny",
                "policy_id": "claims-rules",
                "policy_version": "31",
                "approval_id": approval.id,
                "requested_by": approval.requested_by,
                "legal_effect": True,
                "oversight": "human_in_loop",
                "art22_ground": "contract",
                "review_channel": "claims-appeals",
                "reason": "covered" if answer == "paid" else "not covered by the plan",
            },
            details={"amount_usd": self.amount, "answer": answer},
        )

    def pay(self) -> None:
        """Pay it after a person allowed this very payment."""
        self.workflow("step_started", "pay")
        approval = self.story.approved(self.id, people.THEO, agents.PAY_CLAIM, within=1800)
        self.story.call_tool(
            agents.PAY_CLAIM,
            ("claim", self.id),
            approval=approval,
            details={"amount_usd": self.amount},
        )
        self.story.use_data("data.update", ("claim", self.id), CLAIMS, subjects=[self.member])
        self.workflow("step_completed", "pay")

    def tell_member(self) -> None:
        """Write to the member."""
        self.story.tell(
            "message.sent",
            target=("member", self.member),
            data={
                **CLAIMS.use(),
                "subject_ids": [self.member],
                "recipient": "the member",
                "recipient_role": "individual",
                "encrypted_in_transit": True,
            },
        )

    def close(self) -> None:
        """End workflow and run."""
        self.workflow("completed", duration_ms=self.story.elapsed())
        self.story.finish()


def paid(story: Story) -> None:
    """Tell of a claim that is paid."""
    claim = _Claim(story)
    claim.open()
    claim.read()
    claim.assess()
    claim.decide("paid")
    claim.pay()
    claim.tell_member()
    claim.close()


def routine(story: Story) -> None:
    """Tell of a small claim: paid with the month's run, no money moves here."""
    claim = _Claim(story)
    claim.open()
    claim.read()
    claim.assess()
    story.use_data("data.update", ("claim", claim.id), CLAIMS, subjects=[claim.member])
    claim.tell_member()
    claim.close()


def rejected(story: Story) -> None:
    """Tell of a claim that the plan does not cover; a nurse has looked at it."""
    claim = _Claim(story)
    claim.open()
    claim.read()
    claim.assess()
    claim.decide("rejected")
    claim.tell_member()
    claim.close()


def retried(story: Story) -> None:
    """Tell how the claims system stumbles; the step is tried again."""
    claim = _Claim(story)
    claim.open()
    claim.workflow("step_started", "eligibility")
    story.wait(4, 30)
    claim.workflow(
        "step_failed",
        "eligibility",
        outcome="failure",
        error={"type": "upstream_error", "message": "502 from claims-core"},
    )
    claim.workflow("step_retried", "eligibility", attempt=2)
    claim.read()
    claim.workflow("step_completed", "eligibility", attempt=2)
    claim.assess()
    claim.close()


def unreadable(story: Story) -> None:
    """Tell of a scan that nobody can read and that is sent back."""
    claim = _Claim(story)
    claim.workflow("started")
    claim.workflow("input_rejected", reason="the scan is blank on page 2", outcome="denied")
    claim.workflow("cancelled", reason="waits for a new scan")


def escalated(story: Story) -> None:
    """Tell of a claim too odd for the agent, which goes to a nurse."""
    claim = _Claim(story)
    claim.open()
    claim.read()
    story.think(under=CLAIMS, subjects=[claim.member], tokens=(6100, 240))
    claim.workflow("escalated", reason="two diagnoses contradict each other", severity="low")
    talk = ("claim", claim.id)
    story.tell("handoff.started", target=talk, outcome="pending")
    story.wait(300, 3000)
    story.tell("handoff.completed", target=talk, actor=people.GRACE)
    claim.close()


def sent_to_provider(story: Story) -> None:
    """Tell the hospital what was decided: a disclosure, listed for the accounting."""
    claim = _Claim(story)
    story.start()
    story.use_data(
        "data.disclose",
        ("claim", claim.id),
        CLAIMS,
        subjects=[claim.member],
        fields=5,
        reason="remittance advice to the treating provider",
        data={
            "recipient": story.chance.choice(_PROVIDERS),
            "recipient_role": "health_care_provider",
            "external": True,
        },
        transfer={"from_country": "US", "to_country": "US", "mechanism": "adequacy"},
    )
    story.finish()


EPISODES: Episodes = (
    (30, routine),
    (22, paid),
    (7, rejected),
    (6, retried),
    (4, unreadable),
    (4, escalated),
    (8, sent_to_provider),
)
