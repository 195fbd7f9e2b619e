"""Bound the values of labels: normalise them, learn the first that come, fold the rest. Pure.

Two guards stand one behind the other. A label's list takes the first values up to its cap; a later
one is `_other`. A family takes the first combinations up to its own cap; a later one keeps the
labels whose values are ours (status, environment) and says `_other` for the rest. What was folded
is counted, once an entry and list, in `obs_metrics_label_overflow_total`.

The lists belong to the installation, are shared by all ledgers and survive a rebuild. `Names`
holds them for the length of a batch; who keeps them writes `fresh()` down in the same transaction.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final, Literal, TypeAlias

from metrics.family import CLOSED, Family

OTHER: Final = "_other"
"""The value of all that found no place."""

NONE: Final = "_none"
"""The value of a label that the entry does not say."""

ALL: Final = "_all"
"""The value of `agent` when agents are not told apart."""

LONGEST: Final = 64
"""Characters of a value."""

AgentLabel: TypeAlias = Literal["off", "name", "id"]

Key: TypeAlias = tuple[str, tuple[str, ...]]
"""One series: the family's name, and the values of its labels in its order."""

Learned: TypeAlias = tuple[str, str]
"""One learned value or combination, as it is kept: the list's name, the value. Values of a
combination are joined by a space, which no normalised value has."""

CAPS: Final[dict[str, int]] = {
    "agent": 200,
    "tool": 100,
    "model": 50,
    "provider": 50,
    "error_type": 50,
    "action": 200,
    "topic": 50,
    "endpoint": 100,
    "workflow": 100,
    "node_type": 100,
    "ledger": 20,
    "mode": 10,
    "phase": 10,
    "queue": 20,
    "memory_type": 20,
    "cache": 20,
    "lawful_basis": 20,
    "db_operation": 10,
    "auth_method": 20,
    "custom": 50,
}
"""How many values each list takes. `model` holds pairs of provider and model; `provider` those of
other services; `custom` the names of measures that were refused. `topic` and `endpoint` are labels
of custom metrics alone."""

CUSTOM_CAP: Final = 20
"""How many values a label of a custom metric takes, unless a label of its name has a cap above; its
list is `custom.<metric>.<label>`."""

_STRANGE: Final = re.compile(r"[^a-z0-9_.:/-]+")
_CUSTOM: Final = "custom."
_MEMO: Final = 4
"""Spellings a list remembers for each value that it may take."""


def normalise(value: str) -> str:
    """Return a value as it may stand in a label: lower-case, at most 64 of `a-z0-9_.:/-`.

    Other characters become `_`. A leading `_` goes, so that nobody can say `_other`. Nothing left
    is `_none`.
    """
    return _STRANGE.sub("_", value.lower()).lstrip("_")[:LONGEST] or NONE


class Names:
    """The lists of what labels may say, and the combinations that each family has.

    Learns as it is asked, in the order of entries: the same entries in the same order learn the
    same, in whatever batches. Not safe for two threads.
    """

    def __init__(
        self,
        *,
        learned: Iterable[Learned] = (),
        agent_label: AgentLabel = "name",
        max_agents: int = CAPS["agent"],
    ) -> None:
        """Begin with what was learned before, in any order."""
        self.agent_label = agent_label
        self._caps = CAPS | {"agent": max_agents}
        self._values: dict[str, set[str]] = {}
        self._combinations: dict[str, dict[tuple[str, ...], Key]] = {}
        self._reserved: set[Key] = set()
        self._memo: dict[str, dict[Any, Any]] = {}
        self._fresh: list[Learned] = []
        self._overflowed: list[str] = []
        self.plans: dict[Any, Any] = {}
        """What looks.py remembers; it goes with these lists, since labels follow from them."""
        for name, value in learned:
            self._remember(name, value)

    def learn(self, name: str, value: object) -> str:
        """Return what a label says for a value: normalised, `_none`, or `_other` past the cap."""
        memo = self._memo.get(name)
        if memo is None:
            memo = self._memo[name] = {}
        elif (found := memo.get(value)) is not None:
            return str(found)
        if not isinstance(value, str):
            return NONE
        word = normalise(value)
        taken = self._take(name, word)
        if taken != OTHER and len(memo) < _MEMO * self._cap(name):
            memo[value] = taken
        return taken

    def learn_model(self, provider: object, model: object) -> tuple[str, str]:
        """Return provider and model, which are one list of pairs: both are `_other`, or neither."""
        memo = self._memo.setdefault("model", {})
        found: tuple[str, str] | None = memo.get((provider, model))
        if found is not None:
            return found
        pair = (
            normalise(provider) if isinstance(provider, str) else NONE,
            normalise(model) if isinstance(model, str) else NONE,
        )
        if pair != (NONE, NONE) and self._take("model", " ".join(pair)) == OTHER:
            return (OTHER, OTHER)
        if len(memo) < _MEMO * self._cap("model"):
            memo[provider, model] = pair
        return pair

    def combine(self, family: Family, values: tuple[str, ...]) -> Key:
        """Return the series that an increment goes to, in the family or in its `_other` rows."""
        known = self._combinations.get(family.name)
        if known is None:
            known = self._combinations[family.name] = {}
        key = known.get(values)
        if key is None:
            key = (family.name, values)
            if key not in self._reserved:
                key = self._place(family, values, known)
        return key

    def _place(
        self, family: Family, values: tuple[str, ...], known: dict[tuple[str, ...], Key]
    ) -> Key:
        # A measure of somebody's own has more values than its family has labels: all are theirs.
        theirs = values[len(family.labels) :]
        folded = (
            *(
                value if label in CLOSED else OTHER
                for label, value in zip(family.labels, values, strict=False)
            ),
            *(OTHER for _ in theirs),
        )
        if values == folded:
            key = (family.name, values)
            self._reserved.add(key)  # its place is in the reserve, so it takes none
            return key
        if len(known) < family.cap - family.reserve:
            self._fresh.append((family.name, " ".join(values)))
            key = known[values] = (family.name, values)
            return key
        self._overflowed.append(family.name)
        # One row a combination of closed values; a custom metric's folded row has its name alone.
        return (family.name, folded[: len(family.labels)])

    def combinations(self, family: Family) -> list[Key]:
        """Return the series of a family that were learned, in no order."""
        return list(self._combinations.get(family.name, {}).values())

    def fresh(self) -> list[Learned]:
        """Return what was learned since this was asked last, to be kept with the batch."""
        fresh, self._fresh = self._fresh, []
        return fresh

    @property
    def has_overflowed(self) -> bool:
        """Whether a value was folded since `overflowed` was asked last."""
        return bool(self._overflowed)

    def overflowed(self) -> list[str]:
        """Return the lists and families that folded a value since this was asked last, each once.

        The lists of custom metrics are one: `custom`.
        """
        if not self._overflowed:
            return []
        found = dict.fromkeys(
            "custom" if name.startswith(_CUSTOM) else name for name in self._overflowed
        )
        self._overflowed = []
        return list(found)

    def learned(self) -> list[Learned]:
        """Return all that was learned, sorted."""
        values = [(name, value) for name, known in self._values.items() for value in known]
        combined = [
            (name, " ".join(key)) for name, known in self._combinations.items() for key in known
        ]
        return sorted(values + combined)

    def _remember(self, name: str, value: str) -> None:
        if name.startswith("obs_"):
            values = tuple(value.split(" ")) if value else ()
            self._combinations.setdefault(name, {})[values] = (name, values)
        else:
            self._values.setdefault(name, set()).add(value)

    def _take(self, name: str, value: str) -> str:
        known = self._values.setdefault(name, set())
        if value in known or value == NONE:
            return value
        if len(known) < self._cap(name):
            known.add(value)
            self._fresh.append((name, value))
            return value
        self._overflowed.append(name)
        return OTHER

    def _cap(self, name: str) -> int:
        if name.startswith(_CUSTOM):
            return self._caps.get(name.rpartition(".")[2], CUSTOM_CAP)
        return self._caps[name]
