"""Make the tiles of entries that were chained before there were tiles."""

from __future__ import annotations

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from audit.errors import EntriesMissing, TilesMissing
from audit.fill import fill_tiles, filled
from audit.models import Ledger


class Command(BaseCommand):
    """`manage.py filltiles [--ledger NAME]`."""

    help = (
        "Make the Merkle tree's tiles of entries that were chained before there were tiles. "
        "Can be stopped at any moment and goes on from there; `migrate` runs it too. "
        "Example: manage.py filltiles --ledger main"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Define the options."""
        parser.add_argument("--ledger", help="default: every ledger")

    def handle(self, *_: Any, **options: Any) -> None:
        """Fill each ledger and say how far it is."""
        ledgers = Ledger.objects.order_by("id")
        if options["ledger"] is not None:
            ledgers = ledgers.filter(name=options["ledger"])
            if not ledgers:
                names = ", ".join(Ledger.objects.order_by("name").values_list("name", flat=True))
                raise CommandError(
                    f"there is no ledger {options['ledger']!r}; there are: {names or 'none'}",
                    returncode=2,
                )
        for ledger in ledgers:
            try:
                self._fill(ledger)
            except (EntriesMissing, TilesMissing) as problem:
                raise CommandError(str(problem), returncode=1) from problem

    def _fill(self, ledger: Ledger) -> None:
        started = time.monotonic()
        before = filled(ledger).entries
        for now in fill_tiles(ledger):
            rate = (now.entries - before) / max(time.monotonic() - started, 0.001)
            left = (now.total - now.entries) / max(rate, 1.0)
            self.stdout.write(
                f"{ledger.name}: {now.entries:,} of {now.total:,} entries have tiles, "
                f"{rate:,.0f}/s, {left:,.0f} s left"
            )
        reached = filled(ledger)
        self.stdout.write(
            f"{ledger.name}: all full tiles up to #{reached.total:,} are there, "
            f"{reached.entries - before:,} entries' made now"
        )
