"""Send what the spool holds, in the background, until the platform has all of it.

    next batch ─ POST ─ receipt of each event ─▶ receipts/, rejected/ ─▶ acknowledge

A batch is at most 500 events or 1 MB, sent as NDJSON. Without an answer, and after 429, 503 and the
like, the same events are sent again, with the same ids, for ever: Retry-After, else full jitter. An
event that the platform refuses goes to `rejected/`, where people can look at it. A key that is not
accepted keeps all events here and says so. Waits count monotonic time, so that no clock matters.
"""

from __future__ import annotations

import json
import logging
import random
import threading
import time
from email.utils import parsedate_to_datetime
from typing import Any

from obsagent.errors import NotDelivered
from obsagent.spool import Spool
from obsagent.transport import Answer, Transport

MOST_EVENTS = 500
MOST_BYTES = 1_000_000
"""Bytes of a batch before compression."""

EVENTS_PATH = "/api/v1/events"
NDJSON = "application/x-ndjson"

_GATHER_SECONDS = 0.1  # how long the first event of a batch waits for others
_AWAKE_SECONDS = 5.0
"""How long after the last event it looks for more by itself.

To wake a thread costs the agent's call more than the event does, and takes the interpreter from it.
"""
_LOOK_SECONDS = 5.0  # between looks for lanes of dead processes
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 60.0
_KEY_WAIT = (15.0, 60.0)  # a key that is refused does not get better by itself
_LONGEST_ASKED = 3_600.0  # of what a Retry-After may ask
_WARN_SECONDS = 60.0
_SENDING_WAIT = 0.02

log = logging.getLogger("obsagent")


class Answered:
    """Somebody waits here for an event's receipt."""

    def __init__(self) -> None:
        self._is_there = threading.Event()
        self._receipt: dict[str, Any] | None = None

    def wait(self, seconds: float) -> dict[str, Any] | None:
        """Return the receipt; None when it has not come within so many seconds."""
        self._is_there.wait(seconds)
        return self._receipt

    def tell(self, receipt: dict[str, Any]) -> None:
        """Hand over the receipt."""
        self._receipt = receipt
        self._is_there.set()


class Sender:
    """One thread that sends the events of a spool. It starts with the first event."""

    def __init__(self, spool: Spool, transport: Transport) -> None:
        self._spool = spool
        self._transport = transport
        self._begin()

    def _begin(self) -> None:
        self.counts = {"received": 0, "duplicate": 0, "conflict": 0, "rejected": 0, "attempts": 0}
        self.trouble: str | None = None
        """Why the last attempt failed; None when it did not."""
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._work = threading.Event()
        self._nudged = threading.Event()  # ends a wait early: a flush, or the end
        self._progress = threading.Condition()
        self._ends: float | None = None  # monotonic moment by which to end
        self._hurries = False
        self._expected: dict[str, Answered] = {}
        self._failures = 0
        self._warned = -_WARN_SECONDS
        self._sent = -_AWAKE_SECONDS
        self._looked = -_LOOK_SECONDS

    def after_fork(self) -> None:
        """Begin anew in a child process, where the thread does not run."""
        self._transport.after_fork()
        self._begin()

    def wake(self) -> None:
        """Say that there is something to send. Cheap when it was said already."""
        if not self._work.is_set():
            self._work.set()
        if self._thread is None:
            self._start()

    def _start(self) -> None:
        with self._starting:
            if self._thread is None and self._ends is None:
                thread = threading.Thread(target=self._run, name="obsagent-sender", daemon=True)
                self._thread = thread
                try:
                    thread.start()
                except RuntimeError:  # the interpreter is ending: stop() sends by itself
                    self._thread = None

    def expect(self, event_id: str) -> Answered:
        """Return where the receipt of an event will be told; call it before the event is there."""
        self._expected[event_id] = found = Answered()
        return found

    def expect_no_more(self, event_id: str) -> None:
        """Forget that somebody waits for an event's receipt."""
        self._expected.pop(event_id, None)

    def hurry(self) -> None:
        """Send at once, without waiting for other events or for the next attempt's time."""
        self.wake()
        self._nudged.set()

    def flush(self, timeout: float) -> bool:
        """Send now; return whether nothing is left after at most so many seconds."""
        ends = time.monotonic() + timeout
        self._hurries = True
        try:
            self.wake()
            self._nudged.set()
            with self._progress:
                while self._spool.has_unsent():
                    left = ends - time.monotonic()
                    if left <= 0:
                        return False
                    self._progress.wait(min(left, 0.5))
        finally:
            self._hurries = False
        return True

    def stop(self, timeout: float) -> bool:
        """End within so many seconds; return whether nothing is left. What is, waits on disk."""
        if self._ends is None:  # a second end never adds to the time of the first
            self._ends = time.monotonic() + timeout
        self._work.set()
        self._nudged.set()
        thread = self._thread
        if thread is None or not thread.is_alive():
            if self._spool.has_unsent():
                self._drain()
            self._transport.close()
            return not self._spool.has_unsent()
        thread.join(max(0.0, self._ends - time.monotonic()))
        return not thread.is_alive() and not self._spool.has_unsent()

    def is_running(self) -> bool:
        """Tell whether the thread is alive, and with it the files in use."""
        return self._thread is not None and self._thread.is_alive()

    # The thread

    def _run(self) -> None:
        while True:
            self._look_for_left()
            if self._ends is None:
                self._work.wait(_LOOK_SECONDS)
                if not self._hurries and self._ends is None and self._work.is_set():
                    self._nudged.wait(_GATHER_SECONDS)
            if self._hurries or time.monotonic() - self._sent >= _AWAKE_SECONDS:
                self._work.clear()  # before the look: what comes after it sets it again
            self._drain()
            if self._ends is not None:
                self._transport.close()
                return

    def _look_for_left(self) -> None:
        if time.monotonic() - self._looked >= _LOOK_SECONDS:
            self._looked = time.monotonic()
            try:
                self._spool.adopt()
                self._spool.receipts.forget_old()
            except (OSError, ValueError) as error:  # also a file that is none of the spool's
                self._warn(f"the spool cannot be looked through: {error}")

    def _drain(self) -> None:
        """Send until nothing is left, or the time to end has come."""
        while self._ends is None or time.monotonic() < self._ends:
            self._nudged.clear()
            wait = self._step()
            with self._progress:
                self._progress.notify_all()
            if wait is None:
                return
            if wait and not self._wait(wait):
                return

    def _step(self) -> float | None:
        """Send one batch; return seconds to wait, None when there is nothing."""
        try:
            batch = self._spool.next_batch(most=MOST_EVENTS, most_bytes=MOST_BYTES)
            if batch is None:
                return None
            if batch.gaps:
                self._warn(
                    f"{len(batch.gaps)} records of the spool were cut off or damaged; their bytes"
                    f" are under {self._spool.folder / 'damaged'}"
                )
            if batch.events:
                self._send(batch.events)
                self._sent = time.monotonic()
            self._spool.acknowledge(batch)
        except NotDelivered as failure:
            return self._failed(failure)
        except OSError as error:  # the disk takes nothing; the events stay where they are
            return self._failed(NotDelivered(f"the spool's disk failed: {error}"))
        except Exception as error:  # a thread that died would never send again, without a word
            return self._failed(NotDelivered(f"sending failed: {type(error).__name__}: {error}"))
        self._failures, self.trouble = 0, None
        self._look_for_left()
        return 0.0

    def _wait(self, seconds: float) -> bool:
        """Wait between attempts; False when the time to end comes first."""
        if self._ends is not None:
            left = self._ends - time.monotonic()
            if left <= seconds:
                return False
            time.sleep(max(seconds, _SENDING_WAIT))
            return True
        self._nudged.wait(seconds)
        return True

    def _send(self, events: list[bytes]) -> None:
        """Deliver events, halving them when they are too many or one of them cannot be read."""
        self.counts["attempts"] += 1
        answer = self._transport.request(
            "POST",
            EVENTS_PATH,
            body=b"\n".join(events),
            content_type=NDJSON,
            timeout=self._time_left(),
        )
        receipts = receipts_of(answer, len(events))
        if receipts is not None:
            self._settle(events, receipts)
        elif answer.status in (400, 413) and len(events) > 1:
            middle = len(events) // 2
            self._send(events[:middle])
            self._send(events[middle:])
        elif answer.status in (400, 413):
            self._refuse(events[0], answer.why())
        else:
            raise NotDelivered(answer.why(), status=answer.status, retry_after=retry_after(answer))

    def _refuse(self, event: bytes, why: str) -> None:
        """Set an event aside that the platform does not read, and tell who waits for it."""
        self._spool.receipts.reject(event, why)
        self._count("rejected")
        self._warn(f"an event was refused: {why}")
        if self._expected:
            event_id = json.loads(event)["id"]
            expected = self._expected.get(event_id)
            if expected is not None:
                expected.tell({"id": event_id, "status": "rejected", "error": why})

    def _time_left(self) -> float | None:
        if self._ends is None:
            return None
        return min(self._transport.timeout, max(0.1, self._ends - time.monotonic()))

    def _settle(self, events: list[bytes], receipts: list[dict[str, Any]]) -> None:
        kept = []
        for event, receipt in zip(events, receipts):
            status = receipt.get("status", "")
            self._count(status)
            if self._expected:
                expected = self._expected.get(json.loads(event)["id"])
                if expected is not None:
                    expected.tell(receipt)
            if status in ("received", "duplicate"):
                kept.append(receipt)
                continue
            self._spool.receipts.reject(event, receipt.get("error") or status)
            self._warn(f"the platform refused an event ({status}): {receipt.get('error')}")
        try:
            self._spool.receipts.keep(kept)
        except OSError as error:  # sending on makes room; the platform has the receipts too
            self._warn(f"receipts cannot be kept: {error}")

    def _count(self, status: str) -> None:
        self.counts[status] = self.counts.get(status, 0) + 1

    def _failed(self, failure: NotDelivered) -> float:
        self.trouble = str(failure)
        self._warn(f"events wait in {self._spool.folder}: {failure}")
        if failure.retry_after is not None:
            return min(failure.retry_after, _LONGEST_ASKED) + random.uniform(0, _FIRST_WAIT)
        if failure.status is not None and failure.status < 500 and failure.status not in (408, 429):
            return random.uniform(*_KEY_WAIT)
        longest = min(_LONGEST_WAIT, _FIRST_WAIT * 2.0 ** min(self._failures, 20))
        self._failures += 1
        return random.uniform(0, longest)

    def _warn(self, text: str) -> None:
        if time.monotonic() - self._warned >= _WARN_SECONDS:
            self._warned = time.monotonic()
            log.warning("%s", text)


def receipts_of(answer: Answer, number: int) -> list[dict[str, Any]] | None:
    """Return the receipts of an answer to a POST of so many events; None when it has none."""
    if answer.status not in (200, 202, 207, 403, 409, 422):
        return None
    said = answer.json()
    receipts = said.get("receipts") if isinstance(said, dict) else None
    if not isinstance(receipts, list) or len(receipts) != number:
        if answer.status < 300:
            raise NotDelivered(
                f"{answer.status} without a receipt of each event; is the endpoint the platform's?",
                status=answer.status,
            )
        return None
    return receipts


def retry_after(answer: Answer) -> float | None:
    """Return the seconds that an answer asks to wait; a date counts from the answer's own date."""
    asked = answer.headers.get("retry-after", "").strip()
    if not asked:
        return None
    if asked.isdecimal() and asked.isascii():
        return float(asked)
    try:
        until = parsedate_to_datetime(asked)
        return max(0.0, (until - parsedate_to_datetime(answer.headers["date"])).total_seconds())
    except (KeyError, TypeError, ValueError):
        return None
