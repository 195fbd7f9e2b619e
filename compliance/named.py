"""Look up in the catalogue what a form names: framework, control, check, leg.

Raises ActRefused with the field that names what is not there. The catalogue: in_force.py.
"""

from __future__ import annotations

from compliance.acting import ActRefused, read_choice
from compliance.definitions import Catalogue, Check, Control, Framework, Severity
from compliance.people import STATEMENT


def find_framework(catalogue: Catalogue, name: str) -> Framework:
    """Return the framework of this id."""
    return catalogue.frameworks[read_choice("framework", name, sorted(catalogue.frameworks))]


def find_control(framework: Framework, name: str) -> Control:
    """Return the framework's control of this id."""
    for control in framework.controls:
        if control.id == name:
            return control
    raise ActRefused(
        field="control", message=f"{framework.id} has no such control; give its id, as lists do"
    )


def find_check(catalogue: Catalogue, name: str) -> Check:
    """Return the check of this id."""
    check = catalogue.checks.get(name)
    if check is None:
        raise ActRefused(field="check", message="there is no such check; give its id, as LOG-10")
    return check


def leg_severity(catalogue: Catalogue, control: Control, leg: str) -> Severity:
    """Return how heavy a leg of a control is. Raises ActRefused when the control has no such leg.

    Of the leg of a statement the control's weight is taken, which is never the lighter one.
    """
    if leg == STATEMENT and control.attest:
        return control.weight
    if leg in control.checks:
        return catalogue.checks[leg].severity
    legs = [*control.checks, *([STATEMENT] if control.attest else [])]
    raise ActRefused(field="check", message=f"{control.id} rests on {', '.join(legs)}")
