"""Measure how fast an evidence bundle is made and verified, and how much memory each takes.

Targets of 1,000,000 entries: made in 300 s with flat memory, verified offline in 60 s with 200 MB;
made twice at the same size, the same SHA-256.
Both run as a person runs them: `manage.py exportledger` while another process signs, then the
verify.py out of the bundle under a bare interpreter.

    OBS_SAMPLES=<folder> python -m benchmarks.bundle --events 1000000
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path
from zipfile import ZipFile

import psycopg

from benchmarks import sample, seed
from benchmarks.figures import Findings, arguments, report, say
from benchmarks.ground import ROOT, database

LEDGER = "bench"
MADE_SECONDS = 300
VERIFIED_SECONDS = 60
TARGET_ENTRIES = 1_000_000
MOST_MEGABYTES = 200
_LONGEST = 3600


@dataclass(frozen=True, kw_only=True)
class Ended:
    """A process that ended well."""

    stdout: str
    seconds: float
    megabytes: float
    """Its peak resident memory."""


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--events", type=int, default=200_000, help="entries (default 200,000)")
    parser.add_argument("--with", dest="renderings", action="append", default=[])
    options = parser.parse_args()
    report(options, lambda: measure(options.events, options.renderings))


def measure(events: int, renderings: Sequence[str]) -> Findings:
    """Fill and seal a ledger, export all of it and a tenth of it, verify both."""
    found = Findings(question=f"How fast is a bundle of {events:,} entries made and verified?")
    templates = sample.as_stored()
    with database() as address, psycopg.connect(address, autocommit=True) as connection:
        from audit.append import append_pending
        from audit.ledger.note import format_verifier_key, sign_note
        from audit.ledgers import open_ledger
        from audit.manifests import sign_waiting_manifests
        from audit.seal import seal
        from audit.signer import make_key, signers_of

        ledger = open_ledger(LEDGER)
        say(f"filling {events:,} entries")
        for _ in range(0, events, 50_000):
            seed.put(
                connection,
                ledger.id,
                sample.posts(templates, events=min(50_000, events), batch=100),
            )
            append_pending(ledger.id)
        connection.execute("VACUUM ANALYZE audit_entry")
        vkey = format_verifier_key(make_key(ledger.name, origin=ledger.origin))
        seal(ledger)

        def sign() -> None:
            sign_waiting_manifests(
                ledger,
                lambda text: sign_note(text, signers=signers_of(ledger.name, origin=ledger.origin)),
            )

        with tempfile.TemporaryDirectory(prefix="obs-bench-") as folder:
            for name, more in (("dense", ()), ("filtered", ("--action", "tool.invoke"))):
                out = Path(folder) / f"{name}.zip"
                _one(found, name, out, vkey, sign, [*_with(renderings), *more])
    return found


def _one(
    found: Findings,
    name: str,
    out: Path,
    vkey: str,
    sign: Callable[[], None],
    more: Sequence[str],
) -> None:
    """Make one bundle and verify it."""
    say(f"exporting, {name}")
    command = [sys.executable, "manage.py", "exportledger", "--ledger", LEDGER]
    made = run_command([*command, "--out", str(out), "--json", *more], meanwhile=sign)
    said = json.loads(made.stdout)
    entries = said["entries"]
    # Looking through the ledger is the work too, so the target holds for each entry looked at.
    allowed = MADE_SECONDS * said["size"] / TARGET_ENTRIES
    found.add(f"{name}: made", made.seconds, "s", at_most=max(allowed, 5.0))
    found.add(f"{name}: entries", entries / made.seconds, "entries/s")
    found.add(f"{name}: memory of the exporter", made.megabytes, "MB", at_most=MOST_MEGABYTES)
    found.add(f"{name}: file", out.stat().st_size / 1e6, "MB")
    say(f"exporting again, {name}")
    again = out.with_suffix(".again.zip")
    options = ["--size", str(said["size"]), "--out", str(again), "--json", *more]
    repeated = run_command([*command, *options], meanwhile=sign)
    found.add(f"{name}: made again", repeated.seconds, "s", at_most=max(allowed, 5.0))
    digests = {_sha256(each) for each in (out, again)}
    found.add(f"{name}: SHA-256 of the two", len(digests), "different", at_most=1)
    again.unlink()
    with ZipFile(out) as bundle:
        script = out.with_suffix(".verify.py")
        script.write_bytes(bundle.read("verify.py"))
    say(f"verifying, {name}")
    verified = run_command([sys.executable, "-I", "-S", str(script), str(out), "--key", vkey])
    allowed = VERIFIED_SECONDS * entries / TARGET_ENTRIES
    found.add(f"{name}: verified", verified.seconds, "s", at_most=max(allowed, 2.0))
    found.add(f"{name}: memory of the verifier", verified.megabytes, "MB", at_most=MOST_MEGABYTES)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def _with(renderings: Sequence[str]) -> list[str]:
    return [argument for each in renderings for argument in ("--with", each)]


def run_command(command: Sequence[str], *, meanwhile: Callable[[], None] | None = None) -> Ended:
    """Run a process to its end, calling `meanwhile` again and again; fail when it fails."""
    began = time.perf_counter()
    with tempfile.TemporaryFile("w+") as out:
        process = subprocess.Popen(command, cwd=ROOT, stdout=out)
        peak = 0.0
        while process.poll() is None:
            if time.perf_counter() - began > _LONGEST:
                process.kill()
            if meanwhile is not None:
                meanwhile()
            peak = max(peak, _peak_megabytes(process.pid))
            time.sleep(0.02)
        assert process.returncode == 0, f"{command} ended with {process.returncode}"
        out.seek(0)
        return Ended(
            stdout=out.read(),
            seconds=time.perf_counter() - began,
            megabytes=peak,
        )


def _peak_megabytes(pid: int) -> float:
    """Return a process's peak resident memory; 0 when it has just ended.

    Not what wait4 gives: Linux carries that over from the process that started it.
    """
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    found = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(found[0]) / 1024 if found else 0.0


if __name__ == "__main__":
    main()
