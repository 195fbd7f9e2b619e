"""Personal data in wrong hands: suspected, confirmed, assessed, and who was told when."""

from __future__ import annotations

from typing import Any

from obsplatform.fleet import people
from obsplatform.fleet.people import Person
from obsplatform.fleet.story import Story

_HOUR = 3600.0


class Breach:
    """One breach as a case; its clock starts when Meridian became aware."""

    def __init__(
        self,
        story: Story,
        *,
        by: Person,
        regimes: list[str],
        role: str = "controller",
    ) -> None:
        self.story = story
        self.by = by
        case_id = story.named("BR")
        self.target = ("breach", case_id)
        story.case = {"id": case_id}
        self._clock: dict[str, Any] = {"regimes": regimes, "our_role": role}

    def tell(self, verb: str, *, reason: str | None = None, **case: Any) -> None:
        """Write down one step of the case."""
        self.story.tell(
            f"breach.{verb}",
            actor=self.by,
            target=self.target,
            severity="high",
            case={**self._clock, **case},
            reason=reason,
        )

    def suspect(self, facts: str) -> None:
        """Begin; from now on the clocks run."""
        now = self.story.later(hours=0)
        self._clock |= {"aware_at": now, "discovered_at": now}
        self.tell("suspected", facts=facts)

    def assess(self, *, risk: str, people_count: int) -> None:
        """Weigh what may happen to people."""
        factors = {"data": "names and claim numbers", "recipient": "unknown", "mitigated": False}
        self.tell("risk_assessed", risk=risk, factors=factors, affected_subjects=people_count)


def closed_in_time(story: Story) -> None:
    """Tell of a breach in which everybody who had to know was told in time."""
    case = Breach(story, by=people.NORA, regimes=["gdpr"])
    case.suspect("a letter went to a neighbour")
    story.wait(3 * _HOUR)
    case.tell("confirmed", affected_subjects=1)
    case.assess(risk="high", people_count=1)
    story.wait(4 * _HOUR)
    case.tell("authority_notified", authority="DPA Hamburg")
    case.tell("subjects_notified", affected_subjects=1)
    case.tell("principal_notified", facts="the broker was told")
    story.wait(30 * _HOUR)
    case.tell(
        "closed", facts="one letter", effects="none known", remedial_action="window envelopes"
    )


def harmless(story: Story) -> None:
    """Tell of a lost laptop whose disk was encrypted: nobody needs to be told."""
    case = Breach(story, by=people.NORA, regimes=["gdpr"])
    case.suspect("a laptop was left in a train")
    story.wait(2 * _HOUR)
    case.tell(
        "risk_assessed",
        risk="unlikely",
        factors={"disk": "encrypted"},
        affected_subjects=0,
        reason="the disk is encrypted, the key was revoked",
    )
    case.tell("subject_notice_not_required", art34_exemption="encrypted")
    case.tell("closed", facts="one laptop", effects="none", remedial_action="a new laptop")


def ohio(story: Story) -> None:
    """Tell of a breach in the Ohio plan: the police asks for a delay, then papers are told."""
    case = Breach(story, by=people.EDWIN, regimes=["hipaa"], role="covered_entity")
    case.suspect("a mailbox of the plan was open")
    story.wait(20 * _HOUR)
    case.tell("confirmed", affected_subjects=612, max_affected_in_state=612)
    case.assess(risk="high", people_count=612)
    case.tell("law_enforcement_delay", delay_days=10, delay_written=True, reason="a police inquiry")
    story.wait(11 * 24 * _HOUR)
    case.tell("subjects_notified", affected_subjects=612)
    case.tell("authority_notified", authority="HHS")
    case.tell("media_notified", facts="two papers in Ohio")
    case.tell("closed", facts="one mailbox", effects="spam", remedial_action="passkeys for all")
