"""Make the key that a ledger's checkpoints are signed with, or a new one beside it."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from audit.ledger.note import format_verifier_key
from audit.models import Ledger
from audit.seal import known_keys
from audit.signer import drop_older_keys, keys_path, make_key, state_of


class Command(BaseCommand):
    """`manage.py makesigningkey [--ledger NAME] [--rotate | --drop-older]`."""

    help = (
        "Make the Ed25519 key that signs a ledger's checkpoints and print its public part. Run it "
        "where `manage.py seal` runs. --rotate adds a new key: both sign until --drop-older. "
        "Example: manage.py makesigningkey --ledger main"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Define the options."""
        parser.add_argument("--ledger", default=settings.LEDGER, help="default: %(default)s")
        act = parser.add_mutually_exclusive_group()
        act.add_argument("--rotate", action="store_true", help="add a new key beside the old one")
        act.add_argument(
            "--drop-older", action="store_true", help="end the overlap: only the newest signs on"
        )

    def handle(self, *_: Any, **options: Any) -> None:
        """Make or drop keys; refuse what would leave a ledger without a key it has announced."""
        if settings.SIGNER_COMMAND:
            raise CommandError("OBS_SIGNER_COMMAND signs here: keys are made in its key store")
        ledger = Ledger.objects.filter(name=options["ledger"]).first()
        if ledger is None:
            names = ", ".join(Ledger.objects.order_by("name").values_list("name", flat=True))
            raise CommandError(
                f"there is no ledger {options['ledger']!r}; there are: {names or 'none'}",
                returncode=2,
            )
        with state_of(ledger.name, origin=ledger.origin).held():
            if options["drop_older"]:
                self._drop_older(ledger)
            else:
                self._make(ledger, rotate=options["rotate"])

    def _make(self, ledger: Ledger, *, rotate: bool) -> None:
        path = keys_path(ledger.name)
        if path.exists() and not rotate:
            raise CommandError(f"{path} is there already; --rotate adds a new key to it")
        if rotate and not path.exists():
            raise CommandError(f"{path} is not there: put it back first, so that both keys sign")
        if not rotate and known_keys(ledger):
            raise CommandError(
                f"{ledger.name} was signed with {known_keys(ledger)[0]}: put {path} back. If the "
                f"key is lost for good: manage.py succeed {ledger.name}"
            )
        self.stdout.write(format_verifier_key(make_key(ledger.name, origin=ledger.origin)))
        self.stderr.write(f"kept in {path}; back it up apart from the database")

    def _drop_older(self, ledger: Ledger) -> None:
        path = keys_path(ledger.name)
        if not path.exists():
            raise CommandError(f"{path} is not there")
        newest = path.read_text().split("\n", 1)[0]
        if not any(str(key).split("+")[1] in newest for key in known_keys(ledger)):
            raise CommandError("the newest key has not signed yet: wait for the next checkpoint")
        self.stdout.write(f"{drop_older_keys(ledger.name)} older keys sign no more")
