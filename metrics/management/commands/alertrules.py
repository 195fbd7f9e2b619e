"""Print the alert rules as Prometheus reads them: docker/prometheus/alerts.rules.yml."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from metrics.alert_file import RUNBOOKS, alert_file, alert_object
from metrics.alert_rule import Rule
from metrics.alert_rules import RULES
from metrics.alerting.in_force import standing


class Command(BaseCommand):
    """`manage.py alertrules`."""

    help = (
        "Print the alert rules as a file of rules for Prometheus: those that are shipped, which "
        "needs no database, or with --in-force those that stand, as people changed and made them. "
        "Exit 0 done, 1 the file cannot be written or the database not be asked, 2 usage. "
        "Example: manage.py alertrules --runbooks https://wiki.example.com/runbooks --out a.yml"
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Define the options."""
        parser.add_argument("--out", type=Path, help="write it to this file, not to stdout")
        parser.add_argument(
            "--runbooks", default=RUNBOOKS, help="address under which the runbooks stand"
        )
        parser.add_argument(
            "--kubernetes",
            action="store_true",
            help="as the object PrometheusRule, for Prometheus' operator",
        )
        parser.add_argument(
            "--in-force",
            action="store_true",
            help="the rules that stand in this installation, without those switched off",
        )

    def handle(self, *_: Any, **options: Any) -> None:
        """Print or write the file."""
        rules = _in_force() if options["in_force"] else RULES
        write = alert_object if options["kubernetes"] else alert_file
        text = write(rules, runbooks=options["runbooks"])
        if options["out"] is None:
            self.stdout.write(text, ending="")
            return
        try:
            options["out"].write_text(text, encoding="utf-8")
        except OSError as error:
            raise CommandError(f"cannot write {options['out']}: {error.strerror}") from error


def _in_force() -> list[Rule]:
    """Return the rules that stand; one that cannot be read stops the command, not the watch."""
    try:
        found = standing()
    except DatabaseError as error:
        raise CommandError(f"the database cannot be asked: {error}") from error
    unread = [f"{each.name}: {each.error}" for each in found if each.error and each.is_on]
    if unread:
        raise CommandError(f"change or remove on the page of alert rules: {'; '.join(unread)}")
    return [rule for each in found if (rule := each.in_force) is not None]
