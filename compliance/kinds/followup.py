"""followup: what happened must be followed by something, in time. Pure.

Item = population event, with `key` the earliest of each value, and with `variants` one for each
variant whose `when` holds (`<seq>/<name>`; none holds: one failing item `<seq>/none`). It passes
when a match, chained later or with `order: any` on either side, has occurred_at <= due, and was
received by due + 1 hour where the match is of a category in which people act (case, change,
decision): those cannot be back-dated. Only where both entries are a backfill is that not asked.

An item is pending, counted as open, until a match decides it or the clock passes its deadline. A
match or an extension that comes after that and is still good restates it. It counts on the day it
is decided: the later of its own and the match's, or the deadline's. When it is due: deadlines.py.

Slots: `i/<item>` an item until it is passed (with `key` for good); `o/<tie>` ids of the items that
a match may decide, `x/<tie>` that an extension may prolong; `m/<tie>` matches that came before
their item (`order: any`); `e/<tie>` extensions; `k/<key>` the event of a key; `c/<case>` when a
case began.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from compliance.kinds.awaited import Part, Record, condition_of, in_time, kept_item, limits_of, says
from compliance.kinds.base import DAY_US, Book, Entry, Narrowed, Tested, View
from compliance.kinds.counted import counted
from compliance.kinds.deadlines import Extension, Limit, anchor_fields, anchored
from compliance.kinds.joins import Join
from compliance.kinds.narrowing import Known, narrowed
from compliance.kinds.series import day_of, evidence_of, fields_of, named
from compliance.language.conditions import Closed, compile_condition
from compliance.language.errors import DefinitionError
from compliance.language.reading import Remembered


class Followup:
    """One followup, ready to run."""

    def __init__(self, definition: Mapping[str, Any]) -> None:
        """Take in the definition. Raises DefinitionError for what this kind cannot do."""
        if definition.get("clock") == "received_at" or "match_each" in definition:
            raise DefinitionError("a followup knows neither clock: received_at nor match_each")
        self._population = compile_condition(definition["population"])
        self._pass_when = condition_of(definition, "pass_when")
        self._pass_now = condition_of(definition, "pass_now_when", "match_waived_when")
        self._anchor = anchor_fields(definition)
        self._either_side = definition.get("order") == "any"
        self._sides = ("o", "m") if self._either_side else ("o",)
        self._key = fields_of(definition.get("key"))
        self._evidence = tuple(definition.get("evidence", ()))
        self._extension = Extension(definition["extend"]) if "extend" in definition else None
        self._has_variants = "variants" in definition
        variants = definition.get("variants") or [definition]
        self._parts = tuple(
            Part(
                name=variant["name"] if self._has_variants else "",
                when=condition_of(variant, "when") if self._has_variants else None,
                join=Join({**definition, **variant}["match"], name=f"match{index}"),
                limit=Limit.of(limits_of(definition, variant)),
            )
            for index, variant in enumerate(variants)
        )
        names = [part.name for part in self._parts]
        self._chosen = frozenset(definition.get("parts", names))
        self._reads_case = any(
            field.startswith("case.")
            for field in (
                *self._anchor,
                *(p.limit.year_of[0] for p in self._parts if p.limit.year_of),
            )
        )
        self._by_name = {part.name: part for part in self._parts}
        self._roles: dict[tuple[str, str], _Roles] = {}

    def actions(self, actions: Mapping[str, str]) -> frozenset[str] | None:
        """Return the actions of its population, matches and extensions.

        Of every entry of a case, too, where the time may run from the case's first.
        """
        conditions = [self._population, *(part.join.condition for part in self._parts)]
        if self._extension is not None:
            conditions.append(self._extension.join.condition)
        wanted: frozenset[str] = frozenset()
        for condition in conditions:
            some = condition.actions(actions)
            if some is None:
                return None
            wanted |= some
        if self._reads_case:
            wanted |= {action for action, category in actions.items() if category == "case"}
        return wanted

    def slots(self, entry: Entry) -> Iterable[str]:
        """Return the slots where what it may decide stands, and those of its key and case."""
        roles = self._roles_of(entry)
        slots = [
            f"{kind}/{tie}"
            for part in roles.matches
            for tie in part.join.file_under(entry)
            for kind in self._sides
        ]
        if roles.is_population and self._population.holds(entry):
            if self._key:
                slots.append(f"k/{self._keyed(entry)}")
            slots += [
                f"{kind}/{tie}"
                for part in self._parts
                for tie in part.join.look_under(entry)
                for kind in self._sides
            ]
        if self._reads_case:
            slots.append(f"c/{entry.read('case.id')}")
        return slots

    def see(self, entry: Entry, book: Book) -> None:
        """Take in an entry as what it is: a match, an extension, an event of the population."""
        if self._reads_case:
            self._note_case(entry, book)
        roles = self._roles_of(entry)
        if roles.may_extend:
            self._extend_by(entry, book)
        for part in roles.matches:
            ties = part.join.file_under(entry)
            if ties:
                self._answer_by(entry, part, ties, book)
        if roles.is_population and self._population.holds(entry):
            self._begin(entry, book)

    def see_only(self, known: Known) -> Narrowed | None:
        """Return what does as `see` for entries of this shape; None: it does nothing."""
        joins = [part.join for part in self._parts]
        if self._extension is not None:
            joins.append(self._extension.join)
        does_something = (
            (self._reads_case and known.category == "case")
            or narrowed(self._population, known) is not None
            or any(join.filing(known) is not None for join in joins)
        )
        return Narrowed(see=self.see, slots=self.slots) if does_something else None

    def expire(self, slot: str, value: Any, book: Book) -> None:
        """Fail an item that nothing followed in time."""
        self._fail_unanswered(value, book)
        book.put(slot, value)

    @staticmethod
    def tested(definition: Mapping[str, Any], view: View) -> Tested:
        """Return what was counted; pending are those that are open at the span's end."""
        return counted(view)

    def _roles_of(self, entry: Entry) -> _Roles:
        """Return what entries of this action can be; a condition may still say no."""
        roles = self._roles.get((entry.action, entry.category))
        if roles is None:
            known = Closed({entry.action: entry.category})
            extension = self._extension
            roles = _Roles(
                is_population=bool(self._population.actions(known)),
                matches=tuple(p for p in self._parts if p.join.actions(known)),
                may_extend=extension is not None and bool(extension.join.actions(known)),
            )
            self._roles[entry.action, entry.category] = roles
        return roles

    # The event: what items it makes.

    def _begin(self, entry: Entry, book: Book) -> None:
        if not self._key:
            self._make(entry, book)
            return
        keyed = self._keyed(entry)
        known = book.get(f"k/{keyed}") if keyed else None  # [at, seq, ids]
        if known is not None:
            if (entry.at, entry.seq) > (known[0], known[1]):
                return
            for item in known[2]:
                self._remove(item, book)
        items = self._make(entry, book, is_restated=known is not None)
        if keyed:
            book.put(f"k/{keyed}", [entry.at, entry.seq, items])

    def _keyed(self, entry: Entry) -> str:
        """Return the name of its key; empty when a field is missing: then it stands alone."""
        values = [entry.read(field) for field in self._key]
        return "" if None in values else named([entry.environment, *values])

    def _make(self, entry: Entry, book: Book, *, is_restated: bool = False) -> list[str]:
        if not self._has_variants:
            return [self._item(entry, self._parts[0], str(entry.seq), book, is_restated)]
        parts = [part for part in self._parts if part.when is None or part.when.holds(entry, entry)]
        if not parts:
            record = self._record(entry, None, f"{entry.seq}/none", is_restated)
            self._decide(record, "fail", entry.at // DAY_US, book, "No variant holds for it.")
            self._remember(record, book)
            return [record["item"]]
        return [
            self._item(entry, part, f"{entry.seq}/{part.name}", book, is_restated)
            for part in parts
            if part.name in self._chosen
        ]

    def _record(self, entry: Entry, part: Part | None, item: str, is_restated: bool) -> Record:
        kept = {} if part is None else part.join.kept_fields(entry, "event")
        if self._extension is not None:
            kept |= self._extension.join.kept_fields(entry, "event")
        return {
            "item": item,
            "part": None if part is None else part.name,
            "seq": entry.seq,
            "day": day_of(entry, by_arrival=False),
            "agent": entry.agent,
            "environment": entry.environment,
            "event": kept,
            "evidence": evidence_of(entry, self._evidence),
            "state": "",
            "decided": None,
            "opened": False,
            "due": None,
            "late": None,
            "restated": is_restated,
        }

    def _item(self, entry: Entry, part: Part, item: str, book: Book, is_restated: bool) -> str:
        record = self._record(entry, part, item, is_restated)
        if self._pass_when is not None and not self._pass_when.holds(entry, entry):
            self._decide(record, "fail", record["day"], book, "What it must say itself is missing.")
        elif self._pass_now is not None and self._pass_now.holds(entry, entry):
            self._decide(record, "pass", record["day"], book)
        else:
            self._wait(entry, part, record, book)
            return item
        self._remember(record, book)
        return item

    def _wait(self, entry: Entry, part: Part, record: Record, book: Book) -> None:
        """Set the deadline, look for what came before, and else begin to wait."""
        began = self._case_began(entry, book)
        record["anchor"] = anchored(entry, self._anchor, at=entry.at, case_began=began)
        due = part.limit.due(entry, record["anchor"], at=entry.at, case_began=began)
        record["base"] = record["due"] = due
        event = Remembered(record["event"])
        if self._extension is not None:
            for tie in self._extension.join.look_under(event):
                for kept in book.get(f"e/{tie}") or ():
                    if self._extension.join.fits(Remembered(kept), event):
                        record["due"] = self._extension.prolonged(record, kept)
        earlier = self._earlier(part, record, event, book) if self._either_side else None
        if earlier is not None:
            self._pass(record, earlier, book)
            self._remember(record, book)
            return
        record["opened"], record["state"] = True, "pending"
        book.open(record["day"], record["agent"], record["environment"], record["item"])
        self._list(record, part, event, book)
        self._keep_waiting(record, book)

    def _earlier(
        self, part: Part, record: Record, event: Remembered, book: Book
    ) -> Mapping[str, Any] | None:
        """Return the first match, by seq, that was chained before the event and is good."""
        found = [
            kept
            for tie in part.join.look_under(event)
            for kept in book.get(f"m/{tie}") or ()
            if kept["seq"] != record["seq"]
            and in_time(record, kept)
            and part.join.fits(Remembered(kept), event)
        ]
        return min(found, key=lambda kept: int(kept["seq"]), default=None)

    def _keep_waiting(self, record: Record, book: Book) -> None:
        """Remember an open item until its deadline; fail it when the clock is past that."""
        if book.clock > record["due"]:
            self._fail_unanswered(record, book)
            book.put(f"i/{record['item']}", record)
            return
        book.keep(kept_item(record, "It waits for what must follow."))
        book.put(f"i/{record['item']}", record, due=record["due"])

    # The entries that decide it.

    def _answer_by(self, entry: Entry, part: Part, ties: list[str], book: Book) -> None:
        kept = part.join.kept_fields(entry, "candidate")
        for tie in ties:
            for item in list(book.get(f"o/{tie}") or ()):
                record = book.get(f"i/{item}")
                if record is None or record["state"] not in ("pending", "fail"):
                    continue
                event = Remembered(record["event"])
                if not part.join.fits(entry, event):
                    continue
                if in_time(record, kept):
                    self._unlist(record, part, event, book)
                    self._pass(record, kept, book)
                    self._remember(record, book)
                elif record["state"] == "fail" and record["late"] is None:
                    self._note_late(record, kept, book)
            if self._either_side:
                self._file(f"m/{tie}", kept, book)

    def _file(self, slot: str, kept: dict[str, Any], book: Book) -> None:
        """Keep a match for an event that may come.

        One that says the same as an earlier one, and neither occurred nor arrived before it, is
        never the first that fits: whatever deadline it meets, the other meets as well.
        """
        matches = book.get(slot) or []
        said = says(kept)
        for other in matches:
            if (
                other["at"] <= kept["at"]
                and other["received"] <= kept["received"]
                and says(other) == said
            ):
                return
        matches.append(kept)
        book.put(slot, matches)

    def _extend_by(self, entry: Entry, book: Book) -> None:
        extension = self._extension
        assert extension is not None, "only a check with extend has entries that may extend"
        ties = extension.join.file_under(entry)
        if not ties:
            return
        kept = extension.kept_fields(entry)
        for tie in ties:
            known = book.get(f"e/{tie}") or []
            known.append(kept)
            book.put(f"e/{tie}", known)
            for item in list(book.get(f"x/{tie}") or ()):
                record = book.get(f"i/{item}")
                if record is None or record["state"] not in ("pending", "fail"):
                    continue
                if extension.join.fits(entry, Remembered(record["event"])):
                    self._prolong(record, extension.prolonged(record, kept), book)

    def _prolong(self, record: Record, due: int, book: Book) -> None:
        if due == record["due"]:
            return
        if record["state"] == "fail":
            self._reopen(record, book)
        record["due"] = due
        late = record["late"]
        if late is not None and in_time(record, late):
            part = self._by_name[record["part"]]
            self._unlist(record, part, Remembered(record["event"]), book)
            self._pass(record, late, book)
            self._remember(record, book)
            return
        self._keep_waiting(record, book)

    # From one state to another.

    def _decide(self, record: Record, state: str, day: int, book: Book, why: str = "") -> None:
        agent, environment, item = record["agent"], record["environment"], record["item"]
        record["state"], record["decided"] = state, day
        if record["opened"]:
            book.close(day, agent, environment, item)
        book.decide(day, agent, environment, item, passed=state == "pass")
        if state == "fail":
            book.keep(kept_item(record, why))
        else:
            book.release(item)

    def _pass(self, record: Record, kept: Mapping[str, Any], book: Book) -> None:
        if record["state"] == "fail":
            self._reopen(record, book)
        self._decide(record, "pass", max(record["day"], kept["at"] // DAY_US), book)

    def _fail_unanswered(self, record: Record, book: Book) -> None:
        day = max(record["day"], record["due"] // DAY_US)
        words = self._by_name[record["part"]].limit.words
        self._decide(record, "fail", day, book, f"Nothing that counts followed within {words}.")

    def _reopen(self, record: Record, book: Book) -> None:
        """Take a failure back: something that came late says otherwise."""
        agent, environment, item = record["agent"], record["environment"], record["item"]
        book.undo(record["decided"], agent, environment, item, passed=False)
        book.reopen(record["decided"], agent, environment, item)
        book.release(item)
        record["state"], record["decided"], record["restated"] = "pending", None, True

    def _note_late(self, record: Record, kept: dict[str, Any], book: Book) -> None:
        record["late"] = kept
        words = self._by_name[record["part"]].limit.words
        book.keep(kept_item(record, f"What followed came later than {words}."))
        book.put(f"i/{record['item']}", record)

    def _remove(self, item: str, book: Book) -> None:
        """Take an item back as if it had never been: an earlier event of its key was chained."""
        record = book.get(f"i/{item}")
        assert record is not None, f"item {item} of a key is not there"
        agent, environment = record["agent"], record["environment"]
        if record["state"] in ("pass", "fail"):
            passed = record["state"] == "pass"
            book.undo(record["decided"], agent, environment, item, passed=passed)
            if record["opened"]:
                book.reopen(record["decided"], agent, environment, item)
        if record["opened"]:
            book.close(record["day"], agent, environment, item)
        if record["part"] is not None and record["due"] is not None:
            part = self._by_name[record["part"]]
            self._unlist(record, part, Remembered(record["event"]), book)
        book.release(item)
        book.drop(f"i/{item}")

    def _remember(self, record: Record, book: Book) -> None:
        """Keep what is decided where an earlier event of its key may still take it back."""
        slot = f"i/{record['item']}"
        if self._key:
            book.put(slot, record)
        elif record["opened"]:
            book.drop(slot)

    # Where it stands.

    def _lists(self, part: Part, event: Remembered) -> Iterable[str]:
        for tie in part.join.look_under(event):
            yield f"o/{tie}"
        if self._extension is not None:
            for tie in self._extension.join.look_under(event):
                yield f"x/{tie}"

    def _list(self, record: Record, part: Part, event: Remembered, book: Book) -> None:
        for slot in self._lists(part, event):
            items = book.get(slot) or []
            items.append(record["item"])
            book.put(slot, items)

    def _unlist(self, record: Record, part: Part, event: Remembered, book: Book) -> None:
        for slot in self._lists(part, event):
            items = [item for item in book.get(slot) or () if item != record["item"]]
            if items:
                book.put(slot, items)
            else:
                book.drop(slot)

    def _note_case(self, entry: Entry, book: Book) -> None:
        case = entry.read("case.id")
        if not isinstance(case, str) or entry.category != "case":
            return
        began = book.get(f"c/{case}")
        if began is None or entry.at < began:
            book.put(f"c/{case}", entry.at)

    def _case_began(self, entry: Entry, book: Book) -> int | None:
        """Return the earliest time of any entry of its case that was chained up to now."""
        case = entry.read("case.id") if self._reads_case else None
        began = book.get(f"c/{case}") if isinstance(case, str) else None
        return began if isinstance(began, int) else None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Roles:
    """What entries of one action can be."""

    is_population: bool
    matches: tuple[Part, ...]
    may_extend: bool
