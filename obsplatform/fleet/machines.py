"""What machines say of themselves: resources, queues, backups, detection rules, measures."""

from __future__ import annotations

from obsplatform.fleet import people
from obsplatform.fleet.story import Story

MONITOR = {"type": "system", "id": "monitor"}


def sample(story: Story, *, is_night: bool = False) -> None:
    """Measure the machine an agent runs on."""
    story.tell(
        "system.resource_sampled",
        actor=MONITOR,
        target=("host", story.replica),
        resource={
            "cpu_ratio": round(story.chance.uniform(0.02, 0.1 if is_night else 0.65), 3),
            "memory_bytes": story.chance.randint(400, 1900) * 1_000_000,
            "disk_bytes": story.chance.randint(20, 60) * 1_000_000_000,
            "net_io_bytes": story.chance.randint(1, 900) * 10_000,
            "gc_pause_ms": round(story.chance.uniform(0.5, 14), 2),
        },
    )


def report_queue(story: Story, *, lag: float | None = None) -> None:
    """Say how far behind the queue is."""
    story.tell(
        "system.queue_reported",
        actor=MONITOR,
        target=("queue", "nightly"),
        system={
            "max_lag_seconds": lag or round(story.chance.expovariate(0.4), 2),
            "queue_depth": story.chance.randint(0, 40),
        },
    )


def measure(story: Story) -> None:
    """Record a measure of its own."""
    story.tell(
        "metric.recorded",
        actor=MONITOR,
        target=("metric", "open_tickets"),
        measure={"name": "open_tickets", "type": "gauge", "value": story.chance.randint(40, 190)},
    )


def back_up(story: Story) -> None:
    """Take the night's backup."""
    story.tell(
        "backup.completed",
        actor={"type": "service", "id": "backup"},
        target=("database", "orders"),
        duration_ms=round(story.chance.uniform(400, 900) * 1000, 0),
        backup={
            "id": f"bak-{story.word(8)}",
            "bytes": story.chance.randint(40, 44) * 1_000_000_000,
            "digest": story.word(64),
        },
    )


def test_restore(story: Story) -> None:
    """Bring a backup back, and check the chain in it."""
    story.tell(
        "backup.restore_tested",
        actor=people.DARIO,
        target=("database", "orders"),
        backup={
            "id": f"bak-{story.word(8)}",
            "rto_seconds": 2210,
            "chain_verified_after_restore": True,
        },
    )


def run_rules(story: Story) -> None:
    """Run the detection rules of the day."""
    story.tell(
        "monitor.rules_evaluated",
        actor=MONITOR,
        target=("rules", "all"),
        monitor={"rules_count": 46, "alerts_count": story.chance.choice((0, 0, 0, 1, 2))},
    )
