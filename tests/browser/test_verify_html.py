"""verify.html in a real browser, opened from a file: the same findings as verify.py.

Skips, and says so, on a machine without Chromium.
"""

from __future__ import annotations

import io
import random
from base64 import b64decode, b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from audit.ledger.manifest import VERIFY_HTML
from audit.ledger.offline import Trust, verify_bundle
from tests.audit.ledger.attacks import RENDERINGS, attacks
from tests.audit.ledger.bundles import (
    FORGER,
    LOG,
    VECTORS,
    VKEY,
    bundle,
    checkpoint,
    ledger,
    unpack,
)
from tests.browser.chromium import chromium_path

pytestmark = pytest.mark.skipif(chromium_path() is None, reason="no Chromium on this machine")

_JUDGE = """
async ([data, keys]) => {
  const bytes = Uint8Array.from(atob(data), (char) => char.charCodeAt(0));
  const verdict = await verifyBundle(new File([bytes], "b.zip"), keys.map(parseKey), () => {});
  return {result: verdict.result, reasons: verdict.reasons, finding: verdict.finding,
          signers: verdict.signers};
}
"""


@pytest.fixture(scope="module")
def page(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """Open the page as a bundle carries it; whatever it says to the console fails the test."""
    path = tmp_path_factory.mktemp("offline") / VERIFY_HTML
    path.write_bytes(unpack(bundle(ledger(9), range(9)))[VERIFY_HTML])
    context = chromium.new_context(offline=True)
    opened = context.new_page()
    said: list[str] = []
    opened.on("console", lambda message: said.append(message.text))
    opened.on("pageerror", lambda error: said.append(str(error)))
    opened.goto(path.as_uri())
    yield opened
    context.close()
    assert said == []


def judged(page: Page, data: bytes, *keys: str) -> dict[str, Any]:
    verdict: dict[str, Any] = page.evaluate(_JUDGE, [b64encode(data).decode(), list(keys)])
    return verdict


def choose(page: Page, path: Path, key: str) -> None:
    page.get_by_label("Bundle, a ZIP file").set_input_files(path)
    page.get_by_label("Verifier key").fill(key)
    page.get_by_role("button", name="Verify").click()


def test_a_person_chooses_a_bundle_and_reads_intact(page: Page, tmp_path: Path) -> None:
    (tmp_path / "bundle.zip").write_bytes(bundle(ledger(50), range(3, 40), renderings=RENDERINGS))

    choose(page, tmp_path / "bundle.zip", VKEY)

    expect(page.get_by_role("heading", name="intact")).to_be_visible()
    expect(page.locator("#facts")).to_contain_text("37 entries, seq 3 to 39, without gaps")


def test_the_page_that_the_platform_serves_verifies_too(
    chromium: Browser, installation: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "bundle.zip").write_bytes(bundle(ledger(50), range(3, 40)))
    context = chromium.new_context()
    served = context.new_page()
    said: list[str] = []
    served.on("console", lambda message: said.append(message.text))
    served.goto(f"{installation['url']}/verify.html")

    choose(served, tmp_path / "bundle.zip", VKEY)

    expect(served.get_by_role("heading", name="intact")).to_be_visible()
    context.close()
    assert said == []


def test_a_person_reads_which_entry_was_changed(page: Page, tmp_path: Path) -> None:
    data = bundle(ledger(50), [3, 8, 30]).replace(b"entry 8 ", b"entry 9 ")
    (tmp_path / "bundle.zip").write_bytes(data)

    choose(page, tmp_path / "bundle.zip", VKEY)

    expect(page.get_by_role("heading", name="tampered")).to_be_visible()
    expect(page.locator("#facts")).to_contain_text("records.ndjson, seq 8")
    expect(page.locator("#facts")).to_contain_text(ledger(50).hashes[8].hex())


def test_a_person_without_a_key_reads_why_it_is_not_proven(page: Page, tmp_path: Path) -> None:
    (tmp_path / "bundle.zip").write_bytes(bundle(ledger(50), range(50)))

    choose(page, tmp_path / "bundle.zip", "")

    expect(page.get_by_role("heading", name="not proven")).to_be_visible()
    expect(page.locator("#reason")).to_contain_text("signer unknown")


def test_a_key_that_is_none_is_said_to_be_none(page: Page, tmp_path: Path) -> None:
    (tmp_path / "bundle.zip").write_bytes(bundle(ledger(50), range(50)))

    choose(page, tmp_path / "bundle.zip", VKEY[:-2])

    expect(page.get_by_role("heading", name="no key")).to_be_visible()


def test_it_may_connect_to_nothing(page: Page) -> None:
    policy = page.locator("meta[http-equiv]").get_attribute("content") or ""

    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy


def test_every_size_to_thirty_with_seeded_picks_is_intact(page: Page) -> None:
    chance = random.Random(7)
    for size in range(1, 31):
        seqs = sorted(chance.sample(range(size), chance.randrange(1, size + 1)))
        verdict = judged(page, bundle(ledger(size), seqs), VKEY)
        assert verdict["result"] == "intact", (size, seqs, verdict)


@pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda case: case["name"])
def test_bundles_made_long_ago_are_judged_as_ever(page: Page, case: dict[str, Any]) -> None:
    verdict = judged(page, b64decode(case["bundle"]), VECTORS["vkey"])

    assert verdict["result"] == case["result"]
    assert verdict["reasons"] == case["reasons"]
    for name in ("file", "seq", "field", "expected") if case["finding"] else ():
        assert verdict["finding"][name] == case["finding"][name]


def test_attacks_are_found_where_verify_py_finds_them(page: Page) -> None:
    for attack in attacks(76, seed=8):
        verdict = judged(page, attack.data, VKEY)
        ours = verify_bundle(io.BytesIO(attack.data), trust=Trust(keys=(LOG.key,)))

        assert verdict["result"] == ours.result == attack.result, (attack.name, verdict, ours)
        if ours.finding is None:
            assert verdict["reasons"] == list(ours.reasons)
        else:
            same = ("file", "seq", "field")
            found = {name: verdict["finding"][name] for name in same}
            assert found == {name: getattr(ours.finding, name) for name in same}, attack.name


def test_flipped_bytes_are_found_where_verify_py_finds_them(page: Page) -> None:
    data = bundle(ledger(12), [0, 1, 2, 7], renderings=RENDERINGS)
    chance = random.Random(9)
    # Half of them in the first and the last kilobytes, which hold all but the two verifiers.
    edges = [*range(4000), *range(len(data) - 2500, len(data))]
    places = [*chance.sample(edges, 200), *chance.sample(range(len(data)), 50)]
    for place in places:
        flipped = bytearray(data)
        flipped[place] ^= 1 << chance.randrange(8)
        verdict = judged(page, bytes(flipped), VKEY)
        ours = verify_bundle(io.BytesIO(flipped), trust=Trust(keys=(LOG.key,)))

        assert verdict["result"] == "tampered", (place, verdict)
        assert ours.finding is not None
        assert verdict["finding"]["file"] == ours.finding.file, (place, verdict, ours.finding)
        assert verdict["finding"]["seq"] == ours.finding.seq, (place, verdict, ours.finding)


def test_other_keys_and_no_entries_are_not_proven(page: Page) -> None:
    assert judged(page, bundle(ledger(50), []), VKEY)["result"] == "not proven"
    forged = bundle(ledger(50), range(50), signer=FORGER)
    assert judged(page, forged, VKEY)["result"] == "not proven"


def test_signatures_are_checked_by_hand_where_the_browser_cannot(page: Page) -> None:
    note = checkpoint(ledger(50))
    text, _, line = note.partition(b"\n\n")
    check = """
    ([key, message, signature, flip]) => {
      const [k, m, s] = [key, message, signature].map((each) => Uint8Array.from(atob(each), (c) => c.charCodeAt(0)));
      const raw = s.subarray(4);
      if (flip >= 0) raw[flip] ^= 1;
      return verifyByHand(k, m, raw);
    }
    """  # noqa: E501
    public, message = b64encode(LOG.key.public).decode(), b64encode(text + b"\n").decode()
    signature = line.split()[-1].decode()

    assert page.evaluate(check, [public, message, signature, -1]) is True
    for flip in (0, 31, 32, 63):
        assert page.evaluate(check, [public, message, signature, flip]) is False


def test_hashes_are_those_of_the_standard(page: Page) -> None:
    check = """
    async (size) => {
      const data = Uint8Array.from({length: size}, (_, n) => (n * 7 + size) & 255);
      const [a, b] = await Promise.all(["SHA-256", "SHA-512"].map((name) => crypto.subtle.digest(name, data)));
      return hex(sha256(data)) === hex(new Uint8Array(a)) && hex(sha512(data)) === hex(new Uint8Array(b));
    }
    """  # noqa: E501
    for size in range(300):
        assert page.evaluate(check, size) is True, size
