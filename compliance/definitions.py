"""What checks, controls and frameworks are, once they are read and found sound. Pure.

Made by catalogue.py from YAML; nothing here reads a file. A `Lens` is what the ledger is looked at
through: a check with every parameter, list and filter of one use filled in. Two uses of a check
that differ in nothing share a lens, and so its tallies.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

Severity: TypeAlias = Literal["critical", "high", "medium", "low"]
Mode: TypeAlias = Literal["automated", "partial", "manual"]
Kind: TypeAlias = Literal[
    "each", "prior", "followup", "cadence", "gap", "burst", "rate", "forbid", "fact"
]
OnEmpty: TypeAlias = Literal["no_data", "not_occurred", "fail"]

SEVERITIES: Final[tuple[Severity, ...]] = ("critical", "high", "medium", "low")
"""The heaviest first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """Where something stands, for messages: `checks.yaml:41`."""

    file: str
    line: int

    def __str__(self) -> str:
        """Return it as editors read it."""
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """One check as the catalogue holds it, `$names` not yet filled in."""

    id: str
    title: str
    kind: Kind
    severity: Severity
    on_empty: OnEmpty
    definition: Mapping[str, Any]
    """The whole of it as plain values, keys as in the YAML; conditions are nested lists."""
    params: Mapping[str, Any]
    guards: tuple[str, ...]
    """Checks that must hold before its emptiness is accepted; default guards when it names none."""
    nil_return: bool
    integrity_gate: bool
    evidence: tuple[str, ...]
    law: Mapping[str, str]
    """Which of its parameters the law sets: name to the article; the others are our policy."""
    source: Source


@dataclass(frozen=True, kw_only=True, slots=True)
class Control:
    """One control of a framework."""

    id: str
    title: str
    area: str
    mode: Mode
    weight: Severity
    checks: tuple[str, ...]
    check_params: Mapping[str, Mapping[str, Any]]
    check_filter: Any | None
    """A condition that the population of its checks must meet as well."""
    attest: str
    """What management states for it; empty in an automated control."""
    spec: str
    """HIPAA: S standard, R required, A addressable, N none; else empty."""
    flag: str
    """The scope flag it belongs to, such as `privacy`; empty: always in scope."""
    note: str
    cadence_days: int
    """How long a statement for it holds."""
    source: Source


@dataclass(frozen=True, kw_only=True, slots=True)
class Framework:
    """One framework: its controls in their order, and what it sets for checks."""

    id: str
    name: str
    authority: str
    version: str
    params: Mapping[str, Mapping[str, Any]]
    scope_flags: tuple[str, ...]
    always_flags: tuple[str, ...]
    """Flags that nobody can take out of scope."""
    gate: str
    """A condition in words that must be recorded before the framework applies; empty: always."""
    controls: tuple[Control, ...]
    is_custom: bool
    source: Source


@dataclass(frozen=True, kw_only=True, slots=True)
class Catalogue:
    """All that is in force together."""

    version: str
    checks: Mapping[str, Check]
    lists: Mapping[str, tuple[str | int | bool, ...]]
    frameworks: Mapping[str, Framework]
    default_guards: tuple[str, ...]
    digest: str
    """SHA-256 over the names and bytes of its files, 64 hex: one changed byte changes it."""
    made: dict[tuple[str, str, str], tuple[Framework | None, Control | None, Lens]] = field(
        init=False, default_factory=dict, compare=False, repr=False
    )
    """Lenses made of it where people have set nothing; lenses.py keeps them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Lens:
    """A check with every `$name` filled in and the filter of its control added."""

    id: str
    """The first 32 hex digits of the SHA-256 of the definition in canonical JSON."""
    check: str
    kind: Kind
    definition: Mapping[str, Any] = field(hash=False)
    """Plain JSON values; `$names` are gone, `@paths` remain. Enough to run it by itself."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LegPlan:
    """One leg of a control before it is judged: which lens, or which statement."""

    control: str
    check: str
    """The check's id; empty for the leg of the management statement."""
    lens: Lens | None
    severity: Severity
