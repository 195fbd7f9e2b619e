"""Read and show the form that makes or changes a destination; what it asks is its kind's.

A secret that was typed is handed on once and never put into an answer, not even when another field
was wrong. Setting up: audit.destination. Kinds: audit.destinations.kinds. Page: destinations.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.http import QueryDict

from audit.destinations.kinds import Kind, Option
from audit.models import Destination

STARTS = {
    "now": ("What comes from now on", "Nothing of what is there already."),
    "all": ("Everything that is kept", "From the oldest entry on; later ones follow in order."),
}
"""Where a new destination begins."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Box:
    """One input of the form."""

    name: str
    """Of the parameter; `address`, `secret`, or `option-` and the option's name."""
    word: str
    help: str
    kind: str
    """`text`, `integer`, `choice`, `flag`, `pem` or `secret`."""
    value: str = ""
    error: str = ""
    choices: tuple[str, ...] = ()
    is_needed: bool = False


def boxes(
    kind: Kind, *, values: Mapping[str, str], errors: Mapping[str, str], is_new: bool
) -> list[Box]:
    """Return the inputs of a kind, with what was typed and what is wrong with it."""
    shown = []
    if is_new:
        shown.append(
            Box(
                name="name",
                word="Name",
                help="Small letters, digits and dashes. Entries about it carry it; never changed.",
                kind="text",
                value=values.get("name", ""),
                error=errors.get("name", ""),
                is_needed=True,
            )
        )
    shown.append(
        Box(
            name="address",
            word=kind.address_word,
            help=kind.address_help,
            kind="text",
            value=values.get("address", ""),
            error=errors.get("address", ""),
            is_needed=True,
        )
    )
    if kind.secret_word:
        kept = "" if is_new else " Empty: the one that is kept, while the address stays the same."
        shown.append(
            Box(
                name="secret",
                word=kind.secret_word,
                help=kind.secret_help + kept,
                kind="secret",
                error=errors.get("secret", ""),
                is_needed=is_new,
            )
        )
    return shown + [_box(option, values, errors) for option in kind.options]


def _box(option: Option, values: Mapping[str, str], errors: Mapping[str, str]) -> Box:
    name = f"option-{option.name}"
    return Box(
        name=name,
        word=option.word,
        help=option.help,
        kind=option.kind,
        value=values.get(name, ""),
        error=errors.get(option.name, ""),
        choices=option.choices,
        # What has a default is there already, so nobody is told that it may be left out.
        is_needed=option.is_needed or option.kind in {"integer", "choice"},
    )


def values_of(kind: Kind, row: Destination | None) -> dict[str, str]:
    """Return what the form shows at first: the defaults, or what is set up. Never a secret."""
    known = row.options if row is not None else {}
    found = {
        f"option-{option.name}": _text(known.get(option.name, option.default))
        for option in kind.options
    }
    return found if row is None else found | {"address": row.address}


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def typed(kind: Kind, sent: QueryDict) -> dict[str, str]:
    """Return what was typed into each box but the secret's; an unticked box is `false`."""
    found = {name: sent.get(name, "").strip() for name in ("name", "address")}
    for option in kind.options:
        name = f"option-{option.name}"
        missing = "false" if option.kind == "flag" else ""
        found[name] = sent.get(name, missing)
    return found


def options_of(kind: Kind, values: Mapping[str, str]) -> dict[str, object]:
    """Return what was typed as options of the kind."""
    return {option.name: values[f"option-{option.name}"] for option in kind.options}
