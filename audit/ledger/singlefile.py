"""Make the verifiers that travel with a bundle. Owns `verify.py`, `verify.html`, `README.txt`.

`verify.py` is no second implementation. It carries the source of each module in `MODULES`, byte
for byte, as a raw string; at its start it makes modules of them, in this order, and runs the
commands of `__main__.py`. So `python verify.py FILE` and `python -m audit.ledger verify FILE` are
one code, as are `report`, `proof` and `consistency`, and whoever reads the file reads ours. What
all these modules import is the standard library and each other, nothing else; that is tested.

`verify.html` is the page beside this module, with the hashes of its own script and style written
into its Content-Security-Policy, so that it can load nothing and run nothing else. It is a second
implementation, in another language: the same attacks are tried on both.

Same code, same bytes: nothing here depends on time or place.
"""

from __future__ import annotations

from base64 import b64encode
from functools import cache
from hashlib import sha256
from importlib import import_module
from importlib.resources import files
from inspect import getsource

MODULES = (
    "audit.errors",
    "audit.ledger.errors",
    "audit.ledger.ed25519",
    "audit.ledger.merkle",
    "audit.ledger.record",
    "audit.ledger.note",
    "audit.ledger.checkpoint",
    "audit.ledger.proof",
    "audit.ledger.policy",
    "audit.ledger.manifest",
    "audit.ledger.archive",
    "audit.ledger.reportmanifest",
    "audit.ledger.offline",
    "audit.ledger.offlinereport",
    "audit.ledger.__main__",
)
"""What `verify.py` carries, each after all that it imports."""

_HEAD = '''#!/usr/bin/env python3
"""Verify what a ledger of obsplatform gave you, offline.

    python3 verify.py BUNDLE.zip --key VKEY
    python3 verify.py report REPORT.zip --key VKEY
    python3 verify.py proof 41.tlog-proof --record record.json --key VKEY
    python3 verify.py consistency OLD NEW --proof FILE --key VKEY

The first verifies an evidence bundle, the second a report, the third that an entry is in a ledger,
the fourth that a newer checkpoint of a ledger continues an older one. It says intact (exit code
0), tampered (1) or not proven (3), and why. It needs Python 3.11 or newer and nothing else.
`--help` tells the rest.

This file is made by a program: each part below is a module of the platform, byte for byte. Get
it, like the key, from somewhere other than the bundle when you do not trust whoever sent you that.
"""

import sys
import types

if sys.version_info < (3, 11):
    sys.exit("verify.py needs Python 3.11 or newer; this is Python %d.%d" % sys.version_info[:2])

MODULES = []
'''

_TAIL = """

def load():
    for package in ("audit", "audit.ledger"):
        made = types.ModuleType(package)
        made.__path__ = []
        sys.modules[package] = made
    for name, source in MODULES:
        made = types.ModuleType(name)
        sys.modules[name] = made
        exec(compile(source[1:], "verify.py: " + name, "exec"), made.__dict__)
        package, _, last = name.rpartition(".")
        setattr(sys.modules[package], last, made)


if __name__ == "__main__":
    load()
    sys.exit(sys.modules["audit.ledger.__main__"].single_file(sys.argv[1:]))
"""

_README = """\
An evidence bundle of the ledger {ledger} ({origin}).

To verify it, without a network:

    python3 verify.py BUNDLE.zip --key VKEY

BUNDLE.zip is the file from which this text comes, not the folder of an unpacked copy. VKEY is the
verifier key of the ledger, one line that begins with its name. Get it from the operator, from the
ledger's page or from anybody whom you trust, but not from this bundle: whoever forges a bundle
brings a key of his own. The same goes for verify.py itself. Where there is no Python 3.11, open
verify.html in a browser and choose the bundle there.

    intact (exit code 0)        every byte of the bundle agrees, and your key signed it
    tampered (exit code 1)      something was changed; the answer names file, entry and cause
    not proven (exit code 3)    nothing disagrees, but something is missing, such as the key

    records.ndjson    the entries, one a line, byte for byte as they were hashed: the evidence
    proofs            that each of them stands in the ledger's tree
    checkpoint        the signed head of that tree
    manifest          a signed list of what is in the bundle, the query and its counts
    verify.py         the verifier
    verify.html       the verifier as a page

Other files are renderings of the same entries, for reading and for other programs. They are a
convenience: the manifest vouches that they are as they were made, but the evidence is
records.ndjson. If one of them seems to say something else, believe the records.

What is proven: each entry is in the ledger, unchanged, at its place. That no entry in between is
left out is proven where the bundle has every seq from the first to the last; where a filter
picked entries, the signer of the manifest says that it holds all that matched.
"""


@cache
def verify_py() -> str:
    """Return the text of `verify.py`."""
    return "\n".join([_HEAD, *map(_carried, MODULES), _TAIL.lstrip("\n")])


def _carried(name: str) -> str:
    source = getsource(import_module(name))
    assert "'''" not in source, f"{name} could not stand in a raw string"
    assert not source.rstrip("\n").endswith("\\"), f"{name} could not end a raw string"
    return f"# {'-' * 20} {name}\nMODULES.append((\"{name}\", r'''\n{source}'''))\n"


@cache
def verify_html() -> str:
    """Return the text of `verify.html`."""
    page = files("audit.ledger").joinpath("verify.html").read_text(encoding="utf-8")
    for tag in ("script", "style"):
        content = page.partition(f"<{tag}>")[2].partition(f"</{tag}>")[0]
        digest = b64encode(sha256(content.encode()).digest()).decode()
        page = page.replace(f"{{{tag}-hash}}", f"sha256-{digest}")
    return page


@cache
def verify_html_policy() -> str:
    """Return the Content-Security-Policy of `verify.html`, for a server that sends the page.

    Its own, which allows its own script and style alone, and that no page may frame it, which a
    page cannot say of itself.
    """
    own = verify_html().partition('"Content-Security-Policy" content="')[2].partition('"')[0]
    return f"{own}; frame-ancestors 'none'"


def readme(*, ledger: str, origin: str) -> str:
    """Return the text of `README.txt`."""
    return _README.format(ledger=ledger, origin=origin)
