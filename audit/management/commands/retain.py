"""Say how long entries are kept, and propose and approve purges, from a shell.

Whoever changes something names an account and its password, so that each act is a person's.
"""

from __future__ import annotations

import getpass
import json
import sys
from typing import Any, Final

from django.conf import settings
from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.serializers.json import DjangoJSONEncoder

from audit.errors import NotPurged, PolicyRefused
from audit.models import Ledger, PurgeApproval, PurgePlan
from audit.retain import (
    PlanReport,
    approve_purge,
    clear_policy,
    policies,
    propose_purge,
    set_policy,
    withdraw_purge,
)

_NEEDS: Final = {
    "set": "audit.change_retention",
    "clear": "audit.delete_retention",
    "propose": "audit.add_purgeplan",
    "approve": "audit.add_purgeapproval",
    "withdraw": "audit.change_purgeplan",
}
"""What an account must be allowed for an act; the other acts only look."""


class Command(BaseCommand):
    """`manage.py retain ACT [PURGE] …`."""

    help = (
        "Show and set how long entries are kept, and purge what is older. ACT is show, set, clear, "
        "propose, plans, approve or withdraw; the last two take the number of a purge. Acts that "
        "change something ask for the password of --user; two people approve a purge. Exit 0 done, "
        "1 refused, 2 usage. Example: manage.py retain set --days 730 --user alice"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Define the options."""
        parser.add_argument("act", choices=["show", "plans", *_NEEDS])
        parser.add_argument("purge", nargs="?", type=int, help="the number of a purge")
        parser.add_argument("--ledger", default=settings.LEDGER, help="default: %(default)s")
        parser.add_argument("--days", type=int, help="for set: how long, since an entry came")
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--category", default="", help="set or clear the policy of a category")
        which.add_argument("--data-class", default="", help="the same of a data class")
        parser.add_argument("--reason", default="", help="for propose: why entries shall go")
        parser.add_argument("--user", default="", help="who acts; asks for the password")
        parser.add_argument("--json", action="store_true", help="JSON on stdout")

    def handle(self, *_: Any, **options: Any) -> None:
        """Do one act and say what is so now."""
        ledger = Ledger.objects.filter(name=options["ledger"]).first()
        if ledger is None:
            names = ", ".join(Ledger.objects.order_by("name").values_list("name", flat=True))
            raise CommandError(
                f"there is no ledger {options['ledger']!r}; there are: {names or 'none'}",
                returncode=2,
            )
        act: str = options["act"]
        if (options["purge"] is not None) != (act in {"approve", "withdraw"}):
            raise CommandError(
                "approve and withdraw take the number of a purge, other acts take none; "
                "manage.py retain plans lists them",
                returncode=2,
            )
        try:
            self._do(ledger, act, options)
        except PolicyRefused as refused:
            raise CommandError(str(refused), returncode=2) from refused
        except NotPurged as refused:
            raise CommandError(str(refused), returncode=1) from refused

    def _do(self, ledger: Ledger, act: str, options: dict[str, Any]) -> None:
        is_json: bool = options["json"]
        if act == "plans":
            plans = PurgePlan.objects.select_related("ledger").filter(ledger=ledger)
            self._tell_plans(list(plans.order_by("-id")), is_json=is_json)
            return
        if act == "show":
            self._tell_policies(ledger, is_json=is_json)
            return
        person = _person(options["user"], _NEEDS[act])
        if act in {"set", "clear"}:
            _change(ledger, act, options, by=person.get_username())
            self._tell_policies(ledger, is_json=is_json)
            return
        plan = _decide(ledger, act, options, person)
        self._tell_plans([plan], is_json=is_json)

    def _tell_policies(self, ledger: Ledger, *, is_json: bool) -> None:
        kept = policies(ledger)
        if is_json:
            said = {
                "ledger": ledger.name,
                "days": kept.days,
                "phi_days": kept.phi_days,
                "categories": kept.categories,
                "data_classes": kept.data_classes,
            }
            self.stdout.write(json.dumps(said))
            return
        self.stdout.write(f"{ledger.name} keeps its entries {kept.days:,} days")
        for name, days in sorted({"phi": kept.phi_days, **kept.data_classes}.items()):
            self.stdout.write(f"  data class {name}: {days:,} days")
        for name, days in sorted(kept.categories.items()):
            self.stdout.write(f"  category {name}: {days:,} days")

    def _tell_plans(self, plans: list[PurgePlan], *, is_json: bool) -> None:
        if is_json:
            self.stdout.write(json.dumps([_told(each) for each in plans], cls=DjangoJSONEncoder))
            return
        if not plans:
            self.stdout.write(
                "no purge was ever proposed; manage.py retain propose --reason TEXT --user NAME"
            )
        for plan in plans:
            self.stdout.write(_line(plan))
            report = PlanReport.of(plan)
            for blocker in report.blockers if report is not None else ():
                self.stdout.write(f"  {blocker.sentence}")


def _person(name: str, permission: str) -> User:
    """Return who acts, once the password was right and the account is allowed to."""
    if not name:
        raise CommandError("name who acts with --user; the password is asked for", returncode=2)
    if sys.stdin.isatty():
        password = getpass.getpass(f"Password of {name}: ")
    else:
        password = sys.stdin.readline().rstrip("\n")
    person = authenticate(username=name, password=password)
    if not isinstance(person, User):
        raise CommandError(
            f"{name} and this password do not belong together, or the account is disabled",
            returncode=1,
        )
    if not (person.is_staff and person.has_perm(permission)):
        raise CommandError(
            f"{name} lacks the permission {permission}; an administrator grants it under People",
            returncode=1,
        )
    return person


def _change(ledger: Ledger, act: str, options: dict[str, Any], *, by: str) -> None:
    kind, name = "ledger", ""
    if options["category"]:
        kind, name = "category", options["category"]
    elif options["data_class"]:
        kind, name = "data_class", options["data_class"]
    if act == "clear":
        clear_policy(ledger, kind=kind, name=name, by=by)
    elif options["days"] is None:
        raise PolicyRefused(field="days", message="give --days, a whole number")
    else:
        set_policy(ledger, kind=kind, name=name, days=options["days"], by=by)


def _decide(ledger: Ledger, act: str, options: dict[str, Any], person: User) -> PurgePlan:
    by = person.get_username()
    if act == "propose":
        return propose_purge(ledger, reason=options["reason"], by=by)
    plan = (
        PurgePlan.objects.select_related("ledger").filter(ledger=ledger, id=options["purge"])
    ).first()
    if plan is None:
        raise NotPurged(f"There is no purge {options['purge']} of {ledger.name}.")
    if act == "withdraw":
        return withdraw_purge(plan, by=by)
    return approve_purge(plan, user_id=person.pk, by=by)


def _line(plan: PurgePlan) -> str:
    said = f"purge {plan.id} of {plan.ledger.name}: {plan.state}"
    report = PlanReport.of(plan)
    if plan.to_seq is not None and report is not None:
        said += f", {report.entries:,} entries, #{plan.from_seq:,} to #{plan.to_seq - 1:,}"
    if approvers := _approvers(plan):
        said += f", approved by {' and '.join(approvers)}"
    return f"{said}. {plan.note}" if plan.note else said


def _approvers(plan: PurgePlan) -> list[str]:
    given = PurgeApproval.objects.filter(ledger_id=plan.ledger_id, plan_id=plan.id)
    return list(given.order_by("approved_at").values_list("username", flat=True))


def _told(plan: PurgePlan) -> dict[str, Any]:
    return {
        "purge": plan.id,
        "ledger": plan.ledger.name,
        "state": plan.state,
        "reason": plan.reason,
        "proposed_by": plan.proposed_by,
        "proposed_at": plan.proposed_at,
        "planned_at": plan.planned_at,
        "finished_at": plan.finished_at,
        "from_seq": plan.from_seq,
        "to_seq": plan.to_seq,
        "deleted": plan.deleted,
        "approved_by": _approvers(plan),
        "withdrawn_by": plan.withdrawn_by,
        "note": plan.note,
        "report": plan.report,
    }
