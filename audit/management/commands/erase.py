"""Find a data subject, erase it, certify that, and hand out what is kept about it."""

from __future__ import annotations

import json
import os
import sys
from argparse import RawDescriptionHelpFormatter
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from audit import erase
from audit.certificate import certificate_pdf, certificate_text
from audit.erasing import erase_again, take_erasure, work_on_erasure
from audit.errors import EntriesPruned, NoLivingKey, NotErased, RecordUnreadable
from audit.hold import holds_over_subject
from audit.ledger.record import format_time
from audit.models import Erasure, Ledger
from audit.project import catch_up_all
from audit.subject_access import write_access

ACTS = ("find", "preview", "run", "certificate", "access", "again")
_BY = "erase"


class Command(BaseCommand):
    """`manage.py erase ACT [SUBJECT or NUMBER]`."""

    help = (
        "Erase a data subject: destroy its key, so that its personal data and pseudonym can never "
        "be read again, while every hash and proof stays.\n\n"
        "  find SUBJECT           since when it is known, its entries, the holds over it\n"
        "  preview SUBJECT        count what an erasure would make unreadable; erases nothing\n"
        "  run SUBJECT            erase it, after a preview; cannot be undone\n"
        "  certificate NUMBER     the certificate of an erasure\n"
        "  access SUBJECT         all that is kept about it, in clear (GDPR article 15)\n"
        "  again                  destroy keys that a restored backup brought back\n\n"
        "SUBJECT may be - : then it is read from stdin, and stays out of the shell's history.\n"
        "Exit 0 done, 1 refused or not found, 2 usage.\n\n"
        "Example:\n"
        "  manage.py erase preview - --case DSR-118 --reason 'asked by letter' < id.txt\n"
        "  manage.py erase run - --reason 'asked by letter' < id.txt\n"
        "  manage.py erase certificate 7 --pdf certificate.pdf"
    )

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Keep the line breaks of the help."""
        return super().create_parser(
            prog_name, subcommand, formatter_class=RawDescriptionHelpFormatter, **kwargs
        )

    def add_arguments(self, parser: CommandParser) -> None:
        """Define the options."""
        parser.add_argument("act", choices=ACTS, help="what to do")
        parser.add_argument("what", nargs="?", default="", help="a subject's id, or - ; a number")
        parser.add_argument("--ledger", default=settings.LEDGER, help="default: %(default)s")
        parser.add_argument("--case", default="", help="the request in your own files")
        parser.add_argument("--reason", default="", help="stands in the ledger for ever")
        parser.add_argument("--pdf", metavar="FILE", help="write the certificate there, as a PDF")
        parser.add_argument("--out", metavar="FILE", help="write the access file there (0600)")
        parser.add_argument("--json", action="store_true", help="one JSON object on stdout")

    def handle(self, *_: Any, **options: Any) -> None:
        """Do the act."""
        ledger = Ledger.objects.filter(name=options["ledger"]).first()
        if ledger is None:
            names = ", ".join(Ledger.objects.order_by("name").values_list("name", flat=True))
            raise CommandError(
                f"there is no ledger {options['ledger']!r}; there are: {names or 'none'}",
                returncode=2,
            )
        try:
            getattr(self, f"_{options['act']}")(ledger, options)
        except (EntriesPruned, NoLivingKey, NotErased, RecordUnreadable) as error:
            raise CommandError(str(error), returncode=1) from error

    # --- Acts -------------------------------------------------------------------------------

    def _find(self, ledger: Ledger, options: dict[str, Any]) -> None:
        found = erase.find_subject(ledger, _subject(options))
        if found is None:
            raise CommandError(f"nobody of this id has a living key in {ledger.name}")
        erase.tell_search(ledger, found, by="", purpose="search")
        catch_up_all(ledger.id)
        count = erase.count_entries(ledger, found.pseudonym)
        holds = holds_over_subject(ledger, pseudonym=found.pseudonym)
        said = {
            "ledger": ledger.name,
            "key_id": str(found.key_id),
            "pseudonym": found.pseudonym,
            "since": format_time(found.created_at),
            "entries": min(count, erase.MOST_COUNTED),
            "entries_is_exact": count <= erase.MOST_COUNTED,
            "holds": [each.id for each in holds],
        }
        self._say(
            said,
            f"key {found.key_id} since {said['since']}, "
            f"{'' if said['entries_is_exact'] else 'at least '}{said['entries']:,} entries in "
            f"{ledger.name}, {len(holds):,} holds",
            options,
        )

    def _preview(self, ledger: Ledger, options: dict[str, Any]) -> None:
        erasure = erase.ask_for_erasure(
            ledger,
            _subject(options),
            case_id=options["case"],
            reason=options["reason"],
            by=_BY,
            via="command",
        )
        erasure = self._work(erasure)
        self._tell(erasure, options)

    def _run(self, ledger: Ledger, options: dict[str, Any]) -> None:
        subject_id = _subject(options)
        found = erase.find_subject(ledger, subject_id)
        erasure = None if found is None else erase.open_erasure(ledger, found.key_id)
        if erasure is None:
            raise NotErased(
                f"no erasure of this subject is open in {ledger.name}; count what it would make "
                "unreadable first: manage.py erase preview"
            )
        if erasure.state in {"asked", "looking"}:
            erasure = self._work(erasure)
        reason = options["reason"] or erasure.reason
        erase.confirm_erasure(erasure, subject_id, reason=reason, by=_BY)
        erasure = self._work(erase.get_erasure(ledger.id, erasure.id))
        self._tell(erasure, options)
        if erasure.state != "done":
            raise CommandError(f"erasure {erasure.id} is {erasure.state}: {erasure.note}")

    def _certificate(self, ledger: Ledger, options: dict[str, Any]) -> None:
        if not options["what"].isdecimal():
            raise CommandError("name the erasure by its number", returncode=2)
        erasure = Erasure.objects.select_related("ledger").filter(
            ledger_id=ledger.id, id=int(options["what"])
        )
        if not erasure:
            raise NotErased(f"{ledger.name} has no erasure {options['what']}")
        facts = erase.certificate_facts(erasure[0])
        if options["pdf"]:
            Path(options["pdf"]).write_bytes(certificate_pdf(facts))
        else:
            self.stdout.write(certificate_text(facts), ending="")

    def _access(self, ledger: Ledger, options: dict[str, Any]) -> None:
        subject_id, name = _subject(options), options["out"]
        if not name:
            raise CommandError("name the file with --out; it is a ZIP", returncode=2)
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
            out = os.fdopen(os.open(name, flags, 0o600), "wb")
        except OSError as error:
            raise CommandError(f"{name}: {error.strerror}", returncode=2) from error
        try:
            with out:
                facts = write_access(ledger, subject_id, out, by="")
        except BaseException:
            Path(name).unlink()  # half of it, in clear
            raise
        said = {"ledger": ledger.name, "file": name, "entries": facts.entries}
        self._say(said, f"{name}: {facts.entries:,} entries, in clear", options)

    def _again(self, ledger: Ledger, options: dict[str, Any]) -> None:
        count = erase_again()
        self._say({"erased_again": count}, f"{count:,} keys destroyed again", options)

    # --- Working and telling ----------------------------------------------------------------

    def _work(self, erasure: Erasure) -> Erasure:
        """Do here what a worker would do; a worker that has it already is left to it."""
        while erasure.is_going():
            job = take_erasure(ledger_id=erasure.ledger_id, waited=0.0, erasure_id=erasure.id)
            if job is not None:
                for next_seq in work_on_erasure(job):
                    self._progress(next_seq, job.erasure.size)
            erasure = erase.get_erasure(erasure.ledger_id, erasure.id)
            if erasure.note and erasure.is_going():
                raise CommandError(erasure.note)
        return erasure

    def _progress(self, next_seq: int, size: int) -> None:
        if sys.stderr.isatty():
            sys.stderr.write(f"\r{next_seq:,} of {size:,} entries looked through\033[K")
            sys.stderr.flush()

    def _tell(self, erasure: Erasure, options: dict[str, Any]) -> None:
        said = {
            "erasure": erasure.id,
            "ledger": erasure.ledger.name,
            "state": erasure.state,
            "case": erasure.case_id,
            "key_id": str(erasure.key_id),
            "entries": erasure.entries,
            "personal_entries": erasure.personal_entries,
            "clear_entries": erasure.clear_entries,
            "clear_seqs": list(erasure.clear_seqs),
            "first_seq": erasure.first_seq,
            "last_seq": erasure.last_seq,
            "holds": list(erasure.held_by),
            "note": erasure.note,
        }
        self._say(
            said,
            f"erasure {erasure.id} is {erasure.state}: {erasure.entries:,} entries about the "
            f"subject, {erasure.personal_entries:,} with personal data; the id stands in clear in "
            f"{erasure.clear_entries:,}",
            options,
        )

    def _say(self, said: dict[str, Any], sentence: str, options: dict[str, Any]) -> None:
        self.stdout.write(json.dumps(said) if options["json"] else sentence)


def _subject(options: dict[str, Any]) -> str:
    """Return the subject's id; of stdin without its line end."""
    what: str = options["what"]
    if what == "-":
        what = sys.stdin.read().removesuffix("\n").removesuffix("\r")
    if not what:
        raise CommandError("name the subject by its id, or - to read it from stdin", returncode=2)
    return what
