"""What happens every day whoever works: heartbeats, backups, sign-ins, reviews, releases."""

from __future__ import annotations

from datetime import datetime, timedelta

from obsplatform.fleet import (
    access,
    agents,
    changes,
    incidents,
    lifecycle,
    machines,
    oversight,
    people,
    rights,
)
from obsplatform.fleet.agents import Agent
from obsplatform.fleet.chronicle import Chronicle
from obsplatform.fleet.processing import CARE

_BEAT = timedelta(hours=2)
SILENT = agents.RESEARCH
SILENT_FROM, SILENT_TO = (6, "18:10"), (4, "07:30")
"""The research agent says nothing between these: planted."""
OMAR_LEAVES = 3
"""Days ago, at noon: planted. Mornings until then he signs in like everybody."""


def tell(chronicle: Chronicle) -> None:
    """Tell of every day's round, from the fleet's first day to now."""
    for agent in agents.WORKERS:
        _live(chronicle, agent)
    for day in range(chronicle.world.days, 0, -1):
        _day(chronicle, day)
    _releases(chronicle)
    _now_and_then(chronicle)


def _live(chronicle: Chronicle, agent: Agent) -> None:
    """Start an agent's instances, let their hearts beat, and restart them at each release."""
    world = chronicle.world
    days = [world.days, *(day for day, _ in agent.releases if day < world.days)]
    for replica in range(1, agent.replicas + 1):
        name = f"{agent.id}-{replica}"
        for begin, end in zip(days, [*days[1:], 0], strict=True):
            at = world.day(begin, "00:00") + timedelta(minutes=2 + replica)
            until = world.day(end, "00:00") if end else world.now - timedelta(minutes=20)
            story = chronicle.begin(agent, at, replica=name)
            story.run_id = f"{name}-since-{at:%m%d}"
            lifecycle.start(story)
            for moment in _beats(at, until, replica):
                if agent is SILENT and world.day(*SILENT_FROM) < moment < world.day(*SILENT_TO):
                    continue
                story.at = moment
                lifecycle.beat(story)
                if moment.hour in {3, 11, 19} and replica == 1:
                    machines.sample(story, is_night=moment.hour == 3)
            story.at = until + timedelta(seconds=20)
            lifecycle.stop(story, "restart for a release" if end else "restart of the machine")


def _beats(at: datetime, until: datetime, replica: int) -> list[datetime]:
    first = at.replace(minute=0) + timedelta(hours=1, minutes=13 * replica)
    count = max(0, int((until - first) / _BEAT))
    return [first + _BEAT * number for number in range(count)]


def _day(chronicle: Chronicle, day: int) -> None:
    world = chronicle.world
    weekday = world.day(day, "00:00").weekday()
    night = chronicle.begin(agents.OPERATIONS, world.day(day, "02:40"), replica="night-shift-1")
    machines.back_up(night)
    machines.run_rules(night)
    night.at = world.day(day, "06:00")
    machines.report_queue(night)
    night.at = world.day(day, "18:00")
    machines.report_queue(night)
    machines.measure(night)
    if weekday < 5:
        for number, person in enumerate(people.PEOPLE):
            if person is not people.OMAR or day >= OMAR_LEAVES:
                _sign_in(chronicle, day, number, person)
    if weekday == 0:
        at = world.day(day, "10:15")
        oversight.review_log(chronicle.begin(agents.BACK_OFFICE, at))


def _sign_in(chronicle: Chronicle, day: int, number: int, person: people.Person) -> None:
    begins = chronicle.world.day(day, "06:40") + timedelta(minutes=9 * number)
    story = chronicle.begin(agents.SSO, begins, replica="sso-1")
    story.wait(0, 2400)
    if not story.happens(0.3):
        return
    if story.happens(0.05):
        access.mistype(story, person)
    else:
        idle = story.happens(0.15)
        access.sign_in(story, person, ends="auth.session_expired" if idle else "auth.logout")
    if story.happens(0.1):
        access.issue_token(story)


def _releases(chronicle: Chronicle) -> None:
    """Tell of the releases that went by the book."""
    world = chronicle.world

    def release(
        day: int, agent: Agent, version: str, change_id: str, *, is_emergency: bool = False
    ) -> None:
        values = changes.of_release(agent, version)
        if agent.next_chat is not None and agent is not SILENT:
            values += [(agent.next_chat[1].version, "model")]
        story = chronicle.begin(agents.BACK_OFFICE, world.day(day + 1, "19:00"))
        changes.release(story, agent, values, change_id=change_id, is_emergency=is_emergency)

    release(21, agents.CLAIMS_AGENT, "2.9.0", "CHG-2201", is_emergency=True)
    release(17, agents.SUPPORT, "4.2.0", "CHG-2214")
    release(13, agents.CODING, "1.15.0", "CHG-2220")
    back = chronicle.begin(agents.BACK_OFFICE, world.day(13, "20:40"))
    changes.roll_back(back, agents.CODING, change_id="CHG-2220", back_to="1.14.0", was="1.15.0")
    release(10, agents.CODING, "1.15.1", "CHG-2223")


def _now_and_then(chronicle: Chronicle) -> None:
    world = chronicle.world
    office = agents.BACK_OFFICE
    for day, clock, agent, what in (
        (29, "09:00", office, rights.any_answer),
        (28, "10:20", office, oversight.mend_both),
        (27, "08:30", office, oversight.look_after_vendors),
        (26, "13:00", office, rights.refuse),
        (25, "09:10", office, oversight.remove_old),
        (24, "14:00", agents.CLAIMS_AGENT, oversight.override),
        (23, "11:00", agents.SUPPORT, oversight.evaluate),
        (23, "11:30", agents.CLAIMS_AGENT, oversight.evaluate),
        (22, "08:15", agents.SUPPORT, incidents.from_alert_to_review),
        (20, "09:40", office, rights.object_and_restrict),
        (19, "12:00", agents.CODING, lifecycle.test_kill_switch),
        (18, "10:00", agents.PAYMENTS, lifecycle.raise_limits),
        (16, "07:45", office, oversight.relax_policy),
        (14, "15:00", agents.SUPPORT, lifecycle.suspend),
        (11, "09:30", office, oversight.disable_guardrail),
        (7, "09:00", office, machines.test_restore),
    ):
        what(chronicle.begin(agent, world.day(day, clock)))
    changed = chronicle.begin(office, world.day(9, "13:20"))
    oversight.register_activity(changed, CARE, action="processing.activity_changed")
    joined = chronicle.begin(office, world.day(26, "08:20"))
    access.join(joined, "ines.w")
    for agent in agents.WORKERS:
        rotated = chronicle.begin(agent, world.day(15, "06:20"))
        access.rotate(rotated, agent.id)
