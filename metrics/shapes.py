"""Tell which fields of an entry the rules of its action read: words, numbers and ids. Pure.

From its words follows to which series an entry adds; its numbers are what it adds; its ids say
what it opens or closes. Each action has a `Shape` that decodes these fields and no other. A rule
that reads a field has it in `_READS`, or it is blind to it in a plan (plans.py), which tests hold
against the rules. An entry that says a field in another way than a shape takes, say a number beyond
what is believed, has no shape: it goes the long way, by its rules.

Who follows shapes: looks.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Annotated, Any, Final, Literal, TypeAlias, get_type_hints

import msgspec

from audit import events
from metrics import act_rules, agent_families, call_rules, run_rules
from metrics.family import TOKEN_TYPES
from metrics.platform_families import AGENT_CPU, AGENT_PROCESS_MEMORY
from metrics.rules import RULES, Rule
from metrics.seen import Who

COST: Final = "usage.cost_usd"
TOKENS: Final = tuple(f"usage.{kind}_tokens" for kind in TOKEN_TYPES)
_TOOK: Final = "duration_ms"

_MOST: Final[Mapping[str, float]] = {
    _TOOK: agent_families.MONTH * 1_000,
    "tool.result_bytes": agent_families.PEBIBYTE,
    **dict.fromkeys(TOKENS, agent_families.TOKENS),
    COST: agent_families.DOLLARS,
    "plan.quality": agent_families.PLANNING_QUALITY.most,
    "plan.steps": agent_families.STEPS,
    "memory.bytes": agent_families.PEBIBYTE,
    "resource.cpu_ratio": AGENT_CPU.most,
    "resource.memory_bytes": AGENT_PROCESS_MEMORY.most,
}
"""The most that is believed of each number, as the families that it feeds have it."""

AGENT: Final = "agent.id"
WORDS: Final = ("outcome", "agent.environment", "severity", "tool.risk")
"""What is read of every entry."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reads:
    """What a rule reads besides `WORDS`, as dotted paths; an event has what it has."""

    words: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    """Words without which an entry goes the long way; so does one without its ids."""


_READS: Final[Mapping[Rule, Reads]] = {
    run_rules.run_started: Reads(ids=("run.id",)),
    run_rules.run_completed: Reads(words=("error.type",), numbers=(_TOOK,), ids=("run.id",)),
    run_rules.loop_completed: Reads(words=("run.phase",), numbers=(_TOOK,)),
    run_rules.goal_created: Reads(words=("run.mode",)),
    run_rules.goal_started: Reads(words=("run.mode",), ids=("run.goal_id",)),
    run_rules.goal_ended: Reads(words=("run.mode",), numbers=(_TOOK,), ids=("run.goal_id",)),
    run_rules.plan_created: Reads(numbers=(_TOOK, "plan.quality", "plan.steps")),
    run_rules.task_enqueued: Reads(words=("run.queue",), ids=("run.task_id",)),
    run_rules.task_started: Reads(words=("run.mode", "run.queue"), ids=("run.task_id",)),
    run_rules.task_ended: Reads(
        words=("run.mode", "run.queue"), numbers=(_TOOK,), ids=("run.task_id",)
    ),
    run_rules.orchestrated: Reads(numbers=(_TOOK,)),
    call_rules.tool_invoked: Reads(
        words=("tool.name", "error.type"), numbers=(_TOOK, "tool.result_bytes")
    ),
    call_rules.model_asked: Reads(
        words=("model.provider", "model.name"), numbers=(_TOOK, *TOKENS, COST)
    ),
    call_rules.remembered: Reads(
        words=("memory.type", "memory.store", "memory.cache_hit"), numbers=(_TOOK, "memory.bytes")
    ),
    # Where a workflow has no name its id is one, and there is no end of ids.
    call_rules.workflow_ended: Reads(numbers=(_TOOK,), needs=("workflow.name",)),
    call_rules.step_ended: Reads(words=("workflow.step_type",), needs=("workflow.name",)),
    act_rules.permission: Reads(words=("decision.effect",)),
    act_rules.security: Reads(),
    act_rules.login: Reads(words=("auth.method",)),
    act_rules.data_used: Reads(words=("data.legal_basis",)),
    act_rules.checkpoint: Reads(),
    act_rules.file: Reads(),
    act_rules.queried: Reads(words=("labels.operation",), numbers=(_TOOK,)),
    act_rules.sampled: Reads(numbers=("resource.cpu_ratio", "resource.memory_bytes")),
}
"""What each rule reads. One that asks for more has no place here: what an agent is called, whose
service it was, which measure is allowed."""

Row: TypeAlias = tuple[Any, ...]
"""When an act occurred, its trace id, and its numbers in the order of its shape."""


_CLOSED: Final[Mapping[str, Any]] = {
    "outcome": get_type_hints(events.Event)["outcome"],
    "severity": get_type_hints(events.Event)["severity"],
    "agent.environment": get_type_hints(events.Agent)["environment"],
    "tool.risk": get_type_hints(events.Tool)["risk"],
    "decision.effect": get_type_hints(events.Decision)["effect"],
    "memory.cache_hit": bool,
}
"""Words that are one of few, as they are admitted: each is one object for all entries that say it,
and its hash is known. All others are any text."""


class _Human(msgspec.Struct, gc=False):
    type: str
    id: str


class _Actor(msgspec.Struct, gc=False):
    type: Literal["human", "agent", "service", "system", "unauthenticated"]
    id: str
    on_behalf_of: _Human | None = None
    session_id: str | None = None


class _Source(msgspec.Struct, gc=False):
    backfill: bool = False


@dataclass(frozen=True, slots=True)
class Shape:
    """How entries of an action are read, and what is read of them."""

    reads: Reads
    read: Callable[[bytes], Any]
    """Return the few fields of a record: `event`, `received_at` and `source.backfill`. Raises
    msgspec.ValidationError where one is missing, or said in another way."""
    words: Callable[[Any], tuple[Any, ...]]
    """Of its event; those that it needs stand last."""
    row: Callable[[Any], Row]
    """Of its event."""
    ids: Callable[[Any], tuple[str, ...]] | None
    """Of its event: the agent's and that of `reads`; None where no rule asks."""
    is_paid: bool
    """Whether it may cost something; what it cost is the last of its numbers."""


def _shape(reads: Reads) -> Shape:
    ids = attrgetter(AGENT, *reads.ids) if reads.ids else None
    return Shape(
        reads,
        msgspec.json.Decoder(_record(reads)).decode,
        attrgetter(*WORDS, *reads.words, *reads.needs),
        attrgetter("occurred_at", "trace.trace_id", *reads.numbers),
        ids,
        reads.numbers[-1:] == (COST,),
    )


def _record(reads: Reads) -> type[msgspec.Struct]:
    needed, optional = (str, msgspec.NODEFAULT), (str, None)
    fields: dict[str, tuple[Any, Any]] = {
        "occurred_at": (datetime, msgspec.NODEFAULT),
        AGENT: needed,
        "trace.trace_id": optional,
        "trace.conversation_id": optional,
        "actor": (_Actor | None, None),
        **{path: (_CLOSED.get(path, str), None) for path in (*WORDS, *reads.words)},
        **{path: (_number(_MOST[path]), None) for path in reads.numbers},
        **dict.fromkeys((*reads.ids, *reads.needs), needed),
    }
    fields["outcome"] = (_CLOSED["outcome"], msgspec.NODEFAULT)
    fields["agent.environment"] = (_CLOSED["agent.environment"], "prod")
    return _struct(
        "Record",
        {
            "event": (_event(fields), msgspec.NODEFAULT),
            "received_at": (datetime, msgspec.NODEFAULT),
            "source": (_Source, msgspec.NODEFAULT),
        },
    )


def _number(most: float) -> Any:
    bounds = msgspec.Meta(ge=0, le=most)
    return Annotated[int, bounds] | Annotated[float, bounds]


def _event(fields: Mapping[str, tuple[Any, Any]]) -> type[msgspec.Struct]:
    plain = {path: each for path, each in fields.items() if "." not in path}
    blocks: dict[str, dict[str, tuple[Any, Any]]] = {}
    for path in fields.keys() - plain.keys():
        block, _, name = path.partition(".")
        blocks.setdefault(block, {})[name] = fields[path]
    for block, inner in blocks.items():
        made = _struct(block.title(), inner)
        is_needed = any(default is msgspec.NODEFAULT for _, default in inner.values())
        plain[block] = (made, msgspec.NODEFAULT if is_needed else made())
    return _struct("Event", plain)


def _struct(name: str, fields: Mapping[str, tuple[Any, Any]]) -> type[msgspec.Struct]:
    # Frozen, since one that an event lacks is one and the same for all that lack it.
    return msgspec.defstruct(
        name,
        [(each, kind, default) for each, (kind, default) in fields.items()],
        frozen=True,
        gc=False,
        kw_only=True,
    )


PLAIN: Final = _shape(Reads())
"""The shape of an act that no rule is for."""

_OF_RULES: Final = {rule: _shape(reads) for rule, reads in _READS.items()}

SHAPES: Final[Mapping[bytes, Shape | None]] = {
    action.encode(): _OF_RULES.get(rule) for action, rule in RULES.items()
}
"""By action, the shapes of those that a rule is for; None where it goes the long way."""


def who_of(event: Any) -> Who:
    """Return the ids of agent, user and session of an event that a shape has read, as seen.py."""
    actor, agent = event.actor, event.agent.id
    if actor is None:
        return agent, None, None
    human = actor if actor.type == "human" else actor.on_behalf_of
    user = human.id if human is not None and human.type == "human" else None
    session = actor.session_id
    return agent, user, event.trace.conversation_id if session is None else session


__all__ = ["AGENT", "COST", "PLAIN", "SHAPES", "TOKENS", "WORDS", "Reads", "Row", "Shape", "who_of"]
