"""Judge, list and show what the catalogue holds; needs no database."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from compliance.catalogue import SHIPPED, CatalogueError, load_catalogue
from compliance.definitions import Catalogue, Check, Framework
from compliance.wording import in_words


class Command(BaseCommand):
    """`manage.py catalog`."""

    help = (
        "Judge the checks and frameworks that are shipped, with those of a folder (else of "
        "OBS_CATALOGUE_DIR), list them, or show one check in words and as data. "
        "Exit 0 all is sound, 1 it is not, with a line a problem, 2 usage. "
        "Example: manage.py catalog check ./our-frameworks"
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Define the acts."""
        parser.add_argument("act", choices=("check", "list", "show"))
        parser.add_argument(
            "what", nargs="?", help="check: a folder with *.yaml files; show: a check, as TOOL-01"
        )
        parser.add_argument("--json", action="store_true", help="one JSON object on stdout")

    def handle(self, *_: Any, **options: Any) -> None:
        """Do one act."""
        act, what = options["act"], options["what"]
        if (act == "show") != bool(what) and act != "check":
            usage = "show takes the id of a check" if act == "show" else "list takes nothing more"
            raise CommandError(usage, returncode=2)
        folder = Path(what) if act == "check" and what else None
        try:
            catalogue = load_catalogue(_folders(folder))
        except CatalogueError as error:
            if options["json"]:
                self._print({"sound": False, "problems": list(error.problems)})
            else:
                for line in error.problems:
                    self.stdout.write(line)
            many = len(error.problems)
            raise CommandError(f"{many} {'problem' if many == 1 else 'problems'}") from error
        if act == "check":
            self._check(catalogue, as_json=options["json"])
        elif act == "list":
            self._list(catalogue, as_json=options["json"])
        else:
            self._show(catalogue, what, as_json=options["json"])

    def _check(self, catalogue: Catalogue, *, as_json: bool) -> None:
        found = {
            "sound": True,
            "version": catalogue.version,
            "checks": len(catalogue.checks),
            "frameworks": len(catalogue.frameworks),
            "digest": catalogue.digest,
        }
        if as_json:
            self._print(found)
            return
        self.stdout.write(
            f"sound: {found['checks']} checks, {found['frameworks']} frameworks, "
            f"SHA-256 {catalogue.digest}"
        )

    def _list(self, catalogue: Catalogue, *, as_json: bool) -> None:
        frameworks = [_framework(framework) for framework in catalogue.frameworks.values()]
        uses = Counter(
            check
            for framework in catalogue.frameworks.values()
            for control in framework.controls
            for check in control.checks
        )
        checks = [_check(check, uses[check.id]) for check in catalogue.checks.values()]
        if as_json:
            self._print({"frameworks": frameworks, "checks": checks})
            return
        for one in frameworks:
            self.stdout.write(
                f"{one['id']:<12} {one['version']:<7} {one['controls']:>3} controls: "
                f"{one['automated']} automated, {one['partial']} partial, {one['manual']} manual; "
                f"{one['checks']} checks"
            )
        self.stdout.write("")
        for row in checks:
            self.stdout.write(
                f"{row['id']:<8} {row['kind']:<9} {row['severity']:<9} {row['controls']:>3} "
                f"controls  {row['title']}"
            )

    def _show(self, catalogue: Catalogue, name: str, *, as_json: bool) -> None:
        check = catalogue.checks.get(name)
        if check is None:
            near = [one for one in catalogue.checks if one.startswith(name.partition("-")[0])]
            known = f"; there are {', '.join(near)}" if near else "; see catalog list"
            raise CommandError(f"there is no check {name}{known}")
        if as_json:
            self._print({
                "id": check.id,
                "words": in_words(check, catalogue),
                "source": str(check.source),
                "law": dict(check.law),
                "guards": list(check.guards),
                "definition": dict(check.definition),
            })  # fmt: skip
            return
        self.stdout.write(f"{check.id}  {check.title}  ({check.kind}, {check.severity})")
        self.stdout.write(in_words(check, catalogue))
        self.stdout.write(f"When nothing is found: {_empty(check)}.")
        for limit, value in check.params.items():
            whose = check.law.get(limit, "our policy")
            self.stdout.write(f"{limit} = {value}: {whose}")
        self.stdout.write(f"It stands in {check.source}.")
        self.stdout.write(json.dumps(dict(check.definition), indent=2, ensure_ascii=False))

    def _print(self, value: object) -> None:
        self.stdout.write(json.dumps(value, ensure_ascii=False, indent=2))


def _folders(folder: Path | None) -> tuple[Path, ...]:
    own = folder or (Path(settings.CATALOGUE_DIR) if settings.CATALOGUE_DIR else None)
    return (SHIPPED,) if own is None or own.resolve() == SHIPPED else (SHIPPED, own)


def _framework(framework: Framework) -> dict[str, Any]:
    modes = Counter(control.mode for control in framework.controls)
    return {
        "id": framework.id,
        "name": framework.name,
        "version": framework.version,
        "custom": framework.is_custom,
        "controls": len(framework.controls),
        "automated": modes["automated"],
        "partial": modes["partial"],
        "manual": modes["manual"],
        "checks": len({check for control in framework.controls for check in control.checks}),
    }


def _check(check: Check, controls: int) -> dict[str, Any]:
    return {
        "id": check.id,
        "title": check.title,
        "kind": check.kind,
        "severity": check.severity,
        "controls": controls,
    }


def _empty(check: Check) -> str:
    if check.on_empty == "not_occurred":
        return f"not_occurred, when {', '.join(check.guards)} hold, else no_data"
    return check.on_empty
