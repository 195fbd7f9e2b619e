"""What every test of metrics begins with: labels that have learned nothing."""

from __future__ import annotations

import pytest

from audit.database import raw_connection


@pytest.fixture
def nothing_learned(database: None) -> None:
    """Forget what labels may say: the lists are the installation's, and other tests fill them."""
    raw_connection().execute("DELETE FROM metrics_name")


@pytest.fixture(autouse=True)
def _nothing_learned(request: pytest.FixtureRequest) -> None:
    if "database" in request.fixturenames:
        request.getfixturevalue("nothing_learned")
