"""Draw a sample again, from this installation or from a bundle, and say whether it is the same."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from compliance.gather import AuditError, Ledger, parse_verifier_key
from compliance.in_force import UnknownFramework
from compliance.redraw_sample import Redrawn, redraw_from_bundle, redraw_from_ledger
from compliance.sample_source import NotDrawable
from compliance.scratch import BundleRefused

DIFFERS: Final = 1
_SHOWN: Final = 10
"""Items that are printed of a sample."""


class Command(BaseCommand):
    """`manage.py redrawsample SAMPLE …`."""

    help = (
        "Draw a sample again and say whether it is the one that the entry of the draw names. "
        "Nothing of that entry is believed: head and period come from the snapshot's entry, the "
        "items from every entry up to that head. With --bundle it needs no ledger, only the "
        "catalogue of the snapshot. "
        "Exit 0 it is the same, 1 it differs or cannot be drawn, 2 usage. "
        "Example: manage.py redrawsample 0192e4d0-1111-7abc-8def-000000000001 --bundle july.zip"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Define the options."""
        parser.add_argument("sample", help="its id, a UUID, as its page and its entry show it")
        parser.add_argument("--ledger", default=settings.LEDGER, help="default: %(default)s")
        parser.add_argument(
            "--bundle", type=Path, metavar="FILE", help="read an unfiltered evidence bundle instead"
        )
        parser.add_argument(
            "--key",
            action="append",
            default=[],
            metavar="VKEY",
            help="a verifier key of the ledger, from outside the bundle; may be given again",
        )
        parser.add_argument("--json", action="store_true", help="one JSON object on stdout")

    def handle(self, *_: Any, **options: Any) -> None:
        """Draw, compare, print, and end with what came of it."""
        redrawn = self._redrawn(options)
        if options["json"]:
            self.stdout.write(json.dumps(_told(redrawn), ensure_ascii=False))
        else:
            self._print(redrawn)
        if redrawn.differences:
            sys.exit(DIFFERS)

    def _redrawn(self, options: dict[str, Any]) -> Redrawn:
        try:
            sample = str(UUID(options["sample"]))
        except ValueError:
            raise CommandError(
                f"{options['sample']}: a sample is known by its id, a UUID", returncode=2
            ) from None
        _check_keys(options["key"])
        try:
            if options["bundle"]:
                return redraw_from_bundle(
                    options["bundle"], sample, keys=options["key"], on_progress=_say
                )
            return redraw_from_ledger(_ledger(options["ledger"]), sample, on_progress=_say)
        except (NotDrawable, BundleRefused, UnknownFramework) as refused:
            raise CommandError(str(refused.args[0]), returncode=DIFFERS) from refused
        except OSError as unread:
            raise CommandError(f"--bundle {unread}", returncode=2) from unread

    def _print(self, redrawn: Redrawn) -> None:
        drawn = redrawn.drawn
        self.stdout.write(
            f"sample {redrawn.sample}: {redrawn.check} in {redrawn.control}, "
            f"number {redrawn.number}, drawn at #{redrawn.seq}, sealed at #{redrawn.sealed_seq}"
        )
        self.stdout.write(f"{drawn.population:,} items; {drawn.rule}")
        for position, one in enumerate(drawn.items[:_SHOWN], 1):
            self.stdout.write(f"{position:>4}  {one.item}  {one.stratum}  {one.entry_hash[:16]}")
        if len(drawn.items) > _SHOWN:
            self.stdout.write(f"      and {len(drawn.items) - _SHOWN:,} more")
        for line in redrawn.differences:
            self.stdout.write(f"DIFFERS  {line}")
        if not redrawn.differences:
            self.stdout.write("EQUAL  drawn again, it is the same sample")


def _told(redrawn: Redrawn) -> dict[str, Any]:
    return {
        "sample": redrawn.sample,
        "snapshot": redrawn.snapshot,
        "control": redrawn.control,
        "check": redrawn.check,
        "number": redrawn.number,
        "seq": redrawn.seq,
        "sealed_seq": redrawn.sealed_seq,
        "population": redrawn.drawn.population,
        "rule": redrawn.drawn.rule,
        "items": redrawn.drawn.named(),
        "is_equal": not redrawn.differences,
        "differences": list(redrawn.differences),
    }


def _check_keys(keys: list[str]) -> None:
    for key in keys:
        try:
            parse_verifier_key(key)
        except AuditError as wrong:
            raise CommandError(f"--key {key}: {wrong}", returncode=2) from wrong


def _ledger(name: str) -> Ledger:
    ledger = Ledger.objects.filter(name=name).first()
    if ledger is None:
        names = ", ".join(Ledger.objects.order_by("name").values_list("name", flat=True))
        raise CommandError(
            f"there is no ledger {name!r}; there are: {names or 'none'}", returncode=2
        )
    return ledger


def _say(done: int, total: int) -> None:
    """Show how far it is, in place, on a terminal."""
    if sys.stderr.isatty():
        end = "\n" if done >= total else ""
        sys.stderr.write(f"\r{done:,} of {total:,} entries read\033[K{end}")
        sys.stderr.flush()
