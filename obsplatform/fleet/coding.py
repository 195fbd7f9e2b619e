"""Days of Patchwork, the coding agent: tickets become changes, some of them reach production."""

from __future__ import annotations

from typing import Any

from obsplatform.fleet import agents, people
from obsplatform.fleet.story import Story
from obsplatform.fleet.work import Episodes

_REPOS = ("billing", "portal", "claims-core", "mobile-app", "infra")
_FILES = (
    "src/api/routes.py",
    "src/models/invoice.py",
    "web/cart.ts",
    "tests/test_api.py",
    "Makefile",
)


def _code(story: Story, action: str, path: str, **blocks: Any) -> None:
    story.tell(
        action,
        target={"type": "file", "id": path, "system": "forge"},
        duration_ms=round(story.chance.uniform(0.3, 25), 2),
        **blocks,
    )


def _plan(story: Story) -> tuple[str, tuple[str, str]]:
    """Take a ticket from the queue and plan it; return the repository and the ticket."""
    repo = story.chance.choice(_REPOS)
    task = {"task_id": f"ENG-{story.chance.randint(1000, 9999)}", "queue": "tickets"}
    story.tell("task.enqueued", target=("task", task["task_id"]), run=task)
    story.wait(1, 300)
    story.start(run={"mode": "autonomous", **task})
    story.tell("task.started", target=("task", task["task_id"]), run=task)
    before = story.elapsed()
    story.think(tokens=(5200, 700))
    story.tell(
        "plan.created",
        target=("task", task["task_id"]),
        plan={
            "quality": round(story.chance.betavariate(7, 2), 2),
            "steps": story.chance.randint(3, 9),
        },
        duration_ms=round(story.elapsed() - before, 1),
        run=task,
    )
    return repo, ("task", task["task_id"])


def _loop(story: Story, repo: str, phase: str) -> None:
    began = story.at
    for _ in range(story.chance.randint(1, 3)):
        _code(story, "file.read", f"{repo}/{story.chance.choice(_FILES)}")
    if story.errs(0.02):
        story.think(tokens=(9000, 0), outcome="error", error="context_length")
    story.think(tokens=(8200, 900))
    _code(story, "file.written", f"{repo}/{story.chance.choice(_FILES)}")
    red = story.happens(0.18)
    story.call_tool(
        agents.RUN_TESTS,
        ("repository", repo),
        outcome="failure" if red else "success",
        error="tests_failed" if red else None,
        details={"command": "make test", "failed": 3 if red else 0},
    )
    story.tell(
        "loop.completed",
        target=("run", story.run_id),
        duration_ms=round((story.at - began).total_seconds() * 1000, 1),
        run={"phase": phase},
    )


def merged(story: Story) -> None:
    """Tell of a change that a developer will review: pushed to a branch."""
    repo, ticket = _plan(story)
    for phase in ("act", "reflect")[: story.chance.randint(1, 2)]:
        _loop(story, repo, phase)
    story.call_tool(agents.GIT_PUSH, ("branch", f"{repo}/patch-{story.word(5)}"))
    story.tell("task.completed", target=ticket, duration_ms=story.elapsed())
    story.finish()


def deployed(story: Story) -> None:
    """Tell of a change that goes to production after the lead's yes."""
    repo, ticket = _plan(story)
    _loop(story, repo, "act")
    approval = story.approved(f"{repo} to production", people.LENA, agents.DEPLOY, within=2700)
    story.call_tool(agents.DEPLOY, ("service", repo), approval=approval)
    story.tell("task.completed", target=ticket, duration_ms=story.elapsed())
    story.finish()


def gave_up(story: Story) -> None:
    """Tell of a ticket it could not do."""
    repo, ticket = _plan(story)
    _loop(story, repo, "act")
    story.tell(
        "task.failed",
        target=ticket,
        outcome="failure",
        error={"type": "tests_failed", "message": "3 of 412 tests failed"},
        duration_ms=story.elapsed(),
    )
    story.finish(outcome="failure", error="tests_failed")


def looked_around(story: Story) -> None:
    """Answer a question about the code from a read-only copy."""
    story.start(run={"mode": "chat"})
    story.tell(
        "db.queried",
        target={"type": "table", "id": "orders", "system": "replica"},
        duration_ms=round(story.chance.lognormvariate(4, 1), 1),
        details={"rows": story.chance.randint(0, 500)},
    )
    story.tell("api.called", target=("api", "forge/issues"), duration_ms=81.5)
    story.think(tokens=(3300, 420))
    story.finish()


def tidied(story: Story) -> None:
    """Old build output is thrown away."""
    story.start()
    for _ in range(story.chance.randint(1, 3)):
        _code(story, "file.deleted", f"{story.chance.choice(_REPOS)}/build/{story.word(6)}.o")
    story.finish()


def stopped(story: Story) -> None:
    """Stop when a developer says so, and go on later from where it was."""
    repo, _ = _plan(story)
    saved = ("checkpoint", f"ckpt-{story.word(6)}")
    story.tell("agent.checkpoint_saved", target=saved)
    story.tell(
        "agent.interrupted",
        target=("agent", story.agent.id),
        actor=people.RAVI,
        reason="wrong branch",
    )
    story.wait(60, 900)
    story.tell("agent.checkpoint_loaded", target=saved)
    _loop(story, repo, "act")
    story.finish()


EPISODES: Episodes = (
    (40, merged),
    (10, deployed),
    (8, gave_up),
    (22, looked_around),
    (6, tidied),
    (3, stopped),
)
