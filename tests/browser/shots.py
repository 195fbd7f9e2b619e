"""Photograph every page of a running installation and fail on what no page may have.

`python -m tests.browser.shots [FOLDER] [--ready READY.json]` visits each page of pages.py at two
widths, in light and dark. It exits 1 and lists what it found when a page logs an error to the
console, asks for anything outside its origin, scrolls sideways, or has a serious accessibility
finding. The pictures are for people to look at.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, Request

from tests.browser.chromium import browser, log_in
from tests.browser.pages import PAGES, View
from tests.browser.steps.keeping import leave_no_hold, leave_no_purge
from tests.browser.steps.keys import leave_no_key
from tests.browser.traced import keep_traces

WIDTHS = {1440: 900, 390: 844}
THEMES = ("light", "dark")
SERIOUS = {"serious", "critical"}


@dataclass
class Findings:
    """What was wrong with one page at one width in one theme."""

    view: View
    problems: list[str] = field(default_factory=list)


def photograph(
    chromium: Browser,
    ready: dict[str, Any],
    folder: Path,
    *,
    width: int,
    theme: str,
    only: set[str],
) -> tuple[int, list[str]]:
    """Visit every page once; return how many were photographed, and the problems by page."""
    context = chromium.new_context(
        viewport={"width": width, "height": WIDTHS[width]},
        color_scheme="dark" if theme == "dark" else "light",
        reduced_motion="reduce",
        timezone_id="Europe/Berlin",
        locale="en-GB",
    )
    context.add_init_script(f"localStorage.setItem('_x_adminTheme', JSON.stringify('{theme}'))")
    page = context.new_page()
    wanted = [view for view in PAGES if not only or view.name in only]
    findings = Findings(view=PAGES[0])
    _watch(page, ready["url"], findings)
    taken, problems = 0, list[str]()
    logged_in = False
    try:
        for view in wanted:
            findings.view, findings.problems = view, []
            if not view.is_public and not logged_in:
                log_in(page, ready["url"], ready["user"], ready["password"])
                logged_in = True
            if view.debug not in {None, _has_debug(page, ready["url"])}:
                said = f"{view.name} left out: start with OBS_DEBUG={int(bool(view.debug))}"
                print(said, file=sys.stderr)  # noqa: T201
                continue
            findings.problems += _visit(page, view, ready)
            page.screenshot(path=folder / f"{view.name}-{width}-{theme}.png", full_page=True)
            taken += 1
            if view.on_paper and (width, theme) == (1440, "light"):
                page.pdf(path=folder / f"{view.name}.pdf", format="A4", print_background=True)
            problems += [f"{view.name} {width} {theme}: {each}" for each in findings.problems]
    finally:
        if logged_in:
            leave_no_key(page, ready["url"])
            leave_no_hold(page, ready["url"])
            leave_no_purge(page, ready["url"])
        context.close()
    return taken, problems


def _has_debug(page: Page, url: str) -> bool:
    return page.request.get(f"{url}/admin/pieces/").status == 200


def _watch(page: Page, url: str, findings: Findings) -> None:
    origin = urlsplit(url).netloc

    def asked(request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in {"data", "blob"} and parts.netloc != origin:
            findings.problems.append(f"asked for {request.url}")

    def said(message: ConsoleMessage) -> None:
        is_own_status = (
            findings.view.status != 200
            and message.location.get("url") == page.url
            and f"status of {findings.view.status} " in message.text
        )
        if message.type == "error" and not is_own_status:
            findings.problems.append(f"console: {message.text}")

    page.on("request", asked)
    page.on("pageerror", lambda error: findings.problems.append(f"script error: {error}"))
    page.on("console", said)


def _visit(page: Page, view: View, ready: dict[str, Any]) -> list[str]:
    problems = []
    if view.act is not None:
        view.act(page, ready["url"])
    else:
        answer = page.goto(ready["url"] + view.path.format(ledger=ready["ledger"]))
        if answer is None or answer.status != view.status:
            problems.append(f"answered {answer.status if answer else 'nothing'}")
    page.wait_for_load_state("networkidle")
    page.evaluate("document.fonts.ready")
    overflow = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    if overflow > 0:
        problems.append(f"scrolls sideways by {overflow} px")
    results = Axe().run(page).response
    for violation in results["violations"]:
        if violation["impact"] in SERIOUS:
            nodes = "; ".join(node["html"][:160] for node in violation["nodes"][:3])
            problems.append(
                f"{violation['impact']} {violation['id']}: {violation['help']}: {nodes}"
            )
    return problems


def _default_ready() -> Path:
    return Path(os.environ.get("OBS_DATA") or "var") / "ready.json"


def main(arguments: list[str]) -> int:
    """Take the pictures; return 1 when anything was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.browser.shots", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=Path("shots"))
    parser.add_argument(
        "--ready", type=Path, default=_default_ready(), help="ready.json of the installation"
    )
    parser.add_argument(
        "--only", action="append", default=[], help="a page's name; may be repeated"
    )
    parser.add_argument("--width", type=int, choices=[*WIDTHS], help="at this width only")
    parser.add_argument("--theme", choices=[*THEMES], help="in this theme only")
    asked = parser.parse_args(arguments)
    if not asked.ready.exists():
        print(f"{asked.ready} does not exist; start one with manage.py up", file=sys.stderr)  # noqa: T201
        return 2
    ready = json.loads(asked.ready.read_text())
    asked.folder.mkdir(parents=True, exist_ok=True)
    taken, problems = 0, list[str]()
    if not (asked.ready.parent / "services.json").exists():
        print("its database is elsewhere: pages of traces show what is there", file=sys.stderr)  # noqa: T201
    else:
        keep_traces(ready, asked.ready.parent)
    with browser() as chromium:
        for width in [asked.width] if asked.width else WIDTHS:
            for theme in [asked.theme] if asked.theme else THEMES:
                count, found = photograph(
                    chromium, ready, asked.folder, width=width, theme=theme, only=set(asked.only)
                )
                taken += count
                problems += found
    for problem in problems:
        print(problem)  # noqa: T201
    print(f"{taken} pictures in {asked.folder}, {len(problems)} problems", file=sys.stderr)  # noqa: T201
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
