"""What people may ask for: access, correction, erasure; consents and objections."""

from __future__ import annotations

from obsplatform.fleet import agents, people
from obsplatform.fleet.processing import CARE
from obsplatform.fleet.story import Story

_DAY = 86_400.0


def receive(story: Story, kind: str, subject: str) -> str:
    """Take a request in and check who asks; return the case."""
    case_id = story.named("DSR")
    story.case = {"id": case_id, "dsr_type": kind}
    story.tell(
        "dsr.received",
        actor=people.JONAS,
        target=("request", case_id),
        data={"subject_ids": [subject]},
    )
    story.wait(3600, 30 * 3600)
    story.tell(
        "dsr.identity_verified",
        actor=people.JONAS,
        target=("request", case_id),
        data={"subject_ids": [subject]},
    )
    return case_id


def complete(story: Story, case_id: str, subject: str, *, recipients: int = 0) -> None:
    """Answer, and tell those who had got the data."""
    story.tell(
        "dsr.completed",
        actor=people.NORA,
        target=("request", case_id),
        case={"recipients_count": recipients},
        data={"subject_ids": [subject]},
    )
    if recipients:
        story.wait(3600, 40 * 3600)
        story.tell("dsr.recipients_notified", actor=people.NORA, target=("request", case_id))


def erase(story: Story, subject: str) -> None:
    """Delete a person's file and what the agent remembers of them."""
    story.use_data(
        "data.delete",
        ("customer", subject),
        CARE,
        subjects=[subject],
        purpose="data_subject_request",
    )
    story.remember("memory.delete", "support-memory", under=CARE, subjects=[subject])


def erased(story: Story, subject: str, *, days: float) -> None:
    """Tell of an erasure, asked for and done so many days later."""
    case_id = receive(story, "erasure", subject)
    story.wait(days * _DAY)
    erase(story, subject)
    story.wait(600, 5000)
    complete(story, case_id, subject, recipients=2)


def any_erasure(story: Story) -> None:
    """Tell of an erasure of somebody."""
    erased(story, f"cust-7{story.word(3)}", days=4)


def answered(story: Story, subject: str) -> None:
    """Tell of a request for access, prolonged and answered with a copy."""
    case_id = receive(story, "access", subject)
    story.wait(2 * _DAY)
    story.tell(
        "dsr.extended",
        actor=people.NORA,
        target=("request", case_id),
        reason="letters of eleven years must be scanned",
    )
    story.wait(2 * _DAY)
    approval = story.approved(f"export for {case_id}", people.NORA, within=3000)
    story.use_data(
        "data.export",
        ("customer", subject),
        CARE,
        subjects=[subject],
        fields=7,
        purpose="data_subject_request",
        data={"recipient": "the requester", "recipient_role": "individual", "external": False},
        decision={"approval_id": approval.id, "effect": "approved"},
    )
    complete(story, case_id, subject)


def any_answer(story: Story) -> None:
    """Tell of somebody's request for access."""
    answered(story, f"cust-6{story.word(3)}")


def refuse(story: Story) -> None:
    """Tell of a request that was refused, with the reason."""
    subject = f"cust-6{story.word(3)}"
    case_id = receive(story, "objection", subject)
    story.wait(_DAY)
    story.tell(
        "dsr.refused",
        actor=people.NORA,
        target=("request", case_id),
        reason="the claim is still before a court",
        data={"subject_ids": [subject]},
    )


def object_and_restrict(story: Story) -> None:
    """Tell of an objection, a restriction that is lifted again, and a consent taken back."""
    subject = f"cust-5{story.word(3)}"
    data = {"subject_ids": [subject], "purpose": "lapse_prediction"}
    target = ("customer", subject)
    story.tell("objection.upheld", actor=people.NORA, target=target, data=data)
    story.tell("restriction.applied", actor=people.NORA, target=target, data=data)
    story.wait(2 * _DAY)
    story.tell("restriction.lifted", actor=people.NORA, target=target, data=data)
    consent = {
        "subject_ids": [subject],
        "purpose": "market_research",
        "consent_id": f"cons-{story.word(6)}",
    }
    story.tell("consent.given", actor=people.JONAS, target=target, data=consent)
    story.wait(_DAY)
    story.tell("consent.withdrawn", actor=people.JONAS, target=target, data=consent)


AGENT = agents.SUPPORT
"""Who does what a request asks for; people's decisions about it are told through it too."""
