"""Run every benchmark and print one page of figures with the machine they were measured on.

`--large` also seeds nine million entries and measures there (about an hour). A script that lacks
something says so under "not measured"; one that fails ends the run with its output.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from benchmarks.figures import EXIT_NOT_PROVEN, Figure, Findings, arguments, machine, say
from benchmarks.ground import ROOT, database, postgres_version

SCRIPTS: tuple[tuple[str, ...], ...] = (
    ("ingest",),
    ("projections",),
    ("latency",),
    ("single_posts", "--runs", "3"),
    ("append_vs_copy",),
    ("verify",),
    ("tallies",),
    ("pages",),
    ("operations",),
    ("bundle",),
    ("reports",),
    ("exposition",),
    ("metrics",),
    ("tracing",),
    ("otlp",),
    ("destinations", "--per-second", "2000", "--events", "60000"),
    ("sdk",),
    ("peers",),
)
LARGE: tuple[str, ...] = ("ingest", "--large")
_SECONDS = 3 * 3600


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--large", action="store_true", help="ten million entries too")
    parser.add_argument("--peer-python", help="interpreter with kailash-kaizen, for `peers`")
    options = parser.parse_args()
    found: list[Findings] = []
    absent: list[str] = []
    for script in (*SCRIPTS, *((LARGE,) if options.large else ())):
        more = ("--peer-python", options.peer_python) if options.peer_python else ()
        measured = _run((*script, *more) if script[0] in ("sdk", "peers") else script)
        if isinstance(measured, str):
            absent.append(f"{script[0]}: {measured}")
        else:
            found.append(measured)
    where = machine() | {"Postgres": _postgres()}
    if options.json:
        print(json.dumps({"machine": where, "found": [_plain(each) for each in found]}, indent=1))
        return
    print(f"Machine: {', '.join(f'{name} {value}' for name, value in where.items())}.\n")
    for each in found:
        print(f"## {each.question}\n\n{each.table()}\n")
    if absent:
        print("## Not measured\n\n" + "\n".join(f"- {each}" for each in absent))


def _run(script: tuple[str, ...]) -> Findings | str:
    """Run one script; return its figures, or why it could not measure."""
    name, *more = script
    say(f"--- {' '.join(script)}")
    ended = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}", *more, "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
    )
    if ended.returncode == EXIT_NOT_PROVEN:
        return ended.stderr.strip().splitlines()[-1].removeprefix("not measured: ")
    if ended.returncode != 0:
        say(ended.stderr)
        sys.exit(ended.returncode)
    lines = ended.stdout.splitlines()
    said = json.loads("\n".join(lines[lines.index("{") :]))  # lines of a log may stand before it
    found = Findings(
        question=said["question"], figures=[Figure(**figure) for figure in said["figures"]]
    )
    say(found.table())  # so that a later script that fails takes nothing along
    return found


def _plain(found: Findings) -> dict[str, Any]:
    return {"question": found.question, "figures": [vars(one) for one in found.figures]}


def _postgres() -> str:
    with database() as address:
        return postgres_version(address)


if __name__ == "__main__":
    main()
