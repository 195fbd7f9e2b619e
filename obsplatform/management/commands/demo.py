"""Load the demo fleet through the API: its past as a backfill, then what happens now.

What is sent is told by `obsplatform.fleet`; how a POST is retried by `audit.send`. The moment the
past looks back from is kept in $OBS_DATA/demo.json, so that a second run sends the same events and
makes duplicates, not a second fleet. Needs no database: it knows the installation by its address.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

import msgspec
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from audit.send import Answered, Connection, Sending, Unreachable
from obsplatform.fleet import history as past
from obsplatform.fleet import spans
from obsplatform.fleet.deliver import POST_SIZE, Delivery, deliveries
from obsplatform.fleet.live import live
from obsplatform.fleet.planted import PLANTED
from obsplatform.fleet.story import Event

_LINE_SECONDS = 5.0
_SETTLE_SECONDS = 120.0
_SETTLE_PAUSE = 0.2
_PLANTED_REFUSAL = "id-conflict"
_PLANTED_CONFLICTS = 1


@dataclass(frozen=True, kw_only=True)
class Installation:
    """Where to send, and with which keys."""

    url: str
    key: str
    governance_key: str


class Command(BaseCommand):
    """`manage.py demo`."""

    help = (
        "Send the demo fleet to an installation: 30 days of six agents' work, the good and the "
        "bad, then the last minutes. Example: manage.py demo --live 60"
    )
    requires_system_checks = ()  # it talks to an address, and may run where no database is

    def add_arguments(self, parser: CommandParser) -> None:
        """Address and keys default to the installation that runs here."""
        parser.add_argument("--url", help="default: the installation in $OBS_DATA")
        parser.add_argument("--key", help="a key with events:write, events:backfill, entries:read")
        parser.add_argument("--governance-key", help="governance:write, ops:write, events:backfill")
        parser.add_argument("--events", type=int, default=past.EVENTS, help="events of the past")
        parser.add_argument("--days", type=int, default=past.DAYS, help="days it reaches back")
        parser.add_argument("--seed", type=int, default=past.SEED, help="another fleet's chance")
        parser.add_argument(
            "--live", type=int, default=0, metavar="SECONDS", help="then go on live"
        )
        parser.add_argument("--json", action="store_true", help="one JSON object on stdout")

    def handle(self, *_: Any, **options: Any) -> None:
        """Send; exit 0 when all is there, 1 when events were refused, 4 when we gave up."""
        if options["days"] < past.DAYS or options["events"] < 0 or options["live"] < 0:
            raise CommandError(
                f"--days is at least {past.DAYS}, the others 0 or more", returncode=2
            )
        there, is_here = _installation(options)
        now = _anchor(options) if is_here else datetime.now(UTC)
        began = time.monotonic()
        try:
            old, recent, traced = self._send(there, now, options)
        except Unreachable as error:
            raise CommandError(str(error), returncode=4) from None
        seconds = time.monotonic() - began
        for refusal in [*old.refusals, *recent.refusals][:20]:
            if _PLANTED_REFUSAL not in refusal:
                self.stderr.write(refusal)
        if options["json"]:
            said = _as_json(there, now, old, recent, seconds) | {"traced": traced.counts()}
            self.stdout.write(json.dumps(said))
        else:
            self.stdout.write("\n".join(_told(there, old, recent, traced, seconds)))
        sys.exit(1 if old.rejected or recent.rejected else 0)

    def _send(
        self, there: Installation, now: datetime, options: dict[str, Any]
    ) -> tuple[Answered, Answered, _Traced]:
        """Send the past and the present; return what was answered to each, and what was traced."""
        events = past.history(
            now=now, seed=options["seed"], events=options["events"], days=options["days"]
        )
        twice = past.repeats(events)
        shown = _Shown(len(events) + len(twice))
        sender = _Sender(there, backfill=True, shown=shown)
        sender.send(deliveries(events))
        # On its own: in one POST with the originals it would be told from them at once. Once they
        # are chained: what comes sooner is `received`, and told from them when it is its turn.
        _wait_until_settled(there, str(events[-1]["id"]))
        sender.send(deliveries(twice))
        shown.end()
        present = _Sender(there, backfill=False, shown=_Shown(0))
        started = datetime.now(UTC)
        recent = live(now=started, seed=options["seed"], seconds=options["live"])
        traced = _Traced(there, spans.tasks(recent))
        for due in _when_due(recent):
            present.send(deliveries(due))
            traced.send(until=datetime.fromisoformat(due[-1]["occurred_at"]))
        present.shown.end()
        return sender.answered, present.answered, traced


# --- Where to ------------------------------------------------------------------------------------


def _installation(options: dict[str, Any]) -> tuple[Installation, bool]:
    """Return where to send, and whether that is the installation that runs here."""
    try:
        ready = json.loads((settings.DATA / "ready.json").read_text())
    except (FileNotFoundError, NotADirectoryError):
        ready = {}
    is_here = options["url"] in (None, ready.get("url"))
    known = ready if is_here else {}
    found: dict[str, str | None] = {
        name: options[name] or known.get(name) for name in ("url", "key", "governance_key")
    }
    missing = [f"--{name.replace('_', '-')}" for name, value in found.items() if not value]
    if missing:
        raise CommandError(
            f"give {', '.join(missing)}, or start an installation with `make run`", returncode=2
        )
    given = {name: value for name, value in found.items() if value}
    return Installation(**given), is_here


def _anchor(options: dict[str, Any]) -> datetime:
    """Return the moment the past looks back from: the one of the first run with these options."""
    path: Path = settings.DATA / "demo.json"
    wanted = {name: options[name] for name in ("seed", "events", "days")}
    try:
        known = json.loads(path.read_text())
    except FileNotFoundError:
        known = {}
    if {name: known.get(name) for name in wanted} == wanted:
        return datetime.fromisoformat(known["now"])
    now = datetime.now(UTC).replace(microsecond=0)
    # Before the first POST: an interrupted run must go on where it was.
    path.write_text(json.dumps({**wanted, "now": now.isoformat()}) + "\n")
    return now


# --- Sending -------------------------------------------------------------------------------------


class _Sender:
    """Posts each delivery with the key it needs, one after another."""

    def __init__(self, there: Installation, *, backfill: bool, shown: _Shown) -> None:
        self.shown = shown
        self.answered = Answered()
        self._connections = {
            governed: Connection(
                Sending(url=there.url, key=key, backfill=backfill, batch=POST_SIZE)
            )
            for governed, key in ((False, there.key), (True, there.governance_key))
        }

    def send(self, posts: Iterable[Delivery]) -> None:
        """Post all; raises Unreachable when the API cannot be used."""
        began = time.monotonic() - self.answered.seconds
        for post in posts:
            lines = [msgspec.json.encode(event) for event in post.events]
            said = self._connections[post.needs_governance].post(lines)
            self.answered.add(said, first_line=self.answered.sent + 1)
            self.answered.seconds = time.monotonic() - began
            self.shown.show(self.answered)


def _wait_until_settled(there: Installation, event_id: str) -> None:
    """Wait until the event is chained or quarantined, or until it is clear that nobody chains.

    Raises Unreachable when the API cannot be used.
    """
    connection = Connection(Sending(url=there.url, key=there.key, backfill=False, batch=POST_SIZE))
    ends = time.monotonic() + _SETTLE_SECONDS
    while time.monotonic() < ends:
        status, said = connection.get(f"/api/v1/events/{event_id}")
        if status != HTTPStatus.OK:
            raise Unreachable(f"/api/v1/events/{event_id} answers {status}: {said[:500]!r}")
        if json.loads(said)["state"] != "received":
            return
        time.sleep(_SETTLE_PAUSE)


class _Traced:
    """Posts the spans and log lines of tasks over OTLP, once their events are there."""

    def __init__(self, there: Installation, tasks: list[spans.Task]) -> None:
        """`tasks` in the order in which they end."""
        self._waiting = tasks
        self._traces = self._spans = self._lines = 0
        self._connection = Connection(
            Sending(url=there.url, key=there.key, backfill=False, batch=POST_SIZE)
        )

    def send(self, *, until: datetime) -> None:
        """Post what ended until then; raises Unreachable when it is not taken."""
        ended = [task for task in self._waiting if task.ends_at <= until]
        if not ended:
            return
        self._waiting = self._waiting[len(ended) :]
        self._post("/v1/traces", spans.spans_body(ended))
        self._post("/v1/logs", spans.lines_body(ended))
        self._traces += len(ended)
        self._spans += sum(len(task.spans) for task in ended)
        self._lines += sum(len(task.lines) for task in ended)

    def counts(self) -> dict[str, int]:
        """Return what was taken."""
        return {"traces": self._traces, "spans": self._spans, "lines": self._lines}

    def _post(self, path: str, body: bytes) -> None:
        status, said = self._connection.send(path, body, media="application/json")
        if status != HTTPStatus.OK or json.loads(said):
            raise Unreachable(f"{path} answers {status}: {said[:500]!r}")


def _when_due(events: list[Event]) -> Iterator[list[Event]]:
    """Yield what has happened; wait for what has not."""
    waiting = list(events)
    while waiting:
        now = datetime.now(UTC)
        count = sum(datetime.fromisoformat(each["occurred_at"]) <= now for each in waiting)
        if count:
            yield waiting[:count]
        waiting = waiting[count:]
        if waiting:
            time.sleep(0.5)


# --- Telling -------------------------------------------------------------------------------------


class _Shown:
    """A bar on a terminal; elsewhere a line every few seconds. On stderr."""

    def __init__(self, total: int) -> None:
        """`total` events are to come; 0 when nobody knows."""
        self._total = total
        self._is_terminal = sys.stderr.isatty()
        self._said_at = time.monotonic()
        self._has_said = False

    def show(self, answered: Answered) -> None:
        """Say how far it is, how fast, and how long it still takes."""
        if not self._is_terminal and time.monotonic() - self._said_at < _LINE_SECONDS:
            return
        self._said_at = time.monotonic()
        self._has_said = True
        sys.stderr.write(self._bar(answered) if self._is_terminal else self._line(answered))
        sys.stderr.flush()

    def end(self) -> None:
        """Leave the bar's line."""
        if self._is_terminal and self._has_said:
            sys.stderr.write("\n")

    def _line(self, answered: Answered) -> str:
        share = f" of {self._total:,}" if self._total else " live"
        return f"demo: {answered.sent:,}{share} events, {self._pace(answered)}\n"

    def _bar(self, answered: Answered) -> str:
        if not self._total:
            return f"\r{answered.sent:>9,} live events {answered.rate():>7,.0f}/s\033[K"
        share = answered.sent / self._total
        width = max(10, min(os.get_terminal_size(sys.stderr.fileno()).columns, 100) - 56)
        done = round(share * width)
        bar = "█" * done + "·" * (width - done)
        return f"\r{bar} {share:4.0%} {answered.sent:>9,} events, {self._pace(answered)}\033[K"

    def _pace(self, answered: Answered) -> str:
        pace = f"{answered.rate():,.0f}/s"
        if not self._total:
            return pace
        return f"{pace}, {(self._total - answered.sent) / max(answered.rate(), 1e-9):.0f} s left"


def _links(there: Installation) -> list[tuple[str, str]]:
    """Return what to look at first: what was planted, and its address in this installation."""
    return [
        (plant.what, f"{there.url}/admin/audit/entry/?{plant.look}")
        for plant in PLANTED
        if plant.is_first
    ]


def _curl(there: Installation) -> str:
    return (
        f"curl -s -H 'Authorization: Bearer {there.key}' "
        f"'{there.url}/api/v1/entries?action=breach.&limit=5'"
    )


def _told(
    there: Installation, old: Answered, recent: Answered, traced: _Traced, seconds: float
) -> Iterator[str]:
    counts = [f"{count:,} {name}" for name, count in _sums(old, recent).items() if count]
    yield f"demo: {', '.join(counts)} in {seconds:.1f} s"
    counted = traced.counts()
    yield (
        f"demo: {counted['spans']:,} spans in {counted['traces']:,} traces and "
        f"{counted['lines']:,} log lines: {there.url}/admin/tracing/trace/"
    )
    if _sums(old, recent)["conflict"] == _PLANTED_CONFLICTS:
        yield "demo: the conflict is planted; it waits in Quarantine"
    yield ""
    yield "What to look at first:"
    for what, address in _links(there):
        yield f"  {what}"
        yield f"    {address}"
    yield f"  All that was planted: docs/demo.md. All agents: {there.url}/admin/audit/agent/"
    yield ""
    yield "The same through the API:"
    yield f"  {_curl(there)}"


def _sums(old: Answered, recent: Answered) -> dict[str, int]:
    return {name: count + recent.counts()[name] for name, count in old.counts().items()}


def _as_json(
    there: Installation, now: datetime, old: Answered, recent: Answered, seconds: float
) -> dict[str, Any]:
    return {
        "url": there.url,
        "now": now.isoformat(),
        "history": old.counts(),
        "live": recent.counts(),
        "seconds": round(seconds, 1),
        "look": [{"what": what, "url": address} for what, address in _links(there)],
        "curl": _curl(there),
    }
