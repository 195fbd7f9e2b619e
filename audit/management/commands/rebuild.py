"""Build a projection again from the ledger."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from audit.models import Ledger
from audit.project import projections, rebuild


class Command(BaseCommand):
    """`manage.py rebuild NAME [--ledger NAME]`."""

    help = (
        "Build a projection again beside its live rows, then swap. "
        "Example: manage.py rebuild agents"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Define the options."""
        parser.add_argument("name", choices=sorted(projections()), help="the projection")
        parser.add_argument("--ledger", help="only this ledger; all by default")

    def handle(self, *_: Any, **options: Any) -> None:
        """Rebuild each ledger in turn."""
        ledgers = Ledger.objects.order_by("name")
        if options["ledger"]:
            ledgers = ledgers.filter(name=options["ledger"])
            if not ledgers:
                raise CommandError(f"there is no ledger {options['ledger']!r}", returncode=2)
        for ledger in ledgers:
            read = rebuild(
                ledger,
                projections()[options["name"]],
                on_progress=self._show,
            )
            self.stdout.write(f"{ledger.name}: {options['name']} rebuilt from {read:,} entries")

    def _show(self, read: int) -> None:
        self.stderr.write(f"{read:,} entries read\r", ending="")
