"""Say whose cosignatures make a checkpoint witnessed. Owns C2SP tlog-policy.

    log <vkey> [<url>]                     whose checkpoints are accepted: its name is the origin
    witness <name> <vkey> [<url>]          who may cosign; the address takes add-checkpoint
    group <name> all|any|<k> <member>…     met when so many of its members are
    quorum <name>|none                     exactly one; what must be met

One item a line, blanks between (space and tab alone), `#` starts a line of comment. A name is
defined above the line that uses it and belongs to one group at most, so that each witness counts
once. Names mean nothing outside the file and are compared byte for byte.

Checks no signature: whose cosignatures hold is found with note.py, and counted here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from audit.ledger.errors import KeyMalformed, PolicyMalformed
from audit.ledger.note import (
    COSIGNATURE,
    ED25519,
    VerifierKey,
    format_verifier_key,
    parse_verifier_key,
)

POLICY_LIMIT = 1_000_000
"""Bytes of the longest policy that is read."""

_FORBIDDEN = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]")
_COUNT = re.compile(r"[1-9][0-9]{0,8}")
_NONE = "none"


@dataclass(frozen=True, kw_only=True)
class PolicyLog:
    """A log whose checkpoints the policy accepts."""

    key: VerifierKey
    """Its name is the log's origin."""
    url: str = ""


@dataclass(frozen=True, kw_only=True)
class PolicyWitness:
    """A witness that the policy knows."""

    name: str
    """Its name in this file; the name under which it signs is the key's."""
    key: VerifierKey
    url: str = ""
    """The submission prefix; empty where nobody needs to ask it."""


@dataclass(frozen=True, kw_only=True)
class PolicyGroup:
    """Members of which `needed` must be met."""

    name: str
    needed: int
    members: tuple[str, ...]
    """Names of witnesses and groups."""


PolicyItem: TypeAlias = PolicyLog | PolicyWitness | PolicyGroup
"""A line of a policy, but for the quorum."""


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How a checkpoint stands before a policy."""

    is_met: bool
    """The quorum is reached; always so where it is `none`."""
    cosigned: int
    """Witnesses of the quorum that cosigned."""
    witnesses: int
    """Witnesses that the quorum is drawn from."""

    def __str__(self) -> str:
        """Read as a state: `2 of 3`."""
        return f"{self.cosigned} of {self.witnesses}"


@dataclass(frozen=True, kw_only=True)
class Policy:
    """A whole policy, in the order of its lines. Made by `parse_policy`, which checks the names."""

    items: tuple[PolicyItem, ...]
    quorum: str
    """Name of a witness or a group; `none` asks for no cosignature."""

    @property
    def logs(self) -> tuple[PolicyLog, ...]:
        """The logs, in order."""
        return tuple(each for each in self.items if isinstance(each, PolicyLog))

    @property
    def witnesses(self) -> tuple[PolicyWitness, ...]:
        """The witnesses, in order."""
        return tuple(each for each in self.items if isinstance(each, PolicyWitness))

    @property
    def groups(self) -> tuple[PolicyGroup, ...]:
        """The groups, in order; members stand before the groups that name them."""
        return tuple(each for each in self.items if isinstance(each, PolicyGroup))


def weigh(policy: Policy, cosigners: Iterable[VerifierKey]) -> Standing:
    """Tell whether these keys, whose cosignatures hold, reach the policy's quorum.

    Keys that the policy does not know count for nothing.
    """
    keys = set(cosigners)
    met = {each.name for each in policy.witnesses if each.key in keys}
    drawn = _drawn_from(policy)
    cosigned = len(drawn & met)
    for group in policy.groups:  # each stands below its members
        if sum(member in met for member in group.members) >= group.needed:
            met.add(group.name)
    return Standing(
        is_met=policy.quorum == _NONE or policy.quorum in met,
        cosigned=cosigned,
        witnesses=len(drawn),
    )


def _drawn_from(policy: Policy) -> set[str]:
    """Return the names of the witnesses under the quorum."""
    members = {group.name: group.members for group in policy.groups}
    found, waiting = set(), [policy.quorum]
    while waiting:
        name = waiting.pop()
        if name in members:
            waiting += members[name]
        elif name != _NONE:
            found.add(name)
    return found


def format_policy(policy: Policy) -> bytes:
    """Return a policy as a file."""
    lines = [*map(_format_item, policy.items), f"quorum {policy.quorum}"]
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")


def _format_item(item: PolicyItem) -> str:
    if isinstance(item, PolicyGroup):
        return " ".join(["group", item.name, str(item.needed), *item.members])
    key = format_verifier_key(item.key)
    words = ["log", key] if isinstance(item, PolicyLog) else ["witness", item.name, key]
    return " ".join([*words, item.url]) if item.url else " ".join(words)


def parse_policy(data: bytes) -> Policy:
    """Return the policy that a file states. Raises PolicyMalformed, which names the line."""
    if len(data) > POLICY_LIMIT:
        raise PolicyMalformed(line=0, reason=f"longer than {POLICY_LIMIT} bytes")
    reading = _Reading()
    for number, raw in enumerate(data.split(b"\n"), start=1):
        if _FORBIDDEN.search(raw):
            raise PolicyMalformed(line=number, reason="a control character")
        # Names are opaque bytes: what is no UTF-8 must come out as it went in.
        line = raw.decode("utf-8", "surrogateescape").strip(" \t")
        if line and not line.startswith("#"):
            reading.take(re.split("[ \t]+", line), number)
    return reading.end()


class _Reading:
    """What the lines so far have defined."""

    def __init__(self) -> None:
        self._items: list[PolicyItem] = []
        self._names: set[str] = {_NONE}
        self._members: set[str] = set()
        self._logs: set[bytes] = set()
        self._witnesses: set[bytes] = set()
        self._quorum = ""
        self._line = 0

    def take(self, words: list[str], line: int) -> None:
        """Read one line."""
        self._line = line
        match words:
            case ["log", vkey, *url] if len(url) <= 1:
                key = self._key(vkey, ED25519, self._logs)
                self._items.append(PolicyLog(key=key, url="".join(url)))
            case ["witness", name, vkey, *url] if len(url) <= 1:
                key = self._key(vkey, COSIGNATURE, self._witnesses)
                item = PolicyWitness(name=self._new(name), key=key, url="".join(url))
                self._items.append(item)
            case ["group", name, needed, *members] if members:
                self._items.append(self._group(name, needed, members))
            case ["quorum", name]:
                if self._quorum:
                    raise self._bad("a second quorum")
                if name not in self._names:
                    raise self._bad(f"{name!r} is not defined above")
                self._quorum = name
            case _:
                raise self._bad(
                    "neither `log VKEY [URL]`, `witness NAME VKEY [URL]`,"
                    " `group NAME all|any|K MEMBER…` nor `quorum NAME`"
                )

    def end(self) -> Policy:
        """Return the whole."""
        if not self._quorum:
            raise PolicyMalformed(line=0, reason="no quorum; `quorum none` asks for no cosignature")
        return Policy(items=tuple(self._items), quorum=self._quorum)

    def _group(self, name: str, needed: str, members: list[str]) -> PolicyGroup:
        for member in members:
            if member == _NONE or member not in self._names:
                raise self._bad(f"{member!r} is no witness and no group defined above")
            if member in self._members:
                raise self._bad(f"{member!r} is a member already, and would count twice")
            self._members.add(member)
        words = {"any": 1, "all": len(members)}
        count = words.get(needed) or (int(needed) if _COUNT.fullmatch(needed) else 0)
        if not 1 <= count <= len(members):
            raise self._bad(f"{needed!r} is neither all, any nor a number from 1 to {len(members)}")
        return PolicyGroup(name=self._new(name), needed=count, members=tuple(members))

    def _new(self, name: str) -> str:
        if name in self._names:
            raise self._bad(f"{name!r} is defined already")
        self._names.add(name)
        return name

    def _key(self, vkey: str, algorithm: int, known: set[bytes]) -> VerifierKey:
        try:
            key = parse_verifier_key(vkey)
        except KeyMalformed as error:
            raise self._bad(str(error)) from error
        if key.algorithm != algorithm:
            raise self._bad(f"{key} is of algorithm {key.algorithm}, here it must be {algorithm}")
        # Whatever its name: one key pair must not count as two.
        if key.public in known:
            raise self._bad(f"{key} holds a public key that stands above already")
        known.add(key.public)
        return key

    def _bad(self, reason: str) -> PolicyMalformed:
        return PolicyMalformed(line=self._line, reason=reason)
