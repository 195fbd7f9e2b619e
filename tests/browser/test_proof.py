"""The browser computes an entry's proof itself, and says so when any part of it was changed."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.browser.calling import call
from tests.browser.chromium import chromium_path
from tests.conftest import make_event

pytestmark = pytest.mark.skipif(
    chromium_path() is None, reason="no Chromium: apt-get install chromium"
)

HOLDS = "The proof holds: this record is in the tree that the ledger's key has signed."
FAILS = "This proof does not hold."
NO_ED25519 = """() => {
const importKey = crypto.subtle.importKey.bind(crypto.subtle);
crypto.subtle.importKey = (...given) => given[2].name === "Ed25519"
    ? Promise.reject(new DOMException("no Ed25519", "NotSupportedError"))
    : importKey(...given);
}"""


@pytest.fixture(scope="module")
def entry(installation: dict[str, Any]) -> str:
    """Post events until they are sealed; return the address of one in the middle."""
    url, key = installation["url"], installation["key"]
    events = [make_event(agent={"id": "proof-agent"}) for _ in range(300)]
    status, answer = call(f"{url}/api/v1/events?wait=sealed", method="POST", key=key, body=events)
    assert status in {200, 202}, answer
    asked = f"{url}/api/v1/events/{events[150]['id']}"
    ends = time.monotonic() + 60
    while (found := call(asked, key=key)[1])["state"] != "sealed":
        assert time.monotonic() < ends, found
        time.sleep(0.1)
    return f"{url}/admin/audit/entry/{installation['ledger']}/{found['seq']}/"


@pytest.fixture
def page(chromium: Browser, enter: Callable[..., None], entry: str) -> Iterator[Page]:
    context = chromium.new_context()
    opened = context.new_page()
    enter(opened, urlsplit(entry).path)
    yield opened
    context.close()


def check(page: Page) -> None:
    page.get_by_role("button", name="Check this proof").click()


def words(page: Page) -> dict[str, str]:
    expect(page.locator("#proof-verdict")).to_be_visible()
    return {
        str(each.get_attribute("data-proof")): each.locator(".obs-badge")
        .inner_text()
        .split(": ")[1]
        for each in page.locator("#proof-result li").all()
    }


def change(page: Page, turn: Callable[[dict[str, Any]], None]) -> None:
    """Change what the page was given before it is checked."""
    section = page.locator("#proof")
    proof = json.loads(section.get_attribute("data-proof") or "")
    turn(proof)
    section.evaluate("(element, text) => { element.dataset.proof = text; }", json.dumps(proof))


def test_the_proof_is_computed_step_by_step_and_holds(page: Page) -> None:
    check(page)

    expect(page.locator("#proof-verdict")).to_have_text(HOLDS)
    names = ("leaf", "place", "root", "checkpoint", "signature")
    assert words(page) == dict.fromkeys(names, "holds")
    results = page.locator("#proof-steps [data-result]").all_inner_texts()
    assert results[0] == f"= {page.locator('#check').get_attribute('data-hash')}"
    assert results[-2] == f"= {results[-1]}"  # the last step leads to the root


def other_hex(text: str) -> str:
    return f"{int(text[0], 16) ^ 1:x}{text[1:]}"


def turn_sibling(proof: dict[str, Any]) -> None:
    proof["steps"][3]["sibling"] = other_hex(proof["steps"][3]["sibling"])


def turn_side(proof: dict[str, Any]) -> None:
    step = proof["steps"][0]
    step["side"] = "left" if step["side"] == "right" else "right"


def turn_seq(proof: dict[str, Any]) -> None:
    proof["seq"] ^= 1


def turn_note(proof: dict[str, Any], *, find: bytes, put: bytes) -> None:
    note = base64.b64decode(proof["note"])
    assert find in note
    proof["note"] = base64.b64encode(note.replace(find, put, 1)).decode()


def turn_size(proof: dict[str, Any]) -> None:
    turn_note(proof, find=f"\n{proof['size']}\n".encode(), put=f"\n{proof['size'] + 1}\n".encode())


def turn_key(proof: dict[str, Any]) -> None:
    for key in proof["keys"]:
        key["public"] = base64.b64encode(bytes([7]) * 32).decode()


def leave_out_keys(proof: dict[str, Any]) -> None:
    proof["keys"] = []


@pytest.mark.parametrize(
    ("turn", "failed"),
    [
        (turn_sibling, {"root"}),
        (turn_side, {"place", "root"}),
        (turn_seq, {"place"}),
        (turn_size, {"checkpoint", "signature"}),
        (turn_key, {"signature"}),
        (leave_out_keys, {"signature"}),
    ],
)
def test_whatever_is_changed_is_named(
    page: Page, turn: Callable[[dict[str, Any]], None], failed: set[str]
) -> None:
    change(page, turn)

    check(page)

    expect(page.locator("#proof-verdict")).to_have_text(FAILS)
    found = {name for name, word in words(page).items() if word == "fails"}
    assert failed <= found


def test_a_changed_record_fails_at_the_leaf(page: Page) -> None:
    page.locator("#check").evaluate(
        "(element) => { element.dataset.record = btoa(atob(element.dataset.record)"
        ".replace('proof-agent', 'prooF-agent')); }"
    )

    check(page)

    assert {"leaf", "root"} == {name for name, word in words(page).items() if word == "fails"}


def test_a_browser_without_ed25519_claims_nothing_about_the_signature(page: Page) -> None:
    page.evaluate(NO_ED25519)

    check(page)

    assert words(page)["signature"] == "cannot tell"
    expect(page.locator("#proof-verdict")).to_contain_text("who signed it cannot be told here")


def test_the_proof_is_downloaded_as_a_file(page: Page, tmp_path: Path) -> None:
    with page.expect_download() as waited:
        page.locator("#proof").get_by_role("link", name=".tlog-proof").click()

    waited.value.save_as(tmp_path / "proof")
    assert (tmp_path / "proof").read_bytes().startswith(b"c2sp.org/tlog-proof@v1\nindex ")
    assert waited.value.suggested_filename.endswith(".tlog-proof")


def test_the_shell_lines_prove_the_entry_to_a_stranger(
    page: Page, installation: dict[str, Any], tmp_path: Path
) -> None:
    """As somebody would do it who pastes them, but for curl, which not every machine has."""
    for name in (".tlog-proof", "record.json"):
        with page.expect_download() as waited:
            page.locator("#proof").get_by_role("link", name=name).click()
        waited.value.save_as(tmp_path / waited.value.suggested_filename)
    lines = page.get_by_role("region", name="Shell lines").inner_text().splitlines()
    fetched = f"{installation['url']}/verify.py"
    assert f"curl -O {fetched}" in lines
    with urllib.request.urlopen(fetched, timeout=60) as answer:
        (tmp_path / "verify.py").write_bytes(answer.read())

    done = subprocess.run(
        ["sh", "-e", "-c", "\n".join(each for each in lines if not each.startswith("curl "))],
        cwd=tmp_path,
        env={"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
    leaf, verdict = done.stdout.split("\n", 1)
    assert leaf.split()[0] == page.locator("#check").get_attribute("data-hash")
    assert verdict.startswith("INTACT\n")


def test_the_card_fits_a_narrow_screen_and_is_accessible(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    check(page)
    expect(page.locator("#proof-verdict")).to_be_visible()

    wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")

    assert wide <= 0
    assert Axe().run(page, context="#proof").response["violations"] == []
