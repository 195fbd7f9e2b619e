"""The inputs of the forms that ask for what needs a second person. Pages: decisions.py."""

from __future__ import annotations

from compliance.acting import MOST_REASON
from compliance.admin.people_form import Box, frameworks_to_choose, named, reason_box
from compliance.in_force import catalogue_in_force
from compliance.scope import APPLIES, APPLIES_NO_MORE, ROLES


def _framework_box(ids: list[str]) -> Box:
    choices = frameworks_to_choose(ids)
    return Box(name="framework", word="Framework", kind="choice", choices=choices)


def waiver_boxes() -> tuple[Box, ...]:
    """Return the inputs of a waiver."""
    return (
        _framework_box(sorted(catalogue_in_force().frameworks)),
        Box(name="control", word="Control", help="Its id, such as CC6.1."),
        Box(name="check", word="Leg", help="The id of the check, such as LOG-10, or statement."),
        Box(
            name="items",
            word="Items",
            help="Ids of failing items, one a line. Empty: the whole leg.",
            kind="area",
            is_needed=False,
        ),
        reason_box("Reason"),
        Box(
            name="risk",
            word="Risk",
            help="What may go wrong meanwhile.",
            kind="area",
            most=MOST_REASON,
        ),
        Box(
            name="compensating",
            word="What compensates",
            help="What keeps the risk low meanwhile.",
            kind="area",
            most=MOST_REASON,
        ),
        Box(
            name="begins_on",
            word="Begins on",
            help="Empty: today. It never reaches back.",
            kind="day",
            is_needed=False,
        ),
        Box(
            name="expires_on",
            word="Ends on",
            help="Its last day: at most 365 days ahead, of a critical leg 90.",
            kind="day",
        ),
    )


def scope_boxes() -> tuple[Box, ...]:
    """Return the inputs of a scope decision."""
    catalogue = catalogue_in_force()
    flags = sorted(
        {
            flag
            for framework in catalogue.frameworks.values()
            for flag in framework.scope_flags
            if flag not in framework.always_flags
        }
    )
    return (
        _framework_box(sorted(catalogue.frameworks)),
        Box(name="control", word="Control", help="Its id; empty for a flag.", is_needed=False),
        Box(
            name="flag",
            word="Or a flag",
            help="All controls of this flag.",
            kind="choice",
            choices=(("", "none"), *named(flags)),
            is_needed=False,
        ),
        reason_box("Reason"),
        Box(
            name="expires_on",
            word="Ends on",
            help="Its last day, at most 365 days ahead; then it is decided again.",
            kind="day",
        ),
    )


def applies_boxes() -> tuple[Box, ...]:
    """Return the inputs of the record of a high-risk system."""
    gated = sorted(each.id for each in catalogue_in_force().frameworks.values() if each.gate)
    return (
        _framework_box(gated),
        Box(name="system", word="System", help="The agent's id as events name it."),
        Box(
            name="role",
            word="Your role",
            help="Provider: you put it on the market. Deployer: you use it.",
            kind="choice",
            choices=named(ROLES),
        ),
        Box(
            name="act",
            word="What is decided",
            kind="choice",
            choices=((APPLIES, "It applies"), (APPLIES_NO_MORE, "It applies no more")),
        ),
        reason_box("Reason"),
    )
