"""What stood before the first day: registers, vendors, activities, roles, first releases."""

from __future__ import annotations

from datetime import timedelta

from obsplatform.fleet import access, agents, changes, lifecycle, oversight, people
from obsplatform.fleet.chronicle import Chronicle
from obsplatform.fleet.processing import ACTIVITIES, CLAIMS

_VENDORS = (
    ("aurora", "dpa", ["internal", "pii", "financial"]),
    ("cedar-health", "both", ["internal", "pii", "phi"]),
    ("nordbank", "dpa", ["pii", "financial"]),
)


def lay(chronicle: Chronicle) -> None:
    """Tell of the weeks before the fleet's first day."""
    world = chronicle.world
    before = world.days + 40
    for number, agent in enumerate(agents.REGISTERED):
        at = world.day(before, "08:00") + timedelta(hours=3 * number)
        lifecycle.register(chronicle.begin(agent, at))
    office = chronicle.begin(agents.BACK_OFFICE, world.day(before - 5, "09:00"))
    _fill_registers(chronicle)
    oversight.assess_risks(office)
    access.review_access(chronicle.begin(agents.BACK_OFFICE, world.day(before - 12, "08:10")))
    _first_releases(chronicle)


def _fill_registers(chronicle: Chronicle) -> None:
    world = chronicle.world
    office = chronicle.begin(agents.BACK_OFFICE, world.day(world.days + 34, "09:30"))
    for name, agreement, classes in _VENDORS:
        oversight.approve_vendor(office, name, agreement=agreement, classes=classes)
        office.wait(400, 4000)
    for model in agents.MODELS:
        oversight.register_model(office, model)
        office.wait(60, 400)
    for agent in agents.WORKERS:
        for tool in agent.tools:
            oversight.register_tool(office, tool)
            office.wait(60, 300)
    for activity in ACTIVITIES:
        oversight.register_activity(office, activity)
        office.wait(600, 3000)
    oversight.assess_impact(office, CLAIMS)
    oversight.hold(chronicle.begin(agents.BACK_OFFICE, world.day(world.days + 20, "11:00")))


def _first_releases(chronicle: Chronicle) -> None:
    """Bring every agent's first version and models in by a change, days before their first use."""
    world = chronicle.world
    for number, agent in enumerate((*agents.WORKERS, agents.TRANSLATOR)):
        values = changes.of_release(agent, agent.version_at(world.days))
        for model in (agent.chat, agent.embed, agent.search):
            values += changes.of_model(model) if model else []
        at = world.day(world.days + 3, "07:30") + timedelta(minutes=70 * number)
        changes.release(
            chronicle.begin(agents.BACK_OFFICE, at),
            agent,
            sorted(set(values)),
            change_id=f"CHG-{2100 + number}",
            author=people.RAVI if agent.owner is not people.RAVI else people.LENA,
        )
