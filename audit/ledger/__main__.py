"""Verify files from a shell: evidence bundles, reports, proofs of entries, checkpoints.

    python -m audit.ledger verify BUNDLE.zip --key VKEY
    python -m audit.ledger report REPORT.zip --key VKEY
    python -m audit.ledger proof 41.tlog-proof --record 41.json --key VKEY
    python -m audit.ledger consistency OLD NEW --proof FILE --key VKEY

`verify.py`, the same in a single file (singlefile.py), takes them all, and a bundle without a
command. Needs no database, no settings and no package: the standard library alone. The one module
of this package that opens files and reads a clock. What is checked: offline.py, offlinereport.py,
proof.py, merkle.py.

Exit codes: 0 intact, 1 tampered, 2 wrong use or a file that cannot be read, 3 not proven.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from time import monotonic
from typing import Any

from audit.ledger import ed25519
from audit.ledger.checkpoint import SignedCheckpoint, open_checkpoint, parse_checkpoint
from audit.ledger.errors import (
    KeyMalformed,
    LedgerFact,
    NotSigned,
    OriginWrong,
    PolicyMalformed,
    ProofMalformed,
)
from audit.ledger.manifest import HEADER, Manifest
from audit.ledger.merkle import HASH_SIZE, check_consistency, check_inclusion
from audit.ledger.note import VerifierKey, decode_base64, parse_note, parse_verifier_key
from audit.ledger.offline import Result, Trust, Verdict, verify_bundle
from audit.ledger.offlinereport import ReportVerdict, header_of, verify_report
from audit.ledger.policy import Policy, parse_policy, weigh
from audit.ledger.proof import parse_proof
from audit.ledger.record import leaf_hash
from audit.ledger.reportmanifest import REPORT_HEADER, ReportManifest

EXIT: dict[Result, int] = {"intact": 0, "tampered": 1, "not proven": 3}
"""The exit code of each result; 2 is wrong use."""

SILENT_SECONDS = 2.0
"""How long a run may take before it tells how far it is."""

_RESULTS = """\
results and exit codes:
  intact (0)      all agrees, and a key you gave has signed it
  tampered (1)    something was changed; file, seq, expected and found are named
  not proven (3)  nothing disagrees, but something is missing; the reason is named
  2               wrong use, or a file that cannot be read
"""


_ALSO = """
it verifies other files too; each command has --help:
  {program} report REPORT.zip --key VKEY
  {program} proof 41.tlog-proof --record 41.json --key VKEY
  {program} consistency OLD NEW --proof FILE --key VKEY
a bundle that is called like a command is given with its folder: ./proof
"""


def main(arguments: Sequence[str], program: str = "python -m audit.ledger") -> int:
    """Run one of the commands; return its exit code."""
    parser = argparse.ArgumentParser(
        prog=program,
        description="Verify what a ledger gave you, offline.",
        epilog=_RESULTS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=_COMMANDS, help="what to verify; each has --help")
    parser.add_argument("rest", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    return _COMMANDS[asked.command](asked.rest, f"{program} {asked.command}")


def single_file(arguments: Sequence[str], program: str = "verify.py") -> int:
    """Run what `verify.py` is asked for: a command, or else to verify a bundle; return the code."""
    if arguments and arguments[0] in _COMMANDS:
        return main(arguments, program)
    return verify_command(arguments, program, also=_ALSO.format(program=program))


def verify_command(arguments: Sequence[str], program: str, also: str = "") -> int:
    """Verify a bundle and print the verdict; return the exit code. `also` ends the help."""
    parser = _parser(
        program,
        "Verify an evidence bundle, offline.",
        f"{program} bundle.zip --key 'main.example.com+1f2e3d4c+AbCd…'",
        also,
    )
    parser.add_argument("bundle", type=Path, help="the bundle, a ZIP file")
    asked = parser.parse_args(arguments)
    trust = Trust(keys=tuple(asked.key), policy=asked.policy)
    try:
        with asked.bundle.open("rb") as file:
            if header_of(file) == REPORT_HEADER:
                parser.error(f"{asked.bundle} is a report, which the command `report` verifies")
            verdict = verify_bundle(file, trust=trust, progress=_progress())
    except OSError as error:
        parser.error(f"{asked.bundle}: {error.strerror or error}")
    _print(_told(verdict) if asked.json else _in_words(verdict), is_json=asked.json)
    return EXIT[verdict.result]


def report_command(arguments: Sequence[str], program: str) -> int:
    """Verify the archive of a report and print the verdict; return the exit code."""
    parser = _parser(
        program,
        "Verify the archive of a report, offline: each file, and whose key has signed the list.",
        f"{program} report.zip --key 'main.example.com+1f2e3d4c+AbCd…'",
    )
    parser.add_argument("report", type=Path, help="the report, a ZIP file")
    asked = parser.parse_args(arguments)
    trust = Trust(keys=tuple(asked.key), policy=asked.policy)
    try:
        with asked.report.open("rb") as file:
            if header_of(file) == HEADER:
                parser.error(f"{asked.report} is an evidence bundle, which `verify` verifies")
            verdict = verify_report(file, trust=trust, progress=_progress())
    except OSError as error:
        parser.error(f"{asked.report}: {error.strerror or error}")
    told = _report_told(verdict) if asked.json else _report_in_words(verdict)
    _print(told, is_json=asked.json)
    return EXIT[verdict.result]


def proof_command(arguments: Sequence[str], program: str) -> int:
    """Verify that a record is in a ledger by its `.tlog-proof`; return the exit code."""
    parser = _parser(
        program,
        "Verify that an entry is in a ledger, offline.",
        f"{program} 41.tlog-proof --record 41.json --key 'main.example.com+1f2e3d4c+AbCd…'",
    )
    parser.add_argument("proof", help="the .tlog-proof file")
    parser.add_argument("--record", required=True, metavar="FILE", help="the record, byte for byte")
    asked = parser.parse_args(arguments)
    record, data = _read(parser, asked.record), _read(parser, asked.proof)

    def check(trust: Trust) -> tuple[SignedCheckpoint, str]:
        proof = parse_proof(data)
        signed = _opened(proof.checkpoint, trust)
        head = signed.checkpoint
        check_inclusion(
            proof.hashes,
            size=head.size,
            root=head.root,
            index=proof.index,
            leaf=leaf_hash(record),
        )
        return signed, f"entry {proof.index} is in the tree of size {head.size} of {head.origin}"

    return _judge(asked, check)


def consistency_command(arguments: Sequence[str], program: str) -> int:
    """Verify that a newer checkpoint continues an older one; return the exit code."""
    parser = _parser(
        program,
        "Verify that a newer checkpoint continues an older one, offline.",
        f"{program} old.checkpoint new.checkpoint --proof proof.txt --key VKEY",
    )
    parser.add_argument("old", help="the older checkpoint")
    parser.add_argument("new", help="the newer checkpoint")
    parser.add_argument(
        "--proof", required=True, metavar="FILE", help="the hashes in base64, one a line"
    )
    asked = parser.parse_args(arguments)
    old, new, proof = (_read(parser, name) for name in (asked.old, asked.new, asked.proof))

    def check(trust: Trust) -> tuple[SignedCheckpoint, str]:
        older, newer = _opened(old, trust), _opened(new, trust)
        if older.checkpoint.origin != newer.checkpoint.origin:
            raise OriginWrong(expected=older.checkpoint.origin, found=newer.checkpoint.origin)
        check_consistency(
            _hashes(proof),
            old_size=older.checkpoint.size,
            old_root=older.checkpoint.root,
            new_size=newer.checkpoint.size,
            new_root=newer.checkpoint.root,
        )
        sizes = f"size {newer.checkpoint.size} continues that of size {older.checkpoint.size}"
        return newer, f"the tree of {sizes}"

    return _judge(asked, check)


_COMMANDS: dict[str, Callable[[Sequence[str], str], int]] = {
    "verify": verify_command,
    "report": report_command,
    "proof": proof_command,
    "consistency": consistency_command,
}


def _parser(
    program: str, description: str, example: str, also: str = ""
) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=program,
        description=description,
        epilog=f"{_RESULTS}\nexample:\n  {example}\n{also}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--key",
        action="append",
        default=[],
        type=_key,
        metavar="VKEY",
        help="a verifier key of the ledger, from somewhere else than the file; may be repeated",
    )
    parser.add_argument(
        "--policy",
        type=_policy,
        metavar="FILE",
        help="a C2SP tlog-policy: ledgers, witnesses, and how many of them must have cosigned",
    )
    parser.add_argument("--json", action="store_true", help="print the answer as JSON")
    return parser


def _key(text: str) -> VerifierKey:
    try:
        return parse_verifier_key(text)
    except KeyMalformed as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _policy(name: str) -> Policy:
    try:
        return parse_policy(Path(name).read_bytes())
    except (OSError, PolicyMalformed) as error:
        raise argparse.ArgumentTypeError(f"{name}: {error}") from error


def _read(parser: argparse.ArgumentParser, name: str) -> bytes:
    try:
        return Path(name).read_bytes()
    except OSError as error:
        parser.error(f"{name}: {error.strerror or error}")


def _progress() -> Callable[[int, int], None]:
    """Return what writes a line to stderr every two seconds, so that short runs stay silent."""
    begun = told = monotonic()

    def tell(done: int, total: int) -> None:
        nonlocal told
        now = monotonic()
        if now - told >= SILENT_SECONDS and done:
            told = now
            left = (now - begun) * (total - done) / done
            print(f"{100 * done // total} % checked, {left:.0f} s left", file=sys.stderr)  # noqa: T201

    return tell


def _told(verdict: Verdict) -> dict[str, Any]:
    """Return a verdict as JSON says it."""
    finding, manifest = verdict.finding, verdict.manifest
    return {
        "result": verdict.result,
        "reasons": list(verdict.reasons),
        "finding": vars(finding) if finding is not None else None,
        "signers": list(verdict.signers),
        "witnessed": verdict.witnessed,
        "bundle": _manifest_told(manifest) if manifest is not None else None,
    }


def _manifest_told(manifest: Manifest) -> dict[str, Any]:
    return {
        "origin": manifest.origin,
        "ledger": manifest.ledger,
        "size": manifest.size,
        "root": manifest.root.hex(),
        "query": json.loads(manifest.query),
        "left_out": manifest.left_out,
        "entries": manifest.count,
        "first": manifest.first,
        "last": manifest.last,
        "is_dense": manifest.is_dense(),
        "files": {each.name: each.sha256 for each in manifest.files},
    }


def _in_words(verdict: Verdict) -> list[str]:
    """Return a verdict as lines for people, the result first."""
    lines = _result_in_words(verdict)
    if verdict.finding is None and verdict.manifest is not None:
        lines += _span_in_words(verdict.manifest)
        lines += [f"  signed by {', '.join(verdict.signers)}"] if verdict.signers else []
        lines += [f"  witnessed {verdict.witnessed}"] if verdict.witnessed else []
    return lines


def _result_in_words(verdict: Verdict | ReportVerdict) -> list[str]:
    """Return the result, its reasons, and what does not agree."""
    lines = [verdict.result.upper(), *(f"  {reason}" for reason in verdict.reasons)]
    found = verdict.finding
    if found is None:
        return lines
    return [
        *lines,
        f"  where     {found.file if found.seq is None else f'{found.file}, seq {found.seq}'}",
        f"  what      {found.field}",
        f"  expected  {found.expected}",
        f"  found     {found.found}",
    ]


def _report_in_words(verdict: ReportVerdict) -> list[str]:
    lines = _result_in_words(verdict)
    if verdict.finding is None and verdict.manifest is not None:
        report = verdict.manifest
        lines += [
            f"  ledger    {report.ledger} ({report.origin})",
            f"  report    {report.report}",
            f"  about     {report.framework}, {report.start} up to {report.end} without it",
            f"  snapshot  {report.snapshot or 'none'}",
            f"  head      seq {report.head_seq}, hash {report.head_hash}",
            f"  holds     {len(report.files)} files, each as the manifest lists it",
        ]
        lines += [f"  signed by {', '.join(verdict.signers)}"] if verdict.signers else []
    return lines


def _report_told(verdict: ReportVerdict) -> dict[str, Any]:
    """Return a verdict on a report as JSON says it."""
    finding, manifest = verdict.finding, verdict.manifest
    return {
        "result": verdict.result,
        "reasons": list(verdict.reasons),
        "finding": vars(finding) if finding is not None else None,
        "signers": list(verdict.signers),
        "report": _report_manifest_told(manifest) if manifest is not None else None,
    }


def _report_manifest_told(manifest: ReportManifest) -> dict[str, Any]:
    files = {each.name: each.sha256 for each in manifest.files}
    return {**vars(manifest), "files": files}


def _span_in_words(manifest: Manifest) -> list[str]:
    span = f"{manifest.count} entries"
    if manifest.count:
        gaps = "without gaps" if manifest.is_dense() else "picked by the query"
        span += f", seq {manifest.first} to {manifest.last}, {gaps}"
        span += f", none before seq {manifest.first}" if manifest.first else ""
    return [
        f"  ledger    {manifest.ledger} ({manifest.origin})",
        f"  holds     {span}",
        f"  tree      size {manifest.size}, root {manifest.root.hex()}",
        f"  query     {manifest.query}",
        f"  left out  {manifest.left_out}",
    ]


def _opened(data: bytes, trust: Trust) -> SignedCheckpoint:
    """Return a checkpoint that a key of the reader signed. Raises what `open_checkpoint` does."""
    origin = parse_checkpoint(parse_note(data).text).origin
    witnesses = trust.policy.witnesses if trust.policy is not None else ()
    return open_checkpoint(
        data,
        origin=origin,
        keys=trust.known(origin),
        witnesses=[each.key for each in witnesses],
        verify=ed25519.verify,
    )


def _hashes(data: bytes) -> list[bytes]:
    found = [decode_base64(line) for line in data.decode("ascii", "replace").split()]
    hashes = [each for each in found if each is not None and len(each) == HASH_SIZE]
    if len(hashes) != len(found):
        raise ProofMalformed(reason="a line is no base64 of 32 bytes")
    return hashes


def _judge(
    asked: argparse.Namespace, check: Callable[[Trust], tuple[SignedCheckpoint, str]]
) -> int:
    """Print what a check of a proof says; return the exit code."""
    trust = Trust(keys=tuple(asked.key), policy=asked.policy)
    result, says = _tried(check, trust)
    told = {"result": result, "says": says}
    _print(told if asked.json else [result.upper(), f"  {says}"], is_json=asked.json)
    return EXIT[result]


def _tried(
    check: Callable[[Trust], tuple[SignedCheckpoint, str]], trust: Trust
) -> tuple[Result, str]:
    if not trust.all_keys():
        return "not proven", "no key was given from outside: give --key or --policy"
    try:
        signed, says = check(trust)
    except NotSigned as error:
        return "not proven", f"signer unknown: {error}"
    except LedgerFact as error:
        return "tampered", str(error)
    if trust.policy is None:
        return "intact", says
    standing = weigh(trust.policy, signed.opened.keys())
    if not standing.is_met:
        return "not proven", f"witnessed {standing}, which is less than the policy asks for"
    return "intact", f"{says}; witnessed {standing}"


def _print(answer: object, *, is_json: bool) -> None:
    lines = [json.dumps(answer)] if is_json else answer
    assert isinstance(lines, list), "people are answered in lines"
    text = "".join(f"{_printable(line)}\n" for line in lines)
    # A console that cannot show a character must not turn a verdict into a crash, which ends in 1.
    encoding = sys.stdout.encoding or "ascii"
    sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))


def _printable(line: str) -> str:
    """Return a line without what could steer a terminal: a forger may have written parts of it."""
    return line if line.isprintable() else line.encode("unicode_escape").decode("ascii")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
