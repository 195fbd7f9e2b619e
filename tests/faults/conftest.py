"""One installation that the fault tests share, the seed of all chance, and the figures at the end.

OBS_FAULT_SEED replays a run; OBS_FAULT_ROUNDS is how many kills each test makes, and
OBS_FAULT_SECONDS how long one looks that looks again and again (`make soak`).
"""

from __future__ import annotations

import os
import random
import secrets
from collections.abc import Callable, Iterator

import pytest

from tests.faults.load import Agent
from tests.faults.targets import Target
from tests.installation import running

SEED = os.environ.get("OBS_FAULT_SEED") or secrets.token_hex(4)
ROUNDS = int(os.environ.get("OBS_FAULT_ROUNDS") or 3)
SECONDS = int(os.environ.get("OBS_FAULT_SECONDS") or 10)
_figures: list[str] = []


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> random.Random:
    """Return the test's own chance, made of the seed and its name."""
    print(f"OBS_FAULT_SEED={SEED}")  # noqa: T201 - pytest shows it with a failure
    return random.Random(f"{SEED} {request.node.name}")


@pytest.fixture(scope="session")
def rounds() -> int:
    """Return how many kills a test makes."""
    return ROUNDS


@pytest.fixture(scope="session")
def seconds() -> int:
    """Return how long a test looks that looks again and again."""
    return SECONDS


@pytest.fixture(scope="package")  # of no use to the tests that come later, and never idle
def _shared() -> Iterator[Target]:
    with running(port=18_400) as ready:
        yield Target(ready)


@pytest.fixture
def target(_shared: Target) -> Target:
    """Return the shared installation with everything running."""
    _shared.wait_healed()
    return _shared


@pytest.fixture
def agent(target: Target, chance: random.Random) -> Iterator[Agent]:
    """Return one agent of the installation, for a test that posts by itself."""
    made = Agent(target.url, target.key, chance=chance)
    yield made
    made.close()


@pytest.fixture
def tell(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Return what puts a line of figures under the run."""
    return lambda line: _figures.append(f"{request.node.name}: {line}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the seed and the figures, so that a soak says what it has shown."""
    terminalreporter.write_line(
        f"faults: OBS_FAULT_SEED={SEED} OBS_FAULT_ROUNDS={ROUNDS} OBS_FAULT_SECONDS={SECONDS}"
    )
    for line in _figures:
        terminalreporter.write_line(f"faults: {line}")
