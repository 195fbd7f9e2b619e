"""Let a new ledger follow one that can no longer be signed."""

from __future__ import annotations

import re
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from audit.errors import NotSucceeded
from audit.models import Ledger
from audit.signer import keys_path, make_key, signs_by_file
from audit.succeed import succeed


class Command(BaseCommand):
    """`manage.py succeed LEDGER --reason TEXT [--name NEW]`."""

    help = (
        "End a ledger that was restored, rewritten, or whose key is lost, and let a new one follow "
        "it: the first entry of the new one names the old head and checkpoint; API keys move over. "
        "Example: manage.py succeed main --reason 'restored the backup of 3 May after a disk died'"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Define the options."""
        parser.add_argument("ledger", help="the ledger that ends")
        parser.add_argument("--reason", required=True, help="stands in the new ledger for ever")
        parser.add_argument("--name", help="default: the old name with the next number")

    def handle(self, *_: Any, **options: Any) -> None:
        """Make the new ledger, its signing key, and say what to do next."""
        old = Ledger.objects.filter(name=options["ledger"]).first()
        if old is None:
            names = ", ".join(Ledger.objects.order_by("name").values_list("name", flat=True))
            raise CommandError(
                f"there is no ledger {options['ledger']!r}; there are: {names or 'none'}",
                returncode=2,
            )
        name = options["name"] or _next_name(old.name)
        try:
            done = succeed(old, name=name, reason=options["reason"])
        except (NotSucceeded, ValueError) as problem:
            raise CommandError(str(problem), returncode=2) from problem
        if signs_by_file() and not keys_path(name).exists():
            make_key(name, origin=done.new.origin)
        self.stdout.write(
            f"{old.name} ends with {done.size:,} entries, {done.signed_size:,} of them signed, and "
            f"takes no more. {name} follows it; {done.keys} API keys moved over.\n"
            f"If {old.name} was the platform's own ledger, set OBS_LEDGER={name} and restart."
        )


def _next_name(name: str) -> str:
    """Return `main.2` for `main`, and `main.3` for that."""
    found = re.fullmatch(r"(.*)\.(\d+)", name)
    return f"{found[1]}.{int(found[2]) + 1}" if found else f"{name}.2"
