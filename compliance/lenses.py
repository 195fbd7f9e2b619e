"""Make lenses: checks with every `$name` filled in, for one use each. Pure.

What is set nearer wins: the check's own parameters, then the framework's, then the control's, then
what people of this installation have set (`Settings`, read from their acts by people.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

from compliance.definitions import (
    SEVERITIES,
    Catalogue,
    Check,
    Control,
    Framework,
    LegPlan,
    Lens,
    Severity,
)
from compliance.exposure import exposure_lens
from compliance.language.errors import DefinitionError
from compliance.language.filling import filled, with_filter
from compliance.language.grammar import DESCRIPTIVE
from compliance.language.yaml_lines import Exact
from compliance.result import canonical


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """What people of this installation have set."""

    lists: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    """List to its values, in place of the catalogue's."""
    params: Mapping[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)
    """(framework, check) to parameters; an empty framework: for all of them."""


NOTHING_SET: Final = Settings()


def lens_of(
    catalogue: Catalogue,
    check_id: str,
    *,
    framework: Framework | None = None,
    control: Control | None = None,
    settings: Settings = NOTHING_SET,
) -> Lens:
    """Return the lens of a check as a control of a framework uses it.

    Without a control, as its framework uses it for guards and gates; without a framework, as it
    stands. Raises KeyError for no check of this name, DefinitionError for settings that fit none.
    Where nothing is set it is made once, since every evaluation asks for a thousand of them.
    """
    if settings.lists or settings.params:
        return _made(catalogue, check_id, framework, control, settings)
    use = (
        check_id,
        "" if framework is None else framework.id,
        "" if control is None else control.id,
    )
    known = catalogue.made.get(use)
    # By identity: a framework that is tried out may bear the name of one that is in force.
    if known is None or known[0] is not framework or known[1] is not control:
        lens = _made(catalogue, check_id, framework, control, settings)
        known = catalogue.made[use] = (framework, control, lens)
    return known[2]


def _made(
    catalogue: Catalogue,
    check_id: str,
    framework: Framework | None,
    control: Control | None,
    settings: Settings,
) -> Lens:
    check = catalogue.checks[check_id]
    params = params_of(check, framework=framework, control=control, settings=settings)
    definition = {key: part for key, part in check.definition.items() if key not in DESCRIPTIVE}
    definition.pop("params", None)
    if control is not None and control.check_filter is not None:
        definition = with_filter(definition, control.check_filter)
    definition = filled(definition, params, {**catalogue.lists, **settings.lists})
    if params:
        definition["params"] = filled(dict(params), {}, {})
    name = sha256(canonical({"check": check_id, **definition})).hexdigest()[:32]
    return Lens(id=name, check=check_id, kind=check.kind, definition=definition)


def params_of(
    check: Check,
    *,
    framework: Framework | None,
    control: Control | None,
    settings: Settings = NOTHING_SET,
) -> Mapping[str, Any]:
    """Return the parameters that are in force for one use of a check.

    Raises DefinitionError when settings name a parameter that the check does not have.
    """
    params = dict(check.params)
    if framework is not None:
        params |= framework.params.get(check.id, {})
    if control is not None:
        params |= control.check_params.get(check.id, {})
    for of in ("", framework.id) if framework is not None else ("",):
        for name, value in settings.params.get((of, check.id), {}).items():
            if name not in check.params:
                raise DefinitionError(f"{check.id} has no parameter {name}")
            params[name] = _like(check.params[name], value)
    return params


def _like(default: Any, value: Any) -> Any:
    """Return a value that people set, a decimal or a list as the check takes it."""
    if isinstance(default, Exact):
        return Exact(value if isinstance(value, str) else repr(value))
    if isinstance(default, list) and not isinstance(value, list):
        return list(value) if isinstance(value, tuple) else [value]
    return value


def legs_of(
    catalogue: Catalogue, framework: Framework, settings: Settings = NOTHING_SET
) -> tuple[LegPlan, ...]:
    """Return the legs of a framework, control by control, a control's statement last."""
    return tuple(
        leg
        for control in framework.controls
        for leg in _legs(catalogue, framework, control, settings)
    )


def _legs(
    catalogue: Catalogue, framework: Framework, control: Control, settings: Settings
) -> Iterator[LegPlan]:
    for check in control.checks:
        yield LegPlan(
            control=control.id,
            check=check,
            lens=lens_of(catalogue, check, framework=framework, control=control, settings=settings),
            severity=catalogue.checks[check].severity,
        )
    if control.attest:
        yield LegPlan(
            control=control.id,
            check="",
            lens=None,
            severity=statement_severity(catalogue, control),
        )


def statement_severity(catalogue: Catalogue, control: Control) -> Severity:
    """Return what a control's statement weighs: as the control, or less where its checks do."""
    weights = [control.weight, *(catalogue.checks[check].severity for check in control.checks)]
    return max(weights, key=SEVERITIES.index)


def gates_of(catalogue: Catalogue) -> tuple[str, ...]:
    """Return the checks without which no score is issued."""
    return tuple(check.id for check in catalogue.checks.values() if check.integrity_gate)


def guards_of(catalogue: Catalogue, check: str) -> tuple[str, ...]:
    """Return the guards of a check, and theirs, each once."""
    found: dict[str, None] = {}
    left = list(catalogue.checks[check].guards)
    while left:
        guard = left.pop(0)
        if guard not in found:
            found[guard] = None
            left += catalogue.checks[guard].guards
    return tuple(found)


def all_lenses(catalogue: Catalogue, settings: Settings = NOTHING_SET) -> dict[str, Lens]:
    """Return every lens by its id that a leg, a guard, a gate or an exposure can ask for.

    Every check on its own as well, so that its page has counts before a framework uses it.
    """
    lenses: dict[str, Lens] = {}
    for lens in _all(catalogue, settings):
        if lens.id in lenses:
            continue
        lenses[lens.id] = lens
        exposure = exposure_lens(lens)
        if exposure is not None:
            lenses.setdefault(exposure.id, exposure)
    return lenses


def _all(catalogue: Catalogue, settings: Settings) -> Iterator[Lens]:
    for check in catalogue.checks:
        yield lens_of(catalogue, check, settings=settings)
    for framework in catalogue.frameworks.values():
        needed = dict.fromkeys(gates_of(catalogue))
        for leg in legs_of(catalogue, framework, settings):
            if leg.lens is not None:
                yield leg.lens
                needed |= dict.fromkeys(guards_of(catalogue, leg.check))
        for check in needed | dict.fromkeys(g for n in needed for g in guards_of(catalogue, n)):
            yield lens_of(catalogue, check, framework=framework, settings=settings)
