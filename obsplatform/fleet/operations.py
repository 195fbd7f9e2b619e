"""Nights of Night shift, the scheduler: jobs, old files, what leaves its retention time."""

from __future__ import annotations

from obsplatform.fleet import agents, people
from obsplatform.fleet.processing import CARE
from obsplatform.fleet.story import Story
from obsplatform.fleet.work import Episodes

_JOBS = ("invoice-run", "dunning", "report-cubes", "mail-queue", "search-index", "statements")


def cycle(story: Story) -> None:
    """Start what is due."""
    jobs = story.chance.sample(_JOBS, story.chance.randint(1, 3))
    story.start(run={"mode": "scheduled"})
    for job in jobs:
        task = {"task_id": job, "queue": "nightly"}
        story.tell("task.enqueued", target=("job", job), run=task)
        story.call_tool(agents.CRON, ("job", job))
        story.tell("task.started", target=("job", job), run=task)
        story.wait(3, 240)
        story.tell("task.completed", target=("job", job), run=task, duration_ms=story.elapsed())
    story.tell(
        "orchestration.cycled",
        target=("scheduler", "main"),
        duration_ms=story.elapsed(),
        details={"jobs": len(jobs)},
    )
    story.finish()


def anonymized(story: Story) -> None:
    """Take the names out of closed files when their time is over."""
    story.start(run={"mode": "scheduled"})
    story.use_data(
        "data.anonymize",
        ("archive", f"closed-{story.word(4)}"),
        CARE,
        records=story.chance.randint(3, 60),
    )
    story.finish()


def purged(story: Story) -> None:
    """Destroy old files, after a person allowed it."""
    story.start(run={"mode": "scheduled"})
    folder = f"archive/2019/{story.word(4)}"
    approval = story.approved(folder, people.YUKI, agents.PURGE, within=2000)
    story.call_tool(agents.PURGE, ("folder", folder), approval=approval)
    story.tell("file.deleted", target=("folder", folder), duration_ms=820.0)
    story.finish()


def triaged_mail(story: Story) -> None:
    """Read the night's alarms and sort them."""
    story.start(run={"mode": "scheduled"})
    story.tell("api.called", target=("api", "mail/inbox"), duration_ms=96.0)
    story.think(tokens=(1400, 150))
    story.finish()


EPISODES: Episodes = ((30, cycle), (4, anonymized), (2, purged), (12, triaged_mail))
