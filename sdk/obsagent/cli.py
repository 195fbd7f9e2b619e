"""The command `obsagent`: look at a spool, send, follow the trail, verify a receipt, find trouble.

Data goes to stdout, words to stderr. `--json` gives one object, or one a line for `tail`. Exit
codes: 0 done, 1 wrong (a proof that does not hold, an event refused), 2 usage, 3 could not be told
or is not all done, 4 the platform was not reached.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from obsagent import __version__
from obsagent.canonical import canonicalise
from obsagent.client import Client, default_folder
from obsagent.errors import EventInvalid, EventRefused, NotDelivered, ObsagentError, ProofWrong
from obsagent.lanes import Lane, is_fresh, without_owner
from obsagent.proof import check, leaf_of, parse_key
from obsagent.receipts import Receipts
from obsagent.tracing import is_installed

DONE, WRONG, USAGE, NOT_ALL, NOT_REACHED = 0, 1, 2, 3, 4
_LOOK_SECONDS = 2.0
_COLOURS = {"success": "32", "denied": "33", "failure": "31", "error": "31"}


def main(given: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    options = _parser().parse_args(given)
    try:
        code: int = options.run(options)
    except (EventInvalid, EventRefused, ProofWrong) as error:
        _say(f"obsagent: {error}")
        return WRONG
    except NotDelivered as error:
        _say(f"obsagent: {error}")
        return NOT_REACHED
    except (ObsagentError, OSError) as error:
        _say(f"obsagent: {error}")
        return USAGE
    except KeyboardInterrupt:
        return DONE
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="obsagent", description=__doc__)
    parser.add_argument("--version", action="version", version=__version__)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--endpoint", default=os.environ.get("OBSAGENT_ENDPOINT", ""))
    common.add_argument("--key", default=os.environ.get("OBSAGENT_KEY", ""))
    common.add_argument("--service", default="obsagent", help="whose spool it is")
    common.add_argument("--spool", help="the spool's folder, instead of the service's")
    common.add_argument("--json", action="store_true", help="for machines")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    tail = commands.add_parser("tail", parents=[common], help="follow new entries of the trail")
    tail.add_argument("--agent")
    tail.add_argument("--action")
    tail.add_argument("--outcome")
    tail.add_argument("--lines", type=int, default=10, help="entries to begin with (10)")
    tail.add_argument("--once", action="store_true", help="do not wait for more")
    tail.set_defaults(run=_tail)

    send = commands.add_parser("send", parents=[common], help="record one event and send it")
    send.add_argument("action", help="such as tool.invoke or x.acme.deploy")
    send.add_argument("--agent", required=True)
    send.add_argument("--outcome", default="success")
    send.add_argument("--target", metavar="TYPE:ID")
    send.add_argument("--fields", default="{}", type=_object, help="more of the event, as JSON")
    send.set_defaults(run=_send)

    spool = commands.add_parser("spool", help="what waits to be sent")
    parts = spool.add_subparsers(required=True, metavar="status|flush")
    status = parts.add_parser("status", parents=[common], help="what is in the spool")
    status.set_defaults(run=_status)
    flush = parts.add_parser("flush", parents=[common], help="send what dead agents left")
    flush.add_argument("--timeout", type=float, default=30.0, help="seconds (30)")
    flush.set_defaults(run=_flush)

    verify = commands.add_parser(
        "verify", parents=[common], help="check that an event is in the ledger for good"
    )
    verify.add_argument("receipt", help="the event's id, or a file with its receipt")
    verify.add_argument("--vkey", help="the ledger's key, from a source other than the platform")
    verify.set_defaults(run=_verify)

    doctor = commands.add_parser("doctor", parents=[common], help="look for what is amiss")
    doctor.set_defaults(run=_doctor)
    return parser


def _client(options: argparse.Namespace, *, agent: str = "obsagent", **more: Any) -> Client:
    return Client(
        options.endpoint, options.key, agent=agent, service=options.service,
        spool=options.spool, **more,
    )  # fmt: skip


# --- The commands ---------------------------------------------------------------------------------


def _tail(options: argparse.Namespace) -> int:
    asked = {"agent": options.agent, "action": options.action, "outcome": options.outcome}
    with _client(options) as client:
        seen: set[tuple[str, int]] = set()
        lines = options.lines
        while True:
            found = list(client.trail.entries(limit=lines, **asked))
            for entry in reversed(found):
                place = (entry["ledger"], entry["seq"])
                if place not in seen:
                    seen.add(place)
                    print(json.dumps(entry) if options.json else _line(entry), flush=True)
            if options.once:
                return DONE
            lines = 500
            time.sleep(_LOOK_SECONDS)


def _send(options: argparse.Namespace) -> int:
    fields = dict(options.fields)
    if options.target:
        kind, _, name = options.target.partition(":")
        fields["target"] = {"type": kind, "id": name}
    with _client(options, agent=options.agent, mode="sync") as client:
        recorded = client.event(options.action, outcome=options.outcome, **fields)
    said = recorded.receipt or {}
    _tell(options, said, f"{said.get('status')} {recorded.id}")
    return DONE


def _status(options: argparse.Namespace) -> int:
    folder = _folder(options)
    lanes = list(_lanes(folder))
    receipts = Receipts(folder)
    said = {
        "folder": str(folder),
        "lanes": lanes,
        "unsent_bytes": sum(each["unsent_bytes"] for each in lanes),
        "rejected": sum(1 for _ in receipts.rejected()),
        "damaged": len(list((folder / "damaged").glob("*"))),
    }
    words = [f"{folder}: {said['unsent_bytes']:,} bytes wait, {said['rejected']} events refused"]
    for each in lanes:
        owner = "an agent that runs" if each["has_owner"] else "nobody; the next start sends it"
        words.append(f"  {each['name']}: {each['unsent_bytes']:,} bytes, of {owner}")
    _tell(options, said, "\n".join(words))
    return DONE if not said["rejected"] and not said["damaged"] else WRONG


def _flush(options: argparse.Namespace) -> int:
    with _client(options) as client:
        client.spool.adopt()
        is_all = client.flush(options.timeout)
        stats = client.stats()
    sent = stats["received"] + stats["duplicate"]
    _tell(options, stats, f"{sent:,} events sent, {stats['rejected']} refused")
    if stats["trouble"]:
        _say(f"obsagent: {stats['trouble']}")
    return DONE if is_all else NOT_ALL


def _verify(options: argparse.Namespace) -> int:
    """Fetch the record and its proof once; everything else is computed here."""
    event_id, expected = _receipt(options)
    key = parse_key(options.vkey) if options.vkey else None
    with _client(options) as client:
        state = client.trail.event(event_id)
        if state is None or state["seq"] is None:
            _say(f"obsagent: event {event_id} is not in the ledger yet")
            return NOT_ALL
        ledger, seq = state["ledger"], state["seq"]
        entry = client.trail.get(f"/api/v1/entries/{ledger}/{seq}")
        try:
            proof = client.trail.text(f"/api/v1/entries/{ledger}/{seq}/proof")
        except NotDelivered as error:
            if error.status != 409:
                raise
            _say(f"obsagent: entry {seq} is chained, and not under a signed checkpoint yet")
            return NOT_ALL
    record = canonicalise(entry["record"])
    if leaf_of(record).hex() != entry["hash"]:
        raise ProofWrong("the record does not hash to what the platform says")
    if entry["record"]["event"].get("id") != event_id:
        raise ProofWrong("the entry is of another event")
    if expected is not None and leaf_hash(entry["record"]["event"]) != expected:
        raise ProofWrong("the entry holds other content than the receipt promised")
    checkpoint = check(proof, record=record, key=key)
    said = {
        "id": event_id, "ledger": ledger, "seq": seq, "size": checkpoint.size,
        "root": checkpoint.root.hex(), "signature": "checked" if key else "not checked",
        "content": "as promised" if expected else "no receipt here",
    }  # fmt: skip
    words = f"entry {seq} of {ledger} is in the tree of size {checkpoint.size}"
    if key is None:
        words += "; whose tree it is was not checked: give --vkey"
    _tell(options, said, words)
    return DONE if key is not None else NOT_ALL


def leaf_hash(event: dict[str, Any]) -> str:
    """Return what a receipt calls `event_sha256`: the digest of the event as it is stored."""
    return sha256(canonicalise(event)).hexdigest()


def _doctor(options: argparse.Namespace) -> int:
    found: list[tuple[str, bool | None, str]] = [
        ("python", sys.version_info >= (3, 9), platform.python_version()),
        ("opentelemetry", is_installed() or None, "installed" if is_installed() else "no spans"),
        ("endpoint", bool(options.endpoint), options.endpoint or "set OBSAGENT_ENDPOINT"),
        ("key", bool(options.key), "set" if options.key else "set OBSAGENT_KEY"),
    ]
    folder = _folder(options)
    found.append(_writable(folder))
    waiting = sum(each["unsent_bytes"] for each in _lanes(folder))
    rejected = sum(1 for _ in Receipts(folder).rejected())
    found.append(("waiting", None if waiting else True, f"{waiting:,} bytes"))
    found.append(("refused", rejected == 0, f"{rejected} events in {folder / 'rejected'}"))
    if options.endpoint and options.key:
        found.append(_reachable(options))
    said = {name: {"ok": is_well, "says": says} for name, is_well, says in found}
    marks = {True: "ok", False: "WRONG", None: "note"}
    _tell(
        options,
        said,
        "\n".join(f"{marks[is_well]:5} {name}: {says}" for name, is_well, says in found),
    )
    return WRONG if any(is_well is False for _, is_well, _ in found) else DONE


def _writable(folder: Path) -> tuple[str, bool | None, str]:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        lane = Lane.make(folder / "lanes")
        lane.remove()
    except OSError as error:
        return "spool", False, f"{folder}: {error}"
    return "spool", True, str(folder)


def _reachable(options: argparse.Namespace) -> tuple[str, bool | None, str]:
    with _client(options) as client:
        try:
            ledgers = client.trail.get("/api/v1/ledgers")["items"]
        except NotDelivered as error:
            # A key that may write and not read is as good as any.
            return "platform", None if error.status == 403 else False, str(error)
    names = ", ".join(each["name"] for each in ledgers)
    return "platform", True, f"ledger {names}"


# --- What they share ------------------------------------------------------------------------------


def _folder(options: argparse.Namespace) -> Path:
    return Path(options.spool) if options.spool else default_folder(
        options.service, options.endpoint
    )  # fmt: skip


def _lanes(folder: Path) -> Iterator[dict[str, Any]]:
    for path in without_owner(folder / "lanes"):
        if is_fresh(path):
            continue
        lane = Lane.adopt(path)
        if lane is None:
            size = sum(each.stat().st_size for each in path.glob("*.seg"))
            yield {"name": path.name, "has_owner": True, "unsent_bytes": size}
        else:
            yield {"name": path.name, "has_owner": False, "unsent_bytes": lane.unsent_bytes()}
            lane.let_go()


def _receipt(options: argparse.Namespace) -> tuple[str, str | None]:
    """Return the event's id and the digest that its receipt promises, if there is one."""
    path = Path(options.receipt)
    if path.is_file():
        try:
            said = _object(path.read_text())
            return said["id"], said.get("event_sha256")
        except (ValueError, KeyError) as error:  # else it would look like a proof that is wrong
            raise ObsagentError(f"{path} is no receipt: {error}") from error
    kept = Receipts(_folder(options)).find(options.receipt)
    return options.receipt, kept.get("event_sha256") if kept else None


def _object(text: str) -> dict[str, Any]:
    found = json.loads(text)
    if not isinstance(found, dict):
        raise ValueError("a JSON object is needed")
    return found


def _line(entry: dict[str, Any]) -> str:
    event = (entry["record"] or {}).get("event", {})
    outcome = event.get("outcome", "?")
    if sys.stdout.isatty() and "NO_COLOR" not in os.environ and outcome in _COLOURS:
        outcome = f"\x1b[{_COLOURS[outcome]}m{outcome}\x1b[0m"
    target = event.get("target", {})
    return (
        f"{entry['seq']:>8} {event.get('occurred_at', '?')} {event.get('agent', {}).get('id', '?')}"
        f" {event.get('action', '?')} {outcome} {target.get('type', '')}:{target.get('id', '')}"
    )


def _tell(options: argparse.Namespace, said: Any, words: str) -> None:
    print(json.dumps(said) if options.json else words)


def _say(words: str) -> None:
    print(words, file=sys.stderr)
