"""Write docs/controls.md: control by control, what is shown from entries and what is not. Pure.

Made of a catalogue and nothing else, so that a test can hold the page to it. What a check proves is
its definition in words (wording.py); what it cannot is its own note `cannot` and the limit of its
kind. `manage.py controls` prints the page, `make controls` writes it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from compliance.definitions import Catalogue, Check, Control, Framework, Kind, Mode
from compliance.wording import in_words

LIMIT_OF_KIND: Final[Mapping[Kind, str]] = {
    "each": "It believes the fields of the event, unless a registry says otherwise.",
    "prior": "It sees that an earlier entry stands there and fits, not how well it was considered.",
    "followup": "It sees that an answer came in time and fits, not how good the answer was.",
    "cadence": "It sees that the act is recorded, not how thoroughly it was done.",
    "gap": "It sees silence between what was heard, not what was never begun.",
    "burst": "It sees many in a short time, not a few over a long one.",
    "rate": "It sees shares of whole days with enough events, not single events.",
    "forbid": "It sees an act that carries the banned identifier, not one that hides it.",
    "fact": "It sees what is reported, not whether the report is true.",
}
"""What no check of a kind can show, whatever its definition."""

_KINDS: Final[Mapping[Kind, str]] = {
    "each": "every event of the population meets a condition",
    "prior": "a fitting entry stands before each event",
    "followup": "a fitting entry follows each event in time",
    "cadence": "an act is repeated at least so often",
    "gap": "no distance between neighbours is longer than allowed",
    "burst": "many events in a short time are answered",
    "rate": "a daily share stays under a limit",
    "forbid": "nothing happens that an earlier entry ruled out",
    "fact": "each reported fact, and the last one before the period, meets a condition",
}

_MODES: Final[Mapping[Mode, str]] = {
    "automated": "It looks at no system but those whose events are in the ledger.",
    "partial": "The statement is a person's signed word; nothing tests it.",
    "manual": "No entry tests it: it rests on a signed word and the file beside it.",
}
"""What each mode leaves open."""

_HEAD: Final = """# Controls and checks

This page is written by `make controls` from the catalogue; a test fails when it is stale.
How a score is made of it: [compliance.md](compliance.md).
How checks are written: [catalogue.md](catalogue.md).
Titles are our own short words; what an owner of a framework has written is not repeated here.

A control that passes says what it proves and no more; *what it cannot* is as binding.
Two limits hold for all of them.
An act that nobody reported leaves no entry.
Checks speak for the agent systems that report here, not for the rest of the organisation.
"""


def controls_page(catalogue: Catalogue) -> str:
    """Return the whole page, as it stands in docs/controls.md."""
    frameworks = list(catalogue.frameworks.values())
    parts = [
        _HEAD,
        _kinds_section(),
        _overview(frameworks, catalogue),
        *(_framework_section(one, catalogue) for one in frameworks),
        _checks_section(catalogue),
    ]
    return "\n".join(parts)


def cannot_of(check: Check) -> str:
    """Return what a check cannot show: its own note, then the limit of its kind."""
    note = str(check.definition.get("cannot", ""))
    return f"{note} {LIMIT_OF_KIND[check.kind]}".strip()


def control_proves(control: Control, checks: Mapping[str, Check]) -> str:
    """Return what a control shows when it passes: its checks' titles, and what is stated."""
    said = [checks[check].title for check in control.checks]
    if control.attest:
        said.append(f"stated and signed: {control.attest}")
    return "; ".join(said)


def control_cannot(control: Control, checks: Mapping[str, Check]) -> str:
    """Return what a control leaves open: that of its mode, then the notes of its checks."""
    notes = [str(checks[check].definition.get("cannot", "")) for check in control.checks]
    return " ".join([_MODES[control.mode], *dict.fromkeys(note for note in notes if note)])


def _kinds_section() -> str:
    table = _table(
        ("kind", "holds when", "what no check of it can show"),
        ((f"`{kind}`", _KINDS[kind], LIMIT_OF_KIND[kind]) for kind in LIMIT_OF_KIND),
    )
    return f"## Kinds of checks\n\n{table}"


def _overview(frameworks: Sequence[Framework], catalogue: Catalogue) -> str:
    rows = []
    for one in frameworks:
        modes = Counter(control.mode for control in one.controls)
        used = {check for control in one.controls for check in control.checks}
        counts = (len(one.controls), *(modes[mode] for mode in _MODES), len(used))
        rows.append((f"[{one.id}](#{_anchor(_title(one))})", _cell(one.version), *map(str, counts)))
    table = _table(
        ("framework", "version", "controls", "automated", "partial", "manual", "checks"), rows
    )
    return f"## Frameworks\n\n{len(catalogue.checks)} checks serve them all.\n\n{table}"


def _framework_section(framework: Framework, catalogue: Catalogue) -> str:
    rows = (
        (
            _cell(control.id),
            _cell(control.title),
            control.mode,
            ", ".join(f"[{check}](#{_anchor(check)})" for check in control.checks),
            _cell(control_proves(control, catalogue.checks)),
            _cell(control_cannot(control, catalogue.checks)),
        )
        for control in framework.controls
    )
    table = _table(("id", "title", "mode", "checks", "what it proves", "what it cannot"), rows)
    gate = f"\nIt applies only {framework.gate}.\n" if framework.gate else ""
    return f"## {_title(framework)}\n\n{_sentence(framework.authority)}\n{gate}\n{table}"


def _checks_section(catalogue: Catalogue) -> str:
    return "## Checks\n\n" + "\n".join(_checks(catalogue))


def _checks(catalogue: Catalogue) -> Iterator[str]:
    for check in catalogue.checks.values():
        lines = [
            f"### {check.id}",
            "",
            f"{_sentence(check.title)} Kind `{check.kind}`, {check.severity}.",
            "",
            f"- Proves: {_sentence(in_words(check, catalogue))}",
            f"- Cannot: {cannot_of(check)}",
        ]
        if check.law:
            said = ", ".join(f"`{name}` ({article})" for name, article in check.law.items())
            lines.append(f"- Set by law: {said}.")
        yield "\n".join(lines) + "\n"


def _title(framework: Framework) -> str:
    return f"{framework.id}: {framework.name}"


def _sentence(text: str) -> str:
    flat = " ".join(text.split())
    return flat if flat.endswith((".", "?", "!")) else f"{flat}."


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _anchor(title: str) -> str:
    """Return the anchor that a heading makes."""
    kept = "".join(c for c in title.lower() if c.isalnum() or c in "_- ")
    return kept.replace(" ", "-")


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
