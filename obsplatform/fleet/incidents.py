"""From an alert to what was learnt: triage, containment, cause, review; or a dismissal."""

from __future__ import annotations

from obsplatform.fleet import people
from obsplatform.fleet.people import Person
from obsplatform.fleet.story import Story

MONITOR = {"type": "service", "id": "detector"}


def alert(
    story: Story, *, about: tuple[str, str], severity: str, alert_id: str, reason: str
) -> str:
    """Raise an alert; return the id of that act."""
    return story.tell(
        "alert.raised",
        target=about,
        actor=MONITOR,
        severity=severity,
        case={"alert_id": alert_id},
        reason=reason,
    )


def dismiss(story: Story, *, about: tuple[str, str], alert_id: str, reason: str) -> None:
    """Say why an alert was none."""
    story.tell(
        "alert.dismissed",
        target=about,
        actor=people.YUKI,
        case={"alert_id": alert_id},
        reason=reason,
    )


def handle(
    story: Story,
    *,
    case_id: str,
    alert_id: str,
    about: tuple[str, str],
    severity: str,
    cause: str,
    subject_event: str | None = None,
    lead: Person = people.YUKI,
) -> None:
    """Take an incident from detection to review, in time."""
    story.case = {"id": case_id}
    seen = {"alert_id": alert_id} | ({"subject_event": subject_event} if subject_event else {})
    story.tell("incident.detected", actor=lead, target=about, severity=severity, case=seen)
    story.wait(600, 5400)
    story.tell("incident.triaged", actor=lead, target=about, severity=severity)
    story.wait(900, 7200)
    story.tell("incident.contained", actor=lead, target=about, severity=severity)
    story.wait(3 * 3600, 20 * 3600)
    story.tell(
        "incident.resolved", actor=lead, target=about, severity=severity, case={"root_cause": cause}
    )
    story.wait(40 * 3600, 60 * 3600)
    story.tell(
        "incident.reviewed",
        actor=people.HELEN,
        target=about,
        severity=severity,
        review={"scope": case_id, "actions_count": 3, "findings_count": 1},
    )
    story.tell("incident.closed", actor=lead, target=about, severity=severity)
    story.case = {}


def from_alert_to_review(story: Story) -> None:
    """Tell of an incident that went as it should, and of an alert that was none."""
    about = ("agent", story.agent.id)
    first, second = f"ALR-{story.word(5)}", f"ALR-{story.word(5)}"
    alert(story, about=about, severity="high", alert_id=first, reason="answers got slow")
    story.wait(300, 1500)
    case_id = f"INC-{story.word(4)}"
    handle(
        story,
        case_id=case_id,
        alert_id=first,
        about=about,
        severity="high",
        cause="a full disk on the search index",
    )
    alert(story, about=about, severity="medium", alert_id=second, reason="twice the usual traffic")
    story.wait(600, 3000)
    dismiss(story, about=about, alert_id=second, reason="the yearly invoices went out")
    look_again(story, case_id=case_id, about=about, severity="high")


def look_again(
    story: Story, *, case_id: str, about: tuple[str, str], severity: str, lead: Person = people.YUKI
) -> None:
    """Take a closed incident up once more, for a report that came late."""
    story.case = {"id": case_id}
    late = "a customer writes that answers were slow again for a minute"
    story.tell("incident.reopened", actor=lead, target=about, severity=severity, reason=late)
    story.tell("incident.linked", actor=lead, target=about, severity=severity)
    story.tell("incident.ended", actor=lead, target=about, severity=severity)
    found = "the index was being moved to the larger disk"
    story.tell("incident.noted", actor=lead, target=about, severity=severity, reason=found)
    story.tell("incident.closed", actor=lead, target=about, severity=severity)
    story.case = {}
