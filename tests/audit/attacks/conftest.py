"""Attacks: what somebody with the whole database, or more, can do, and who finds it.

Each is done for real and must come out *tampered* or *not proven*, at its place and by its cause.
What finds it is one of three: verification with nothing but the database, the sealer before it
signs, and somebody outside who kept a checkpoint. Where verification alone is fooled, the test says
so: that is what the other two are for. A table of all stands in the output once the last is done.
docs/threat-model.md tells the same in words.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from audit.models import Ledger
from audit.sinks.file import FileSink
from tests.audit.attacks.finding import TABLE
from tests.audit.attacks.sealed import Sealed, seal_twice


@pytest.fixture(scope="package", autouse=True)
def _table(request: pytest.FixtureRequest) -> Iterator[None]:
    """Print what was found, by whom, once all attacks are done."""
    yield
    lines = [f"| {each.attack} | {each.by} | {each.result} | {each.cause} |" for each in TABLE]
    writer = request.config.get_terminal_writer()
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        for line in ("", "| attack | found by | result | cause |", "|---|---|---|---|", *lines):
            writer.line(line)


@pytest.fixture
def sealed(ledger: Ledger, settings: Any, tmp_path: Path) -> Sealed:
    settings.SIGNING_DIR = tmp_path / "signing"
    settings.SIGNER_COMMAND = ""
    sink = FileSink(tmp_path / "anchors", interval=0)
    return seal_twice(ledger, sink, tmp_path)
