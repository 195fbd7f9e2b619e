"""Watch the strip turn when the signing key is gone, and turn back once it is there again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.calling import call
from tests.browser.chromium import chromium_path
from tests.conftest import make_event

pytestmark = pytest.mark.skipif(chromium_path() is None, reason="no Chromium on this machine")

PATIENCE = 60_000
"""Milliseconds to wait for what a live installation does in a few seconds."""


@pytest.fixture
def page(chromium: Browser, enter: Callable[..., None]) -> Iterator[Page]:
    opened = chromium.new_page()
    enter(opened)
    yield opened
    opened.close()


@pytest.fixture
def key_file(installation: dict[str, Any]) -> Iterator[Path]:
    """Return the signing key of the installation; it is in its place after the test."""
    (path,) = installation["data"].rglob(f"{installation['ledger']}.keys")
    away = path.with_suffix(".away")
    yield path
    if away.exists():
        away.replace(path)


def post(installation: dict[str, Any], wait: str) -> tuple[int, Any]:
    return call(
        f"{installation['url']}/api/v1/events?wait={wait}",
        method="POST",
        key=installation["key"],
        body=[make_event(agent={"id": "sealing-agent"}) for _ in range(3)],
    )


def ready(installation: dict[str, Any]) -> dict[str, Any]:
    _, answer = call(f"{installation['url']}/ready")
    return next(each for each in answer["checks"] if each["name"] == "seal")


def test_the_strip_turns_when_the_key_is_gone_and_back_when_it_is_there(
    page: Page, installation: dict[str, Any], key_file: Path
) -> None:
    assert post(installation, "sealed")[0] == 200
    page.goto(f"{installation['url']}/admin/")
    strip = page.locator(".obs-strip")
    expect(strip).to_contain_text("sealed to", timeout=PATIENCE)

    key_file.rename(key_file.with_suffix(".away"))
    assert post(installation, "chained")[0] == 200

    expect(strip).to_contain_text("not sealed", timeout=PATIENCE)
    expect(strip).to_contain_text("makesigningkey")
    expect(strip).to_contain_text("without a checkpoint")
    expect(page.locator("[data-live-part=lead]")).to_contain_text("Nothing is signed now")
    assert ready(installation)["status"] == "degraded"
    assert "makesigningkey" in ready(installation)["detail"]

    key_file.with_suffix(".away").replace(key_file)

    expect(strip).to_contain_text("sealed to", timeout=PATIENCE)
    expect(strip).not_to_contain_text("not sealed")
    expect(page.locator("[data-live-part=lead]")).not_to_contain_text("Nothing is signed")
    assert post(installation, "sealed")[0] == 200
    assert ready(installation)["status"] == "ok"
