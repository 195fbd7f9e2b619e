"""Set up where entries are sent on to, from a shell."""

from __future__ import annotations

import getpass
import json
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.serializers.json import DjangoJSONEncoder

from audit import destination as destinations
from audit.destinations import NotDelivered
from audit.destinations.kinds import KINDS, DestinationRefused
from audit.models import Destination, Ledger
from audit.query import Unreadable, read_time

_ACTS = ("add", "list", "change", "pause", "resume", "replay", "test", "remove")


class Command(BaseCommand):
    """`manage.py destination ACT [NAME] …`."""

    help = (
        "Set up destinations, which entries are sent on to. ACT is add, list, change, pause, "
        "resume, replay, test or remove; all but list need NAME. Exit 0 done, 1 a test was not "
        "taken or nothing was changed, 2 usage. Example: manage.py destination add siem --kind "
        "syslog --address tls://siem.example.com:6514"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Define the options."""
        parser.add_argument("act", choices=_ACTS)
        parser.add_argument("name", nargs="?", default="", help="the destination's name")
        parser.add_argument("--ledger", default=settings.LEDGER, help="default: %(default)s")
        parser.add_argument("--kind", default="", help=f"one of {', '.join(KINDS)}")
        parser.add_argument("--address", default="", help="an address, or the folder of a file")
        parser.add_argument(
            "--option",
            action="append",
            default=[],
            metavar="NAME=VALUE",
            help="what else its kind takes; may be repeated",
        )
        parser.add_argument(
            "--secret-stdin",
            action="store_true",
            help="read its secret from standard input, so that no list of processes shows it",
        )
        parser.add_argument("--from-seq", type=int, help="the first seq to send, or to send again")
        parser.add_argument("--from-time", default="", help="the same by time received, RFC 3339")
        parser.add_argument("--json", action="store_true", help="JSON on stdout")

    def handle(self, *_: Any, **options: Any) -> None:
        """Do one act and say what is so now."""
        ledger = Ledger.objects.filter(name=options["ledger"]).first()
        if ledger is None:
            raise CommandError(f"there is no ledger {options['ledger']!r}", returncode=2)
        if options["act"] == "list":
            self._list(ledger, as_json=options["json"])
            return
        if not options["name"]:
            raise CommandError(f"{options['act']} needs the destination's name", returncode=2)
        try:
            said, answer = self._act(ledger, options)
        except DestinationRefused as refusal:
            raise CommandError(str(refusal), returncode=2) from refusal
        except NotDelivered as failure:
            raise CommandError(f"not taken: {failure}", returncode=1) from failure
        if options["json"]:
            shown = destinations.describe(said) | ({"answer": answer} if answer else {})
            self.stdout.write(json.dumps(shown, cls=DjangoJSONEncoder))
        else:
            self.stdout.write(f"{_line(said)}{f': {answer}' if answer else ''}")

    def _act(self, ledger: Ledger, options: dict[str, Any]) -> tuple[Destination, str]:
        by = f"{getpass.getuser()} by command"
        if options["act"] == "add":
            return self._add(ledger, options, by=by), ""
        row = _find(ledger, options["name"])
        answer = ""
        if options["act"] == "change":
            self._change(row, options, by=by)
        elif options["act"] == "replay":
            destinations.replay(row, from_seq=_from(ledger, options), by=by)
        elif options["act"] == "test":
            answer = destinations.test(row, by=by)
        elif options["act"] == "remove":
            destinations.remove(row, by=by)
        elif not {"pause": destinations.pause, "resume": destinations.resume}[options["act"]](
            row, by=by
        ):
            raise CommandError(f"{row.name} is {row.word()} already", returncode=1)
        return row, answer

    def _add(self, ledger: Ledger, options: dict[str, Any], *, by: str) -> Destination:
        is_from = options["from_seq"] is not None or options["from_time"]
        return destinations.make(
            ledger,
            name=options["name"],
            kind=options["kind"],
            address=options["address"],
            options=_pairs(options["option"]),
            secret=_secret() if options["secret_stdin"] else "",
            from_seq=_from(ledger, options) if is_from else None,
            by=by,
        )

    def _change(self, row: Destination, options: dict[str, Any], *, by: str) -> None:
        destinations.change(
            row,
            address=options["address"] or row.address,
            options={**row.options, **_pairs(options["option"])},
            secret=_secret() if options["secret_stdin"] else None,
            by=by,
        )

    def _list(self, ledger: Ledger, *, as_json: bool) -> None:
        found = Destination.objects.filter(ledger=ledger, removed_at=None).select_related("ledger")
        for row in found.order_by("name"):
            if as_json:
                self.stdout.write(json.dumps(destinations.describe(row), cls=DjangoJSONEncoder))
            else:
                self.stdout.write(_line(row) + (f": {row.error}" if row.error else ""))


def _find(ledger: Ledger, name: str) -> Destination:
    found = Destination.objects.select_related("ledger").filter(
        ledger=ledger, name=name, removed_at=None
    )
    row = found.first()
    if row is None:
        raise CommandError(f"{ledger.name} has no destination {name!r}", returncode=2)
    return row


def _line(row: Destination) -> str:
    return f"{row.name}  {row.kind}  {row.address}  {row.word()}  next #{row.next_seq:,}"


def _pairs(given: list[str]) -> dict[str, str]:
    pairs = dict(each.split("=", 1) for each in given if "=" in each)
    wrong = [each for each in given if "=" not in each]
    if wrong:
        raise CommandError(f"--option {wrong[0]}: write NAME=VALUE", returncode=2)
    return pairs


def _secret() -> str:
    return sys.stdin.readline().rstrip("\n")


def _from(ledger: Ledger, options: dict[str, Any]) -> int:
    if options["from_seq"] is not None:
        return int(options["from_seq"])
    if not options["from_time"]:
        raise CommandError("say from where on: --from-seq or --from-time", returncode=2)
    try:
        moment = read_time(options["from_time"])
    except Unreadable as problem:
        raise CommandError(f"--from-time {problem}", returncode=2) from problem
    seq = destinations.seq_since(ledger, moment)
    if seq is None:
        raise CommandError(f"nothing was received since {options['from_time']}", returncode=2)
    return seq
