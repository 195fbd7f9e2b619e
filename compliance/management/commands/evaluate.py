"""Evaluate a framework over a period, from the tallies, from the entries, or from a bundle."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from compliance.evaluate import evaluate_bundle, evaluate_framework
from compliance.gather import Ledger
from compliance.in_force import UnknownFramework, catalogue_in_force
from compliance.kinds.base import Item
from compliance.result import (
    ControlResult,
    FrameworkResult,
    Leg,
    as_json,
    day_text,
    shown,
    time_text,
)
from compliance.scoring import CAPPING
from compliance.scratch import BundleRefused
from compliance.snapshot import seal_snapshot
from compliance.tallied import LensNotTallied

NOT_PROVEN: Final = 3
EVERYWHERE: Final = "all"
_TITLE_WIDTH: Final = 44
_ITEMS: Final = 3
"""Failing items that are shown of a leg."""


class Command(BaseCommand):
    """`manage.py evaluate FRAMEWORK --from DATE --to DATE …`."""

    help = (
        "Evaluate a framework over the days from --from up to, not including, --to, and print the "
        "four numbers, the controls, and the legs that hold them down. The same entries give the "
        "same digest from the tallies, with --from-scratch, and from a bundle on another database. "
        "Exit 0 a score, 1 the bundle is broken or the tallies lag, 2 usage, 3 no score is issued. "
        "Example: manage.py evaluate soc2 --from 2026-10-01 --to 2026-11-01 --from-scratch"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Define the options."""
        parser.add_argument("framework", help="its id, such as soc2; manage.py catalog list")
        parser.add_argument("--from", dest="start", required=True, metavar="DATE")
        parser.add_argument(
            "--to", dest="end", required=True, metavar="DATE", help="the day after the last"
        )
        parser.add_argument("--ledger", default=settings.LEDGER, help="default: %(default)s")
        parser.add_argument(
            "--environment",
            default="prod",
            help=f"of the agents that count, {EVERYWHERE} for each of them (default: %(default)s)",
        )
        parser.add_argument("--agent", help="only what this agent did; never sealed")
        source = parser.add_mutually_exclusive_group()
        source.add_argument(
            "--from-scratch", action="store_true", help="read every entry, not the tallies"
        )
        source.add_argument(
            "--bundle", type=Path, metavar="FILE", help="read an unfiltered evidence bundle instead"
        )
        parser.add_argument("--seal", action="store_true", help="seal the result as a snapshot")
        parser.add_argument("--json", action="store_true", help="one JSON object on stdout")

    def handle(self, *_: Any, **options: Any) -> None:
        """Evaluate, print, and end with what the numbers say."""
        if options["seal"] and (options["bundle"] or options["agent"]):
            raise CommandError(
                "--seal seals what a whole ledger says; leave --bundle and --agent out",
                returncode=2,
            )
        first_items: dict[str, Sequence[Item]] = {}
        result = self._evaluate(options, first_items)
        sealed = None
        if options["seal"]:
            sealed = seal_snapshot(_ledger(options["ledger"]), result, kind="period")
        if options["json"]:
            said = as_json(result) | ({"snapshot": str(sealed.id)} if sealed else {})
            self.stdout.write(json.dumps(said, ensure_ascii=False))
        else:
            for line in _told(result, first_items):
                self.stdout.write(line)
            if sealed:
                self.stdout.write(f"sealed as snapshot {sealed.id}")
        if result.numbers.assured is None:
            sys.exit(NOT_PROVEN)

    def _evaluate(
        self, options: dict[str, Any], first_items: dict[str, Sequence[Item]]
    ) -> FrameworkResult:
        def remember(lens: str, items: Sequence[Item]) -> None:
            first_items[lens] = items[:_ITEMS]

        asked = {
            "start": _date("--from", options["start"]),
            "end": _date("--to", options["end"]),
            "environment": _environment(options["environment"]),
            "agent": options["agent"],
            "on_progress": _Shown().show,
            "on_items": None if options["json"] else remember,
        }
        try:
            if options["bundle"]:
                return evaluate_bundle(options["bundle"], options["framework"], **asked)
            return evaluate_framework(
                _ledger(options["ledger"]),
                options["framework"],
                from_scratch=options["from_scratch"],
                **asked,
            )
        except (BundleRefused, LensNotTallied) as refused:
            raise CommandError(str(refused.args[0]), returncode=1) from refused
        except (UnknownFramework, ValueError) as wrong:
            raise CommandError(str(wrong.args[0]), returncode=2) from wrong
        except OSError as unread:
            raise CommandError(f"--bundle {unread}", returncode=2) from unread


class _Shown:
    """Progress on stderr: in place on a terminal, a line each five seconds elsewhere."""

    def __init__(self) -> None:
        self._began = self._at = time.monotonic()

    def show(self, done: int, total: int) -> None:
        """Say entries a second, share done and time left."""
        is_terminal = sys.stderr.isatty()
        now = time.monotonic()
        if now - self._at < (0.2 if is_terminal else 5.0):
            return
        self._at = now
        rate = done / max(now - self._began, 1e-9)
        left = (total - done) / max(rate, 1e-9)
        share = done / max(total, 1)
        line = f"{done:,} of {total:,} entries, {share:.0%}, {rate:,.0f}/s, {left:,.0f} s left"
        sys.stderr.write(f"\r{line}\033[K" if is_terminal else f"{line}\n")
        sys.stderr.flush()


def _ledger(name: str) -> Ledger:
    ledger = Ledger.objects.filter(name=name).first()
    if ledger is None:
        names = ", ".join(Ledger.objects.order_by("name").values_list("name", flat=True))
        raise CommandError(
            f"there is no ledger {name!r}; there are: {names or 'none'}", returncode=2
        )
    return ledger


def _date(option: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise CommandError(f"{option} {text}: a date looks like 2026-10-01", returncode=2) from None


def _environment(text: str) -> str | None:
    return None if text == EVERYWHERE else text


def _told(result: FrameworkResult, first_items: Mapping[str, Sequence[Item]]) -> Iterable[str]:
    """Return the result as lines: the period, the numbers, the controls, what holds them down."""
    numbers = result.numbers
    name = catalogue_in_force().frameworks[result.framework].name
    period = f"{day_text(result.start)} to {day_text(result.end)} (not included)"
    yield f"{name} {result.version}, ledger {result.ledger}, {period}"
    if result.observed_from > result.start:
        yield f"observed from {day_text(result.observed_from)}: the ledger begins there"
    yield (
        f"{result.entries:,} entries, {result.backfilled:,} of them backfilled; "
        f"read up to seq {result.head_seq}, as of {time_text(result.as_of)}"
    )
    if numbers.assured is None:
        yield f"NO SCORE: {numbers.reason}"
    else:
        yield (
            f"EVIDENCED {shown(numbers.assured)} ({numbers.band})   "
            f"TESTED {shown(numbers.tested) or 'nothing'}   COVERAGE {shown(numbers.coverage)}   "
            f"capped at {numbers.cap}"
        )
        for capped in numbers.capped_by:
            yield f"  capped by {capped.control} / {capped.leg}: {capped.state}"
    if numbers.with_exceptions not in (None, numbers.assured):
        yield f"with accepted exceptions {shown(numbers.with_exceptions)}"
    yield ""
    for control in result.controls:
        title = control.title[:_TITLE_WIDTH]
        yield f"{control.id:<24} {title:<{_TITLE_WIDTH}} {control.state:<14} {_score(control)}"
    yield ""
    for control in result.controls:
        for leg in control.legs:
            if leg.state in CAPPING or leg.state == "pending":
                yield _line(leg)
                for item in first_items.get(leg.lens, ()):
                    yield f"    {day_text(item.day)} {_place(item)}: {item.why or item.item}"
    for each in (*result.loosened, *result.refused):
        yield f"note: {each}"
    yield f"digest {result.digest}"


def _place(item: Item) -> str:
    """Return what an item is about: an entry, or a whole day, of which agent and series."""
    day, _, series = item.item.partition("/")
    if day != day_text(item.day):
        return f"entry {item.seq}"
    about = dict.fromkeys(each for each in (item.agent, series) if each)
    return ", ".join(("the day", *about))


def _score(control: ControlResult) -> str:
    return shown(control.score) or "-"


def _line(leg: Leg) -> str:
    shown_only = " (shown only)" if leg.shown_only else ""
    return f"{leg.control} / {leg.id}: {leg.severity} {leg.state}{shown_only}: {leg.reason}"
