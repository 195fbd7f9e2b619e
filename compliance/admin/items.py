"""The page of one item: why it failed or waits, what was read, and the entries it rests on.

Beside each field as the check read it stands what the event itself claimed, where a registry says
otherwise. From here a click leads to the entry, and one more to its proof. The page above:
checks.py.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from audit.admin.lines import Line, lines
from audit.models import Entry
from audit.readonly import ReadOnlyModelAdmin
from audit.state import LedgerState
from audit.unmapped import at
from compliance.admin import asked
from compliance.admin.checks import BESIDE, rows_of, used_by
from compliance.admin.found import Kept, acts_about, one_item, running_lenses
from compliance.admin.strips import READ_LATE, failing_late
from compliance.admin.trail import trail
from compliance.admin.ways import ways_of_item
from compliance.admin.words import command, period
from compliance.in_force import catalogue_in_force

REGISTRY_FIELDS = ("tool.risk", "tool.destructive", "tool.side_effect")
"""What a registry says of a tool, whatever the event claims."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Read:
    """One field as the check read it."""

    path: str
    value: str
    claimed: str | None
    """What the event itself said, where that is something else; None where it is the same."""


def item_page(
    pages: ReadOnlyModelAdmin, request: HttpRequest, framework: str, check: str
) -> HttpResponse:
    """Show the item that `?item=` names."""
    look = asked.read(request, framework, beside=(*BESIDE, "item"))
    wanted = request.GET.get("item", "").replace("\0", "")
    control = request.GET.get("control", "")
    context = pages.frame(
        request,
        title=f"{check}, item {wanted}"[:120],
        opts=None,
        strip=look.ledger,
        asked=look,
        trail=trail(look, control=control, check=check, item=wanted),
    )
    if look.result is None or look.ledger is None:
        if not look.errors:
            raise Http404("there is no result that this item belongs to")
        return TemplateResponse(request, "compliance/item.html", context)
    used = used_by(look, check, control)
    item = _item(look, used.lens, wanted)
    about = {line.entry.seq: line for line in _lines(look.ledger, item)}
    own = about.get(item.seq) if item.seq is not None else None
    known = catalogue_in_force().checks.get(check)
    context |= {
        "result": look.result,
        "period": period(look.result),
        "used": used,
        "check": known,
        "item": item,
        "entries": _entries(item, about),
        "read": _read(item, own.event if own else {}),
        "findings": acts_about(look.ledger.id, framework=framework, check=check, item=wanted),
        "ways": ways_of_item(
            request, look, control=used.control, check=check, item=wanted, state=item.state
        ),
        "scratch": command(look.result, from_scratch=True),
    }
    return TemplateResponse(request, "compliance/item.html", context)


def _item(look: asked.Asked, lens: str, wanted: str) -> Kept:
    """Return the item. Raises Http404: of items that passed only their number is kept."""
    assert look.ledger is not None, "a result is of a ledger"
    running = running_lenses(look.ledger.id, [lens]).get(lens)
    if running is not None and running.kind in READ_LATE:
        for item in failing_late(look.own_ledger, rows_of(look), lens, running):
            if item.item == wanted:
                return item
    found = one_item(lens, look.ledger.id, wanted)
    if found is None:
        raise Http404("no item of this name is kept: it passed, or it was mended since")
    return found


def _lines(ledger: LedgerState, item: Kept) -> list[Line]:
    wanted = [seq for seq in (item.seq, item.other_seq) if seq is not None]
    found = Entry.objects.filter(ledger_id=ledger.id, seq__in=wanted, seq__gte=ledger.minimum)
    return lines(found.order_by("seq"), ledger)


def _entries(item: Kept, about: dict[int, Line]) -> list[tuple[Line | None, str, int]]:
    """Return the entries to show: each with its heading, and without its line when pruned."""
    wanted = [(item.seq, "The entry it is about")]
    if item.other_seq != item.seq:
        said = "The entry that decided it" if item.state != "pending" else "The other entry"
        wanted.append((item.other_seq, said))
    return [(about.get(seq), heading, seq) for seq, heading in wanted if seq is not None]


def _read(item: Kept, event: dict[str, Any]) -> list[Read]:
    found = []
    for path, value in item.evidence.items():
        claim = at(event, path) if path in REGISTRY_FIELDS else value
        found.append(
            Read(path=path, value=_text(value), claimed=None if claim == value else _text(claim))
        )
    return found


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
