"""What every test of metrics begins with: labels that have learned nothing, nothing decided."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from audit.database import raw_connection
from tests.metrics.deciding import forget_all


@pytest.fixture
def nothing_learned(database: None) -> None:
    """Forget what labels may say: the lists are the installation's, and other tests fill them."""
    raw_connection().execute("DELETE FROM metrics_name")


@pytest.fixture(autouse=True)
def _nothing_learned(request: pytest.FixtureRequest) -> None:
    if "database" in request.fixturenames:
        request.getfixturevalue("nothing_learned")


@pytest.fixture
def undecided(database: None) -> Iterator[None]:
    """Begin and end without switches, custom metrics, prices and budgets."""
    forget_all()
    yield
    forget_all()
