"""Print the alert rules as Prometheus reads them: docker/prometheus/alerts.rules.yml."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from metrics.alert_file import RUNBOOKS, alert_file
from metrics.alert_rules import RULES


class Command(BaseCommand):
    """`manage.py alertrules`."""

    help = (
        "Print the alert rules as a file of rules for Prometheus. It needs no database. Exit 0 "
        "done, 1 the file cannot be written, 2 usage. "
        "Example: manage.py alertrules --runbooks https://wiki.example.com/runbooks --out a.yml"
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Define the options."""
        parser.add_argument("--out", type=Path, help="write it to this file, not to stdout")
        parser.add_argument(
            "--runbooks", default=RUNBOOKS, help="address under which the runbooks stand"
        )

    def handle(self, *_: Any, **options: Any) -> None:
        """Print or write the file."""
        text = alert_file(RULES, runbooks=options["runbooks"])
        if options["out"] is None:
            self.stdout.write(text, ending="")
            return
        try:
            options["out"].write_text(text, encoding="utf-8")
        except OSError as error:
            raise CommandError(f"cannot write {options['out']}: {error.strerror}") from error
