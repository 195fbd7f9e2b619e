"""burst: many events in a short time must be answered. Pure.

Item = one burst of a series (clusters.py), named by the seq of the event that completed it; with
`alt_key` the same events are read a second time by another field, items `<seq>/alt` apart. It
passes when a match lies in [its first event, its completing event + `within`] by occurred_at, is
pending until the clock has passed that, and then fails; a match that arrives late still counts by
its own time. It belongs to the day of the completing event.

A match that is chained before its burst must be found, too: matches and bursts are both kept,
under the names of their ties and the hour in which they lie.
Slots: those of clusters.py; `b/<item>` a burst; `i/<tie>/<hour>` ids of bursts that begin then;
`m/<tie>/<hour>` matches.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from compliance.kinds.base import DAY_US, Book, Entry, Item, Tested, View
from compliance.kinds.clusters import Burst as Found
from compliance.kinds.clusters import Clusters, Event
from compliance.kinds.counted import counted
from compliance.kinds.joins import Join
from compliance.kinds.series import fields_of, named
from compliance.language.conditions import compile_condition
from compliance.language.durations import parse_duration
from compliance.language.errors import DefinitionError
from compliance.language.reading import Remembered

HOUR_US: Final = 3_600_000_000


class Burst:
    """One burst check, ready to run."""

    def __init__(self, definition: Mapping[str, Any]) -> None:
        """Take in the definition. Raises DefinitionError when the window is no exact time."""
        self._population = compile_condition(definition["population"])
        self._join = Join(definition["match"], name="match")
        window = parse_duration(definition["window"]).exact_us
        within = parse_duration(definition["within"]).exact_us
        if window is None or within is None:
            raise DefinitionError("window and within of a burst are exact times, not months")
        self._within = within
        self._longest = window + within
        self._clusters = Clusters(count=definition["count"], window=window)
        self._keys = {"": fields_of(definition["key"])}
        if definition.get("alt_key") is not None:
            self._keys["/alt"] = fields_of(definition["alt_key"])
        self._words = f"{definition['count']} events within {definition['window']}"
        self._answer = str(definition["within"])

    def actions(self, actions: Mapping[str, str]) -> frozenset[str] | None:
        """Return the actions of its population and of its matches."""
        population, matches = self._population.actions(actions), self._join.actions(actions)
        return None if population is None or matches is None else population | matches

    def slots(self, entry: Entry) -> Iterable[str]:
        """Return the slots of its series, and of what it may answer."""
        slots = [f"s/{series}" for _, series in self._series(entry)]
        for tie in self._join.file_under(entry):
            slots += [f"i/{tie}/{hour}" for hour in self._hours_before(entry.at)]
        return slots

    def see(self, entry: Entry, book: Book) -> None:
        """Answer with a match; count an event."""
        ties = self._join.file_under(entry)
        if ties:
            self._answer_by(entry, ties, book)
        if self._population.holds(entry):
            event = Event(entry.at, entry.seq, self._join.kept_fields(entry, "event"))
            for mark, series in self._series(entry):
                gone, come = self._clusters.add(series, event, book)
                self._change(mark, gone, come, book)

    def expire(self, slot: str, value: Any, book: Book) -> None:
        """Fail a burst that nobody answered in time."""
        self._settle(value, "fail", book)
        book.put(slot, value)

    @staticmethod
    def tested(definition: Mapping[str, Any], view: View) -> Tested:
        """Return what was counted."""
        return counted(view)

    def _series(self, entry: Entry) -> Iterable[tuple[str, str]]:
        """Yield the series of an entry; none for a key of which a field is missing."""
        for mark, key in self._keys.items():
            values = [entry.read(field) for field in key]
            if None not in values:
                yield mark, named([mark, entry.environment, *values])

    def _hours_before(self, at: int) -> Iterable[int]:
        return range((at - self._longest) // HOUR_US, at // HOUR_US + 1)

    def _change(self, mark: str, gone: list[Found], come: list[Found], book: Book) -> None:
        same = {(burst.first, burst.last.seq) for burst in gone} & {
            (burst.first, burst.last.seq) for burst in come
        }
        for burst in gone:
            if (burst.first, burst.last.seq) not in same:
                self._remove(f"{burst.last.seq}{mark}", book)
        for burst in come:
            if (burst.first, burst.last.seq) not in same:
                self._begin(f"{burst.last.seq}{mark}", burst, book, is_restated=bool(gone))

    def _begin(self, item: str, burst: Found, book: Book, *, is_restated: bool) -> None:
        event = burst.last
        record: dict[str, Any] = {
            "item": item,
            "first": burst.first,
            "at": event.at,
            "seq": event.seq,
            "due": event.at + self._within,
            "event": dict(event.kept),
            "state": "",
            "restated": is_restated,
        }
        remembered = Remembered(event.kept)
        ties = self._join.look_under(remembered)
        for tie in ties:
            slot = f"i/{tie}/{burst.first // HOUR_US}"
            items = book.get(slot) or []
            items.append(item)
            book.put(slot, items)
        if self._is_answered(record, remembered, ties, book):
            state = "pass"
        else:
            state = "fail" if book.clock > record["due"] else "pending"
        self._settle(record, state, book)
        due = record["due"] if state == "pending" else None
        book.put(f"b/{item}", record, due=due)

    def _is_answered(
        self, record: Mapping[str, Any], event: Remembered, ties: list[str], book: Book
    ) -> bool:
        hours = range(record["first"] // HOUR_US, record["due"] // HOUR_US + 1)
        slots = [f"m/{tie}/{hour}" for tie in ties for hour in hours]
        book.look_ahead(slots)
        return any(
            record["first"] <= kept["at"] <= record["due"]
            and self._join.fits(Remembered(kept), event)
            for slot in slots
            for kept in book.get(slot) or ()
        )

    def _answer_by(self, entry: Entry, ties: list[str], book: Book) -> None:
        kept = self._join.kept_fields(entry, "candidate")
        for tie in ties:
            slot = f"m/{tie}/{entry.at // HOUR_US}"
            matches = book.get(slot) or []
            matches.append(kept)
            book.put(slot, matches)
            for hour in self._hours_before(entry.at):
                for item in book.get(f"i/{tie}/{hour}") or ():
                    record = book.get(f"b/{item}")
                    assert record is not None, f"burst {item} is listed and not there"
                    if (
                        record["state"] != "pass"
                        and record["first"] <= entry.at <= record["due"]
                        and self._join.fits(entry, Remembered(record["event"]))
                    ):
                        self._settle(record, "pass", book)
                        book.put(f"b/{item}", record)

    def _remove(self, item: str, book: Book) -> None:
        record = book.get(f"b/{item}")
        assert record is not None, f"burst {item} was counted and is not there"
        self._settle(record, "", book)
        for tie in self._join.look_under(Remembered(record["event"])):
            slot = f"i/{tie}/{record['first'] // HOUR_US}"
            items = [one for one in book.get(slot) or () if one != item]
            if items:
                book.put(slot, items)
            else:
                book.drop(slot)
        book.drop(f"b/{item}")

    def _settle(self, record: dict[str, Any], state: str, book: Book) -> None:
        """Bring a burst from the state it is in to another; the empty one is none."""
        item, event = record["item"], record["event"]
        agent, environment = event["agent"], event["environment"]
        day = record["at"] // DAY_US
        was = record["state"]
        if was == "pending":
            book.close(day, agent, environment, item)
        elif was:
            book.undo(day, agent, environment, item, passed=was == "pass")
        if was in ("pending", "fail"):
            book.release(item)
        record["state"] = state
        if state == "pending":
            book.open(day, agent, environment, item)
        elif state:
            book.decide(day, agent, environment, item, passed=state == "pass")
        if state in ("pending", "fail"):
            book.keep(self._kept(record, is_restated=record["restated"] or was == "pass"))

    def _kept(self, record: Mapping[str, Any], *, is_restated: bool) -> Item:
        event = record["event"]
        is_failed = record["state"] == "fail"
        return Item(
            item=record["item"],
            state="fail" if is_failed else "pending",
            day=record["at"] // DAY_US,
            agent=event["agent"],
            environment=event["environment"],
            seq=record["seq"],
            due=record["due"],
            why=f"{self._words} and no answer within {self._answer}."
            if is_failed
            else f"{self._words}; an answer is due.",
            is_restated=is_restated,
        )
