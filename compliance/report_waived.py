"""Tell which failing items are waived, and which findings are about them. Pure.

An item is waived when every leg that rests on its lens has it waived, since only then does it count
nowhere. What a waiver is worth: standing.py. The lists themselves: report_people.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from compliance.report_content import FindingLine
from compliance.report_reading import Reading, text_said


@dataclass(frozen=True, kw_only=True, slots=True)
class LegWaivers:
    """The waivers of one leg in force at `as_of`."""

    whole: str
    """The id of a waiver of the whole leg; empty: none."""
    items: Mapping[str, str]
    """The id of the waiver by item."""

    def of(self, item: str) -> str:
        """Return the waiver that covers an item; empty: none."""
        return self.items.get(item, self.whole)


@dataclass(kw_only=True, slots=True)
class LensLegs:
    """The legs that rest on one lens."""

    controls: list[str] = field(default_factory=list)
    """In the framework's order."""
    waivers: list[LegWaivers] = field(default_factory=list)

    @property
    def has_waivers(self) -> bool:
        """Tell whether an item could be waived."""
        return bool(self.waivers) and all(one.whole or one.items for one in self.waivers)

    def waiver_of(self, item: str) -> str:
        """Return the waiver that covers an item for every leg; empty: it is not waived."""
        found = [one.of(item) for one in self.waivers]
        return found[0] if found and all(found) else ""


def legs_by_lens(reading: Reading) -> dict[str, LensLegs]:
    """Return the legs that rest on each lens; of one that no leg rests on, none."""
    found = {check.lens: LensLegs() for check in reading.result.checks}
    for control in reading.result.controls:
        for leg in control.legs:
            if leg.lens and leg.state != "not_applicable" and leg.lens in found:
                of = found[leg.lens]
                of.controls.append(control.id)
                waivers = reading.stands.waived(
                    control.id, leg.id, severity=leg.severity, as_of=reading.span.as_of
                )
                names = [
                    (text_said(reading.act_of[one.seq].details, "waiver"), one.items)
                    for one in waivers
                ]
                of.waivers.append(
                    LegWaivers(
                        whole=next((name for name, items in names if not items), ""),
                        items={item: name for name, items in names for item in items},
                    )
                )
    return found


def finding_by_item(found: Sequence[FindingLine]) -> dict[tuple[str, str], str]:
    """Return the newest finding about an item, by check and item."""
    return {(each.check, each.item): each.finding for each in found if each.item}
