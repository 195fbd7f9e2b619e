"""Name the processes of an installation and the command of each: the one list there is.

`manage.py up` starts these, docker/compose.yml and docker/k8s have a container for each, and
tests hold all three together. Who starts and stops them here: obsplatform.supervisor.
A command is what follows the interpreter: `python -m celery …`, `python manage.py …`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Role = Literal["web", "worker"]


@dataclass(frozen=True, kw_only=True)
class Process:
    """One process that shall always run."""

    name: str
    """What it is called in logs, in compose.yml and in Kubernetes."""
    command: tuple[str, ...]
    """What follows the interpreter."""
    role: Role
    """Which role of Postgres it connects as: OBS_DATABASE_ROLE."""
    may_repeat: bool
    """Whether several may run at once, on one machine or on many."""


_CELERY: Final = ("-m", "celery", "-A", "obsplatform")


def web(*, host: str, port: str, workers: str, threads: str) -> Process:
    """Return the web server, listening there with so many processes of so many threads each."""
    return Process(
        name="web",
        command=(
            *("-m", "granian", "--interface", "wsgi", "obsplatform.wsgi:application"),
            *("--host", host, "--port", port, "--no-ws"),
            *("--workers", workers),
            *("--blocking-threads", threads),
            *("--respawn-failed-workers", "--respawn-interval", "0.2"),
        ),
        role="web",
        may_repeat=True,
    )


WORKER: Final = Process(
    name="worker",
    # Workers have nothing to tell each other, and without it they start a second sooner.
    command=(*_CELERY, "worker", "--concurrency", "2", "--without-gossip", "--without-mingle"),
    role="worker",
    may_repeat=True,
)
# No pid file: it would outlive kill -9 and name a pid that is someone else's by then.
BEAT: Final = Process(name="beat", command=(*_CELERY, "beat"), role="worker", may_repeat=False)
APPEND: Final = Process(
    name="append",
    command=("manage.py", "append_pending", "--follow"),
    role="worker",
    may_repeat=True,
)
SEAL: Final = Process(
    name="seal", command=("manage.py", "seal", "--follow"), role="worker", may_repeat=False
)
DELIVER: Final = Process(
    name="deliver", command=("manage.py", "deliver", "--follow"), role="worker", may_repeat=True
)
OTLP_GRPC: Final = Process(
    name="otlp_grpc", command=("manage.py", "otlp_grpc"), role="web", may_repeat=True
)
"""Not among those that always run: OBS_OTLP_GRPC asks for it."""

WORKERS: Final = (WORKER, BEAT, APPEND, SEAL, DELIVER)
"""All but the web server, in the order in which `up` starts them."""
