"""Limits of checks and lists that this organisation sets for itself.

A limit that asks at least what is shipped takes force at once. A looser one, and any change of a
list, needs a second person, and every result lists it with its approver. A limit that the law sets
(`Check.law`) is never looser than shipped. `null` gives back what is shipped. Each change that
takes force leaves `audit.config_changed`; what counts of it: people.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from django.db import transaction
from django.utils import timezone

from compliance import decision
from compliance.acting import ActRefused, Person, read_choice, refusals
from compliance.definitions import Catalogue, Check
from compliance.gather import Ledger, receive_own
from compliance.lenses import Settings, all_lenses
from compliance.looser import is_as_strict, same_kind
from compliance.models import Decision
from compliance.named import find_check, find_framework

What: TypeAlias = Literal["parameter", "list"]
Key: TypeAlias = tuple[str, str, str, str]
MOST_VALUES: Final = 400
"""Values of one list."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Limit:
    """One limit or list: what is shipped, what is set, what the law says."""

    what: What
    name: str
    check: str
    """Empty for a list."""
    framework: str
    """Empty: in every framework."""
    shipped: Any
    law: str
    """The article that sets it; empty: our policy."""

    @property
    def key(self) -> Key:
        """Return what tells it from every other."""
        return (self.what, self.framework, self.check, self.name)


def set_limit(
    ledger: Ledger, catalogue: Catalogue, limit: Limit, after: Any, *, reason: str, by: Person
) -> Decision:
    """Set a limit or a list, or ask a second person to. None gives back what is shipped.

    Returns a decision that is approved already when one person may do it alone.
    Raises ActRefused: a value of another kind, a law-set limit that would be looser.
    """
    before = set_in_force(ledger).get(limit.key)
    if after is not None:
        _check_value(catalogue, limit, after)
    if after == before:
        raise ActRefused(field="after", message="that is in force already")
    is_alone = after is None or _asks_no_less(catalogue, limit, after)
    if not is_alone and limit.law:
        raise ActRefused(
            field="after",
            message=f"{limit.law} sets {limit.name}; it can be tighter than {limit.shipped}, "
            "never looser",
        )
    fields: dict[str, Any] = {
        "kind": "limit",
        "framework": limit.framework,
        "check_id": limit.check,
        "details": {"what": limit.what, "name": limit.name, "before": before, "after": after},
        "is_alone": is_alone,
    }
    if not is_alone:
        return decision.ask(ledger, by=by, reason=reason, **fields)
    with refusals(), transaction.atomic():
        made = decision.ask(
            ledger,
            by=by,
            reason=reason,
            state="approved",
            approved_at=timezone.now(),
            **fields,
        )
        leave_limit(made, by)
    return made


def leave_limit(limit: Decision, by: Person) -> None:
    """Leave the entry of a limit that takes force, in the caller's transaction."""
    said = limit.details
    details: dict[str, Any] = {
        "what": f"compliance.{said['what']}",
        "name": said["name"],
        "check": limit.check_id,
        "framework": limit.framework,
        "before": said["before"],
        "after": said["after"],
        "asked_by": limit.asked_by,
        "reason": limit.reason,
    }
    if limit.approved_by:
        details["approved_by"] = limit.approved_by
    receive_own(
        limit.ledger,
        "audit.config_changed",
        by=by.name,
        reason=limit.reason,
        target={"type": "limit", "id": f"{limit.check_id or 'list'}.{said['name']}"},
        details=details,
    )


def limits_of(catalogue: Catalogue) -> Iterator[Limit]:
    """Return every limit and list that can be set, those of all frameworks first."""
    for name, values in sorted(catalogue.lists.items()):
        yield Limit(what="list", name=name, check="", framework="", shipped=_plain(values), law="")
    for check in sorted(catalogue.checks.values(), key=lambda check: check.id):
        for name in sorted(check.params):
            yield find_limit(catalogue, "parameter", name, check=check.id)
            for framework in sorted(catalogue.frameworks):
                if name in catalogue.frameworks[framework].params.get(check.id, {}):
                    yield find_limit(
                        catalogue, "parameter", name, check=check.id, framework=framework
                    )


def find_limit(
    catalogue: Catalogue, what: str, name: str, *, check: str = "", framework: str = ""
) -> Limit:
    """Return the limit that a form names. Raises ActRefused when there is none."""
    if what == "list":
        read_choice("name", name, sorted(catalogue.lists))
        shipped = _plain(catalogue.lists[name])
        return Limit(what="list", name=name, check="", framework="", shipped=shipped, law="")
    read_choice("what", what, ("list", "parameter"))
    found = find_check(catalogue, check)
    read_choice("name", name, sorted(found.params))
    shipped = found.params[name]
    if framework:
        shipped = find_framework(catalogue, framework).params.get(check, {}).get(name, shipped)
    return Limit(
        what="parameter",
        name=name,
        check=check,
        framework=framework,
        shipped=_plain(shipped),
        law=found.law.get(name, ""),
    )


def set_in_force(ledger: Ledger) -> dict[Key, Any]:
    """Return what people have set, by `Limit.key`; what is shipped holds where nothing stands."""
    found: dict[Key, Any] = {}
    approved = Decision.objects.filter(ledger=ledger, kind="limit", state="approved")
    for row in approved.order_by("approved_at", "id"):
        key = (row.details["what"], row.framework, row.check_id, row.details["name"])
        found[key] = row.details["after"]
    return {key: value for key, value in found.items() if value is not None}


def _asks_no_less(catalogue: Catalogue, limit: Limit, after: Any) -> bool:
    """Tell whether it asks at least what is shipped, wherever it is going to hold."""
    if limit.what == "list":
        return False  # some checks ask that a value is in it, others that it is not
    check = catalogue.checks[limit.check]
    return all(
        is_as_strict(limit.name, after, shipped) for shipped in _shipped(catalogue, check, limit)
    )


def _shipped(catalogue: Catalogue, check: Check, limit: Limit) -> Iterator[Any]:
    """Return each shipped value that a set one would stand in for: of frameworks and controls."""
    yield _plain(limit.shipped)
    for framework in catalogue.frameworks.values():
        if limit.framework not in ("", framework.id):
            continue
        of_framework = framework.params.get(check.id, {})
        if limit.name in of_framework:
            yield _plain(of_framework[limit.name])
        for control in framework.controls:
            of_control = control.check_params.get(check.id, {})
            if limit.name in of_control:
                yield _plain(of_control[limit.name])


def _check_value(catalogue: Catalogue, limit: Limit, after: Any) -> None:
    if not same_kind(after, limit.shipped):
        raise ActRefused(field="after", message=f"give a value such as {_said(limit.shipped)}")
    if isinstance(after, list) and len(after) > MOST_VALUES:
        raise ActRefused(field="after", message=f"at most {MOST_VALUES} values")
    settings = (
        Settings(lists={limit.name: tuple(after)})
        if limit.what == "list"
        else Settings(params={(limit.framework, limit.check): {limit.name: after}})
    )
    try:
        all_lenses(catalogue, settings)
    except ValueError as error:  # DefinitionError: a check cannot be run with it
        raise ActRefused(field="after", message=f"no check can be run with it: {error}") from error


def _said(value: Any) -> str:
    return ", ".join(str(each) for each in value) if isinstance(value, list) else str(value)


def _plain(value: Any) -> Any:
    """Return a value of the catalogue as JSON holds it."""
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return str(value) if isinstance(value, str) else value
