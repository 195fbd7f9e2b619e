"""forbid: after this, that must not happen any more. Pure.

Item = exposure, an event of the population: it opens a ban, which the first `until` with a later
occurred_at ends. An entry that satisfies `violates.later` with occurred_at > exposure + `after`
and before that until violates it. A ban that is violated fails: one kept item a ban and UTC day,
`<exposure>/<violating seq>` with the earliest violating entry of that day that is known. seq plays
no part: an exposure, an until or a violating entry that comes late changes what was found.

With `variants` each whose `when` holds opens a ban of its own, `<seq>/<name or number>`; where none
holds, the exposure fails on its own day. Bans are counted as open and closed; N of a span is those
that were open before it and those that it opened, F the different bans among its failing items.

Which entries could have violated a ban that comes late: sightings.py.
Slots: `x/<ban>` a ban; `u/<tie>` untils and `w/<tie>` ids of the bans that they may end; those of
sightings.py, where the ids of the bans stand, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from msgspec.structs import replace

from compliance.items import MODULUS, item_digest
from compliance.kinds.base import DAY_US, Book, Counts, Entry, Item, Narrowed, Tested, View
from compliance.kinds.joins import Join
from compliance.kinds.narrowing import Known, narrowed
from compliance.kinds.series import evidence_of
from compliance.kinds.sightings import Sightings
from compliance.language.conditions import Closed, Condition, compile_condition
from compliance.language.durations import Duration, parse_duration
from compliance.language.errors import DefinitionError
from compliance.language.fields import ACTIONS
from compliance.language.reading import Remembered

Record: TypeAlias = dict[str, Any]
"""One ban as its slot holds it."""

_NOTHING: Final = Counts()


@dataclass(frozen=True, kw_only=True, slots=True)
class Ban:
    """One variant, or the check itself: what it forbids and what ends it."""

    mark: str
    """What its items' ids have after the seq of the exposure."""
    when: Condition | None
    later: Join
    seen: Sightings
    after: Duration | None
    until: Join | None


class Forbid:
    """One forbid, ready to run."""

    def __init__(self, definition: Mapping[str, Any]) -> None:
        """Take in the definition. Raises DefinitionError for what this kind cannot do."""
        if definition.get("clock") == "received_at":
            raise DefinitionError("a forbid goes by occurred_at alone")
        self._population = compile_condition(definition["population"])
        self._evidence = tuple(definition.get("evidence", ()))
        variants = definition.get("variants")
        self._bans: tuple[Ban, ...]
        if variants is None:
            self._bans = (_ban(definition, "", 0, None),)
        else:
            self._bans = tuple(
                _ban(
                    {**definition, **variant},
                    f"/{variant.get('name', number)}",
                    number,
                    compile_condition(variant["when"]),
                )
                for number, variant in enumerate(variants, 1)
                if _can_open(definition["population"], variant["when"])
            )
        self._roles: dict[tuple[str, str], _Roles] = {}

    def actions(self, actions: Mapping[str, str]) -> frozenset[str] | None:
        """Return the actions of its exposures, of what may violate and of what ends a ban."""
        conditions = [self._population]
        for ban in self._bans:
            conditions.append(ban.later.condition)
            if ban.until is not None:
                conditions.append(ban.until.condition)
        wanted: frozenset[str] = frozenset()
        for condition in conditions:
            some = condition.actions(actions)
            if some is None:
                return None
            wanted |= some
        return wanted

    def slots(self, entry: Entry) -> Iterable[str]:
        """Return the slots where the bans of an entry's ties stand."""
        roles = self._roles_of(entry)
        slots: list[str] = []
        for ban in roles.violating:
            slots += ban.seen.slots(ban.later.file_under(entry))
        for ban in roles.ending:
            assert ban.until is not None, "only a ban with an until can be ended"
            slots += [f"{kind}/{tie}" for tie in ban.until.file_under(entry) for kind in "uw"]
        if roles.is_population and self._population.holds(entry):
            for ban in self._bans:
                slots += ban.seen.slots(ban.later.look_under(entry))
                if ban.until is not None:
                    ties = ban.until.look_under(entry)
                    slots += [f"{kind}/{tie}" for tie in ties for kind in "uw"]
        return slots

    def see(self, entry: Entry, book: Book) -> None:
        """Take in an entry as what it is: the end of a ban, a violation, an exposure."""
        roles = self._roles_of(entry)
        for ban in roles.ending:
            self._end_by(entry, ban, book)
        for ban in roles.violating:
            ties = ban.later.file_under(entry)
            if ties:
                self._violate_by(entry, ban, ties, book)
        if roles.is_population and self._population.holds(entry):
            self._expose(entry, book)

    def see_only(self, known: Known) -> Narrowed | None:
        """Return what does as `see` for entries of this shape; None: it does nothing."""
        violating = tuple(
            (ban, filing) for ban in self._bans if (filing := ban.later.filing(known)) is not None
        )
        ends = any(b.until is not None and b.until.filing(known) is not None for b in self._bans)
        if ends or narrowed(self._population, known) is not None:
            return Narrowed(see=self.see, slots=self.slots)
        if not violating:
            return None
        violate_by = self._violate_by

        def violate(entry: Entry, book: Book) -> None:
            for ban, file_under in violating:
                ties = file_under(entry)
                if ties:
                    violate_by(entry, ban, ties, book)

        def slots(entry: Entry) -> Iterator[str]:
            for ban, file_under in violating:
                yield from ban.seen.slots(file_under(entry))

        return Narrowed(see=violate, slots=slots)

    def settle(self, book: Book) -> None:
        """Put into the book what was held back."""
        for ban in self._bans:
            ban.seen.settle(book)

    def expire(self, slot: str, value: Any, book: Book) -> None:
        """Nothing here waits for a time."""
        raise AssertionError(f"a forbid puts nothing with a due, but {slot} came due")

    @staticmethod
    def tested(definition: Mapping[str, Any], view: View) -> Tested:
        """Count the bans that were open in the span, and those that were violated in it."""
        within, before = view.counts(), view.before()
        failing: dict[str, set[str]] = {}
        digests = 0
        for item in view.items("fail"):
            failing.setdefault(item.agent, set()).add(item.item.rpartition("/")[0])
            digests += item_digest(item.item, "fail", item.weight)
        by_agent: dict[str, tuple[int, int]] = {}
        carried = 0
        for agent in sorted(within.keys() | before.keys() | failing.keys()):
            now, then = within.get(agent, _NOTHING), before.get(agent, _NOTHING)
            open_before = then.opened - then.closed
            carried += open_before
            digests += then.open_sum + now.open_sum
            n = open_before + now.opened
            if n:
                by_agent[agent] = (n, len(failing.get(agent, ())))
        return Tested(
            n=sum(n for n, _ in by_agent.values()),
            f=sum(f for _, f in by_agent.values()),
            carried=carried,
            by_agent=by_agent,
            item_sum=digests % MODULUS,
        )

    def _roles_of(self, entry: Entry) -> _Roles:
        """Return what entries of this action can be; a condition may still say no."""
        roles = self._roles.get((entry.action, entry.category))
        if roles is None:
            known = Closed({entry.action: entry.category})
            roles = _Roles(
                is_population=bool(self._population.actions(known)),
                violating=tuple(ban for ban in self._bans if ban.later.actions(known)),
                ending=tuple(
                    ban for ban in self._bans if ban.until is not None and ban.until.actions(known)
                ),
            )
            self._roles[entry.action, entry.category] = roles
        return roles

    # The exposure: what it forbids from now on, and what it finds there already.

    def _expose(self, entry: Entry, book: Book) -> None:
        bans = [ban for ban in self._bans if ban.when is None or ban.when.holds(entry, entry)]
        for ban in bans:
            self._open(entry, ban, book)
        if not bans:
            item = f"{entry.seq}/none"
            record = self._record(entry, item, {})
            record["until"] = entry.at
            day = entry.at // DAY_US
            book.open(day, entry.agent, entry.environment, item)
            book.close(day, entry.agent, entry.environment, item)
            book.keep(_failing(record, entry.seq, day, "No variant holds for it."))

    def _record(self, entry: Entry, item: str, kept: Mapping[str, Any]) -> Record:
        return {
            "ban": item,
            "seq": entry.seq,
            "at": entry.at,
            "agent": entry.agent,
            "environment": entry.environment,
            "event": kept,
            "evidence": evidence_of(entry, self._evidence),
            "until": None,
            "violated": {},
        }

    def _open(self, entry: Entry, ban: Ban, book: Book) -> None:
        kept = ban.later.kept_fields(entry, "event")
        if ban.until is not None:
            kept |= ban.until.kept_fields(entry, "event")
        record = self._record(entry, f"{entry.seq}{ban.mark}", kept)
        event = Remembered(kept)
        book.open(entry.at // DAY_US, entry.agent, entry.environment, record["ban"])
        if ban.until is not None:
            self._end_at(record, self._first_until(ban.until, record, event, book), book)
            for tie in ban.until.look_under(event):
                _add(f"w/{tie}", record["ban"], book)
        ties = ban.later.look_under(event)
        ban.seen.add_ban(ties, record["ban"], book)
        begins = _begins(record, ban)
        for at, seq in ban.seen.since(ties, begins, record["until"], event, ban.later, book):
            self._violated(record, at, seq, book, is_restated=True)
        book.put(f"x/{record['ban']}", record)

    def _first_until(
        self, until: Join, record: Record, event: Remembered, book: Book
    ) -> int | None:
        """Return when the ban ended, of the untils that came before the exposure did."""
        return min(
            (
                kept["at"]
                for tie in until.look_under(event)
                for kept in book.get(f"u/{tie}") or ()
                if kept["at"] > record["at"] and until.fits(Remembered(kept), event)
            ),
            default=None,
        )

    # What ends a ban.

    def _end_by(self, entry: Entry, ban: Ban, book: Book) -> None:
        until = ban.until
        assert until is not None, "only a ban with an until can be ended"
        kept: dict[str, Any] | None = None
        for tie in until.file_under(entry):
            kept = kept or until.kept_fields(entry, "candidate")
            _add(f"u/{tie}", kept, book)
            for item in book.get(f"w/{tie}") or ():
                record = book.get(f"x/{item}")
                if record is None or not _is_of(record, ban):
                    continue
                ends_it = record["at"] < entry.at and (
                    record["until"] is None or entry.at < record["until"]
                )
                if ends_it and until.fits(entry, Remembered(record["event"])):
                    self._end_at(record, entry.at, book)
                    book.put(f"x/{item}", record)

    def _end_at(self, record: Record, at: int | None, book: Book) -> None:
        """End a ban, or end it earlier; what violated it from then on is no violation."""
        if at is None:
            return
        agent, environment, item = record["agent"], record["environment"], record["ban"]
        if record["until"] is not None:
            book.reopen(record["until"] // DAY_US, agent, environment, item)
        record["until"] = at
        book.close(at // DAY_US, agent, environment, item)
        for day, (when, seq) in list(record["violated"].items()):
            if when >= at:
                book.release(f"{item}/{seq}")
                del record["violated"][day]

    # What violates it.

    def _violate_by(self, entry: Entry, ban: Ban, ties: Sequence[str], book: Book) -> None:
        for tie, items in ban.seen.note(entry, ties, ban.later, book):
            violated = [item for item in items if self._is_violated_by(entry, ban, item, book)]
            if violated:
                ban.seen.rest(tie, violated, entry, book)

    def _is_violated_by(self, entry: Entry, ban: Ban, item: str, book: Book) -> bool:
        """Say whether a ban is violated on the entry's day, by it or before it; note the first."""
        record = book.get(f"x/{item}")
        assert record is not None, f"ban {item} is listed and not there"
        known = record["violated"].get(str(entry.at // DAY_US))
        if known is not None and (known[0], known[1]) <= (entry.at, entry.seq):
            return True
        until = record["until"]
        if (
            entry.at <= _begins(record, ban)
            or (until is not None and entry.at >= until)
            or not ban.later.fits(entry, Remembered(record["event"]))
        ):
            return False
        self._violated(record, entry.at, entry.seq, book, is_restated=known is not None)
        book.put(f"x/{item}", record)
        return True

    def _violated(
        self, record: Record, at: int, seq: int, book: Book, *, is_restated: bool
    ) -> None:
        day = at // DAY_US
        known = record["violated"].get(str(day))
        if known is not None:
            if (known[0], known[1]) <= (at, seq):
                return
            book.release(f"{record['ban']}/{known[1]}")
        record["violated"][str(day)] = [at, seq]
        why = f"Entry {seq} did what entry {record['seq']} forbids."
        item = _failing(record, seq, day, why)
        book.keep(replace(item, is_restated=is_restated))


@dataclass(frozen=True, kw_only=True, slots=True)
class _Roles:
    """What entries of one action can be."""

    is_population: bool
    violating: tuple[Ban, ...]
    ending: tuple[Ban, ...]


def _ban(definition: Mapping[str, Any], mark: str, number: int, when: Condition | None) -> Ban:
    rule = definition["violates"]
    later = Join(rule["later"], name=f"later{number}")
    after, until = rule.get("after"), rule.get("until")
    return Ban(
        mark=mark,
        when=when,
        later=later,
        seen=Sightings(later),
        after=None if after is None else parse_duration(after),
        until=None if until is None else Join(until, name=f"until{number}"),
    )


def _can_open(population: Any, when: Any) -> bool:
    """Tell whether any event of the population could be of a variant.

    A framework may ask for a check's exposures of one action alone; what another's variant forbids
    need not be looked for then.
    """
    actions = compile_condition({"all": [population, when]}).actions(ACTIONS)
    return actions is None or bool(actions)


def _begins(record: Mapping[str, Any], ban: Ban) -> int:
    """Return the time after which the ban holds."""
    at: int = record["at"]
    return at if ban.after is None else ban.after.after(at)


def _is_of(record: Mapping[str, Any], ban: Ban) -> bool:
    return bool(record["ban"] == f"{record['seq']}{ban.mark}")


def _add(slot: str, value: Any, book: Book) -> None:
    values = book.get(slot) or []
    values.append(value)
    book.put(slot, values)


def _failing(record: Mapping[str, Any], seq: int, day: int, why: str) -> Item:
    return Item(
        item=f"{record['ban']}/{seq}",
        state="fail",
        day=day,
        agent=record["agent"],
        environment=record["environment"],
        seq=record["seq"],
        other_seq=seq,
        why=why,
        evidence=record["evidence"],
    )
