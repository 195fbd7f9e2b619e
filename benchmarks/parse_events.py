"""Measure how long an event takes from its bytes to the bytes that are stored.

Prints microseconds of CPU an event for each step, the best of several passes. Reads every
`*.ndjson` and `*.ndjson.gz` in the folder OBS_SAMPLES.

    OBS_SAMPLES=<folder> python -m benchmarks.parse_events
"""

from __future__ import annotations

import gzip
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from audit.bodies import NDJSON, split_body
from audit.parse import ParsedEvent, parse_event
from audit.redact import Redactor
from audit.stored import stored_event

PASSES = 7


def main() -> None:
    events = _samples()
    print(f"{len(events)} events, {sum(map(len, events)) // len(events)} bytes each on average")
    body = b"\n".join(events)
    redactor = Redactor()
    parsed = [parse(raw) for raw in events]
    plain = [event for event in parsed if not event.subject_ids]
    subjects = [event for event in parsed if event.subject_ids]
    spaced = [json.dumps(json.loads(raw)).encode() for raw in events]

    def store(event: ParsedEvent) -> bytes:
        pseudonyms = dict.fromkeys(event.subject_ids, "0" * 64)
        return stored_event(event, pseudonyms=pseudonyms, personal={}, redactor=redactor)

    _print("split a body of lines", len(events), lambda: split_body(body, NDJSON))
    _print("parse_event", len(events), lambda: [parse(raw) for raw in events])
    _print("parse_event, spaced", len(spaced), lambda: [parse(raw) for raw in spaced])
    _print("stored_event", len(plain), lambda: [store(event) for event in plain])
    if subjects:
        _print("stored_event, subjects", len(subjects), lambda: [store(one) for one in subjects])


def parse(raw: bytes) -> ParsedEvent:
    return parse_event(raw, default_id=None)


def _samples() -> list[bytes]:
    folder = os.environ.get("OBS_SAMPLES")
    if not folder:
        sys.exit("OBS_SAMPLES is not set; name a folder with *.ndjson or *.ndjson.gz")
    lines: list[bytes] = []
    for file in sorted(Path(folder).glob("*.ndjson*")):
        data = file.read_bytes()
        lines += (gzip.decompress(data) if file.suffix == ".gz" else data).splitlines()
    if not lines:
        sys.exit(f"{folder} holds no *.ndjson or *.ndjson.gz")
    return lines


def _print(name: str, count: int, run: Callable[[], object]) -> None:
    best = min(_seconds(run) for _ in range(PASSES))
    print(f"{name:32} {best / count * 1e6:8.2f} µs an event")


def _seconds(run: Callable[[], object]) -> float:
    start = time.process_time()  # of this process alone, whatever else the machine does
    run()
    return time.process_time() - start


if __name__ == "__main__":
    main()
