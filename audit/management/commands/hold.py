"""Apply, release and list legal holds, from a shell."""

from __future__ import annotations

import getpass
import json
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.serializers.json import DjangoJSONEncoder

from audit.errors import HoldRefused
from audit.hold import KINDS, apply_hold, release_hold
from audit.models import Hold, Ledger

_SHOWN = (
    *("id", "kind", "value", "key_id", "matter", "reason", "applied_at", "applied_by"),
    *("released_at", "released_by", "release_reason"),
)


class Command(BaseCommand):
    """`manage.py hold apply|release|list …`."""

    help = (
        "Keep what a ledger, agent, subject or case is about from purges and erasures, for a legal "
        "matter. ACT is apply, release or list; release needs the hold's NUMBER. Exit 0 done, 1 it "
        "was released before, 2 usage. Example: manage.py hold apply --kind agent --value "
        "claims-adjudicator --matter 'Doe v. Acme' --reason 'counsel asked on 3 May'"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Define the options."""
        parser.add_argument("act", choices=("apply", "release", "list"))
        parser.add_argument("number", nargs="?", type=int, help="the hold's number, for release")
        parser.add_argument("--ledger", default=settings.LEDGER, help="default: %(default)s")
        parser.add_argument("--kind", choices=KINDS, default="ledger", help="default: %(default)s")
        parser.add_argument("--value", default="", help="the agent's or the case's id")
        parser.add_argument(
            "--value-stdin",
            action="store_true",
            help="read the id from standard input, so that no list of processes shows a subject's",
        )
        parser.add_argument("--matter", default="", help="what it is held for, such as a case")
        parser.add_argument("--reason", default="", help="stands in the ledger for ever")
        parser.add_argument("--all", action="store_true", help="list released holds, too")
        parser.add_argument("--json", action="store_true", help="JSON on stdout")

    def handle(self, *_: Any, **options: Any) -> None:
        """Do one act and say what stands now."""
        ledger = Ledger.objects.filter(name=options["ledger"]).first()
        if ledger is None:
            names = ", ".join(Ledger.objects.order_by("name").values_list("name", flat=True))
            raise CommandError(
                f"there is no ledger {options['ledger']!r}; there are: {names or 'none'}",
                returncode=2,
            )
        if options["act"] == "list":
            found = Hold.objects.filter(ledger=ledger).order_by("id")
            for each in found if options["all"] else found.filter(released_at=None):
                self._say(each, as_json=options["json"])
            return
        act = self._apply if options["act"] == "apply" else self._release
        self._say(act(ledger, options), as_json=options["json"])

    def _apply(self, ledger: Ledger, options: dict[str, Any]) -> Hold:
        kind, value = options["kind"], options["value"]
        if kind == "subject" and value:
            raise CommandError(
                "a subject's id is not given as --value, where a list of processes shows it: "
                "use --value-stdin",
                returncode=2,
            )
        if options["value_stdin"]:
            value = sys.stdin.readline().rstrip("\n")
        try:
            return apply_hold(
                ledger,
                kind=kind,
                value=value,
                matter=options["matter"],
                reason=options["reason"],
                by=getpass.getuser(),
                via="command",
            )
        except HoldRefused as refusal:
            raise CommandError(f"nothing is held: {refusal}", returncode=2) from refusal

    def _release(self, ledger: Ledger, options: dict[str, Any]) -> Hold:
        if options["number"] is None:
            raise CommandError("release needs the hold's number; hold list names it", returncode=2)
        hold = (
            Hold.objects.select_related("ledger")
            .filter(ledger=ledger, id=options["number"])
            .first()
        )
        if hold is None:
            raise CommandError(f"{ledger.name} has no hold {options['number']}", returncode=2)
        try:
            return release_hold(hold, reason=options["reason"], by=getpass.getuser(), via="command")
        except HoldRefused as refusal:
            raise CommandError(
                f"nothing is released: {refusal}", returncode=1 if refusal.field == "hold" else 2
            ) from refusal

    def _say(self, hold: Hold, *, as_json: bool) -> None:
        if as_json:
            shown = {name: getattr(hold, name) for name in _SHOWN}
            self.stdout.write(json.dumps(shown, cls=DjangoJSONEncoder))
            return
        what = f"{hold.kind} {hold.value}".rstrip()
        state = "standing" if hold.is_standing() else f"released by {hold.released_by}"
        self.stdout.write(f"{hold.id}  {what}  {hold.matter}  {state}")
