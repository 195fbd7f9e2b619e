"""Make alert rules, change them, switch them, and take them back; each act an entry.

The row and its entry `audit.config_changed` are kept or lost together. A shipped rule keeps its
name; its row stands in its place until it is put back as shipped. What follows at the next look of
the evaluator: evaluate.py. Prometheus goes on with the file that it has until
`manage.py alertrules --in-force` writes it anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Final

from django.db import transaction
from django.utils import timezone

from metrics.acting import ChangeRefused, check_characters, leave, read_reason, told_when_taken
from metrics.alert_rule import Rule
from metrics.alerting.drafts import Draft, read_draft
from metrics.alerting.in_force import SHIPPED, Standing, standing_of
from metrics.alerting.stored_rule import WrongRule, as_data
from metrics.models import AlertRule

KIND: Final = "alert_rule"
"""What the target of an entry about a rule is."""


def make(draft: Draft, *, by: str) -> Rule:
    """Make a rule of people's own. Raises ChangeRefused, naming each field that is wrong."""
    rule = _read(draft)
    taken = {"name": "is taken by another rule; choose another, or change that one"}
    if rule.name in SHIPPED:
        raise ChangeRefused(taken)
    with told_when_taken("metrics_alertrule_pkey", taken), transaction.atomic():
        AlertRule.objects.create(
            name=rule.name, rule=as_data(rule), changed_at=timezone.now(), changed_by=by
        )
        leave(KIND, rule.name, by=by, change="made", details={"rule": as_data(rule)})
    return rule


def change(name: str, draft: Draft, *, reason: str, by: str) -> Rule:
    """Say a rule anew; its name stays. Raises ChangeRefused, also when nothing would change."""
    errors: dict[str, str] = {}
    try:
        rule = _read(Draft(**{**_texts(draft), "name": name}))
    except ChangeRefused as refused:
        errors = refused.errors
    try:
        reason = read_reason(reason)
    except ChangeRefused as refused:
        errors |= refused.errors
    if errors:
        raise ChangeRefused(errors)
    with transaction.atomic():
        before = _held(name)
        if before.rule is None:
            was: Mapping[str, object] = {"error": before.error}
        else:
            was = as_data(before.rule)
        after = as_data(rule)
        changed = {key: value for key, value in after.items() if was.get(key) != value}
        if not changed:
            raise ChangeRefused({"threshold": "and the rest are as before, so nothing was changed"})
        _put(name, rule=after, is_on=before.is_on, by=by)
        said = {"before": {key: was.get(key) for key in changed}, "after": changed}
        leave(KIND, name, by=by, change="changed", details=said, reason=reason)
    return rule


def switch(name: str, *, on: bool, reason: str, by: str) -> None:
    """Let a rule be evaluated or not. Raises ChangeRefused when it is so already."""
    reason = read_reason(reason)
    with transaction.atomic():
        before = _held(name)
        word = "on" if on else "off"
        if before.is_on == on:
            raise ChangeRefused({"name": f"is {word} already"})
        if before.rule is None:
            raise ChangeRefused({"name": "cannot be read; change it first, or remove it"})
        _put(name, rule=as_data(before.rule), is_on=on, by=by)
        leave(KIND, name, by=by, change=f"switched {word}", details={}, reason=reason)


def put_back(name: str, *, reason: str, by: str) -> None:
    """Let a shipped rule stand as it is shipped, and on; remove one of people's own."""
    reason = read_reason(reason)
    with transaction.atomic():
        before = _held(name)
        if AlertRule.objects.filter(name=name).delete()[0] != 1:
            raise ChangeRefused({"name": "is as shipped already"})
        done = "put back as shipped" if name in SHIPPED else "removed"
        was = {"rule": as_data(before.rule)} if before.rule else {}
        details = {"before": {**was, "is_on": before.is_on}}
        leave(KIND, name, by=by, change=done, details=details, reason=reason)


def _held(name: str) -> Standing:
    """Return a rule as it stands, its row held while it is changed. Raises ChangeRefused."""
    list(AlertRule.objects.select_for_update().filter(name=name))
    found = standing_of(name)
    if found is None:
        raise ChangeRefused({"name": "is no rule, or was removed meanwhile"})
    return found


def _put(name: str, *, rule: dict[str, object], is_on: bool, by: str) -> None:
    AlertRule.objects.update_or_create(
        name=name,
        defaults={
            "rule": rule,
            "is_on": is_on,
            "changed_at": timezone.now(),
            "changed_by": by,
        },
    )


def _read(draft: Draft) -> Rule:
    for name, text in _texts(draft).items():
        check_characters(name, text)
    try:
        return read_draft(draft)
    except WrongRule as wrong:
        raise ChangeRefused(wrong.errors) from wrong


def _texts(draft: Draft) -> dict[str, str]:
    return {each.name: getattr(draft, each.name) for each in fields(draft)}
