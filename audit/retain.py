"""Say how long entries are kept, and what people decide about letting them go.

A policy is in days since an entry was received: one of the ledger, and of a category or a data
class longer ones. A purge is proposed by somebody, looked at by a worker (dryrun.py), approved by
two people, each for themselves, and done by a worker (prune.py). Each act of a person is an entry,
kept or lost together with the act. That two people approve is Postgres' rule, too, and whoever gets
past this module meets it there: audit/sql/0012_retention.sql. What is pruned: pruned.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal, Self, TypeAlias, get_args

import psycopg
from django.db import transaction

from audit import bell
from audit.database import rows
from audit.errors import NotPurged, PolicyRefused
from audit.events import Category, DataClass
from audit.models import Ledger, PurgeApproval, PurgePlan, Retention
from audit.receive import receive_own

Kind: TypeAlias = Literal["ledger", "category", "data_class"]

MOST_DAYS: Final = 36_500
MOST_REASON: Final = 500
"""Characters of a reason."""
APPROVALS: Final = 2
"""How many people must say yes."""

REFUSED: Final = frozenset({"OBS01", "OBS02"})
"""What Postgres says when a rule of ours refuses."""

_NAMES: Mapping[str, tuple[str, ...]] = {
    "category": get_args(Category),
    "data_class": get_args(DataClass),
}
_SAID = {"category": "a category", "data_class": "a data class"}
_PHI = ("data_class", "phi")

# Held while a policy is read and changed, so that an entry names the value that stood before.
_LOCK_LEDGER = "SELECT id FROM audit_ledger WHERE id = %s FOR NO KEY UPDATE"
# Held until a policy is committed: audit_prune() locks its plan before it looks at policies.
_WAIT_FOR_PURGE = """
SELECT id
FROM audit_purgeplan
WHERE ledger_id = %s
  AND state IN ('asked', 'proposed', 'approved')
FOR SHARE
"""
_SET = """
INSERT INTO audit_retention AS known (ledger_id, kind, name, days, changed_by)
VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (ledger_id, kind, name) DO UPDATE
SET days = excluded.days, changed_at = clock_timestamp(), changed_by = excluded.changed_by
RETURNING days
"""
_CLEAR = """
DELETE FROM audit_retention
WHERE ledger_id = %s
  AND kind = %s
  AND name = %s
RETURNING days
"""
# Nothing when another one is open: one at a time for each ledger.
_PROPOSE = """
INSERT INTO audit_purgeplan (ledger_id, proposed_by, reason)
VALUES (%s, %s, %s)
ON CONFLICT DO NOTHING
RETURNING id
"""
_LOCK_PLAN = "SELECT state FROM audit_purgeplan WHERE ledger_id = %s AND id = %s FOR UPDATE"
_APPROVE = """
INSERT INTO audit_purgeapproval (ledger_id, plan_id, user_id)
VALUES (%s, %s, %s)
RETURNING username
"""
_APPROVED = """
UPDATE audit_purgeplan
SET state = 'approved'
WHERE ledger_id = %s
  AND id = %s
  AND state = 'proposed'
RETURNING id
"""
_WITHDRAW = """
UPDATE audit_purgeplan
SET state = 'withdrawn', withdrawn_by = %s, finished_at = clock_timestamp()
WHERE ledger_id = %s
  AND id = %s
  AND state IN ('asked', 'proposed', 'approved')
RETURNING id
"""


# --- Policies -------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Policies:
    """How many days the entries of a ledger are kept at least."""

    days: int
    """Every entry."""
    phi_days: int
    """An entry of the data class `phi`; its default is six years."""
    categories: dict[str, int] = field(default_factory=dict)
    """Those that have a policy of their own."""
    data_classes: dict[str, int] = field(default_factory=dict)
    """Those that have a policy of their own; `phi` only when somebody has set it."""

    def days_of(self, kind: str, name: str) -> int:
        """Return what holds for a category or a data class; of the ledger, its own days."""
        if kind == "ledger":
            return self.days
        if (kind, name) == _PHI:
            return max(self.days, self.phi_days)
        own = self.categories if kind == "category" else self.data_classes
        return max(self.days, own.get(name, 0))


def policies(ledger: Ledger) -> Policies:
    """Return what a ledger's entries are kept by, defaults where nobody has set anything."""
    kept = {(each.kind, each.name): each.days for each in Retention.objects.filter(ledger=ledger)}
    return Policies(
        days=kept.get(("ledger", ""), Retention.DEFAULT_DAYS),
        phi_days=kept.get(_PHI, Retention.PHI_DAYS),
        categories={name: days for (kind, name), days in kept.items() if kind == "category"},
        data_classes={name: days for (kind, name), days in kept.items() if kind == "data_class"},
    )


def set_policy(ledger: Ledger, *, kind: str, name: str, days: int, by: str) -> bool:
    """Set how long something is kept; False when it was so already.

    `kind` is `ledger`, `category` or `data_class`; `name` is empty for a ledger. Raises
    PolicyRefused with the field. A shorter time is the entry `audit.retention_shortened`, a longer
    one `audit.config_changed`.
    """
    _check_name(kind, name)
    if isinstance(days, bool) or not isinstance(days, int) or not 1 <= days <= MOST_DAYS:
        raise PolicyRefused(field="days", message=f"a whole number from 1 to {MOST_DAYS:,}")
    with transaction.atomic():
        before = _held_policies(ledger)
        if kind != "ledger" and days < before.days:
            raise PolicyRefused(
                field="days",
                message=f"{ledger.name} keeps every entry {before.days:,} days, and {_SAID[kind]} "
                f"can only lengthen that: give {before.days:,} or more, or shorten the policy of "
                "the ledger first",
            )
        rows(_SET, (ledger.id, kind, name, days, by))
        return _tell_change(ledger, before, kind=kind, name=name, by=by)


def clear_policy(ledger: Ledger, *, kind: str, name: str, by: str) -> bool:
    """Take a policy back, so that the default or the ledger's own holds; False if that is the same.

    Raises PolicyRefused when there is none. Entries as for `set_policy`.
    """
    _check_name(kind, name)
    with transaction.atomic():
        before = _held_policies(ledger)
        if not rows(_CLEAR, (ledger.id, kind, name)):
            what = f"{_SAID[kind]} {name}" if name else "the ledger"
            said = f"{ledger.name} has no policy of its own for {what}; nothing to take back"
            raise PolicyRefused(field="name" if name else "kind", message=said)
        return _tell_change(ledger, before, kind=kind, name=name, by=by)


def _held_policies(ledger: Ledger) -> Policies:
    rows(_LOCK_LEDGER, (ledger.id,))
    rows(_WAIT_FOR_PURGE, (ledger.id,))
    return policies(ledger)


def _check_name(kind: str, name: str) -> None:
    if kind == "ledger":
        if name:
            raise PolicyRefused(field="name", message="leave it empty for the ledger's own policy")
        return
    allowed = _NAMES.get(kind)
    if allowed is None:
        raise PolicyRefused(field="kind", message=f"one of {', '.join(get_args(Kind))}")
    if name not in allowed:
        raise PolicyRefused(field="name", message=f"{_SAID[kind]} is one of {', '.join(allowed)}")


def _tell_change(ledger: Ledger, before: Policies, *, kind: str, name: str, by: str) -> bool:
    after = policies(ledger)
    if before == after:
        return False
    old, new = before.days_of(kind, name), after.days_of(kind, name)
    receive_own(
        ledger,
        "audit.retention_shortened" if new < old else "audit.config_changed",
        by=by,
        target={"type": "ledger", "id": ledger.name},
        details={"setting": "retention", "kind": kind, "name": name, "before": old, "after": new},
        change={"kind": "retention", "from": str(old), "to": str(new)},
        integrity={"retention_days": new},
    )
    return True


# --- What a worker saw ----------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Blocker:
    """Why entries from a seq on must stay."""

    seq: int
    """The first one that must."""
    why: str
    """`young`, `held`, `not_exported`, `not_verified`, `tampered`, `not_sealed`, `not_counted` or
    `missing`."""
    what: str
    """The policy, the hold's number, the projection, the verification's number; may be empty."""
    sentence: str
    """The same for people, with the way out."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PlanReport:
    """What a worker saw when it looked how far a ledger may be pruned; `report` of a plan."""

    days: int
    """The ledger's own policy at that time."""
    from_seq: int
    to_seq: int | None = None
    """One past the last seq that would go; None when nothing would, or while it is looked for."""
    entries: int = 0
    by_category: dict[str, int] = field(default_factory=dict)
    by_data_class: dict[str, int] = field(default_factory=dict)
    """An entry of two classes counts in both."""
    oldest: str | None = None
    """When the first of them was received, ISO 8601."""
    newest: str | None = None
    """When the youngest of them was received, ISO 8601."""
    limit: int | None = None
    """Where anything but age and holds ends it; what is beyond was not counted."""
    blockers: tuple[Blocker, ...] = ()
    """What ends it, the nearest first."""

    @classmethod
    def of(cls, plan: PurgePlan) -> Self | None:
        """Return the report of a plan; None while nothing was looked at."""
        if plan.report is None:
            return None
        said: dict[str, Any] = dict(plan.report)
        blockers = tuple(Blocker(**each) for each in said.pop("blockers", ()))
        return cls(**said, blockers=blockers)

    def as_json(self) -> dict[str, Any]:
        """Return what the column holds."""
        return asdict(self) | {"blockers": [asdict(each) for each in self.blockers]}


# --- Purges ---------------------------------------------------------------------------------------


def propose_purge(ledger: Ledger, *, reason: str, by: str) -> PurgePlan:
    """Ask a worker to look how far a ledger may be pruned. Nothing goes before two people approve.

    Leaves `approval.requested`. Raises NotPurged without a reason, or while another one is open.
    """
    reason = reason.strip()
    if not 0 < len(reason) <= MOST_REASON or "\0" in reason:
        raise NotPurged(f"Say why entries shall go; a reason has 1 to {MOST_REASON:,} characters.")
    with transaction.atomic():
        found = rows(_PROPOSE, (ledger.id, by, reason))
        if not found:
            raise NotPurged(_open_already(ledger))
        ((plan_id,),) = found
        _leave(ledger, "approval.requested", plan_id, by=by, reason=reason)
        transaction.on_commit(lambda: bell.ring(ledger.id, task="audit.prune"))
    return _again(ledger.id, plan_id)


def _open_already(ledger: Ledger) -> str:
    standing = PurgePlan.objects.filter(ledger=ledger, state__in=PurgePlan.OPEN).first()
    which = "Another purge" if standing is None else f"Purge {standing.id} ({standing.state})"
    return (
        f"{which} of {ledger.name} is open, and one is at a time. Approve or withdraw it, or wait "
        "until it is done."
    )


def approve_purge(plan: PurgePlan, *, user_id: int, by: str) -> PurgePlan:
    """Say yes to a purge as it was proposed; the second person's yes sends it to a worker.

    `by` is the user name of that account. Committed when it returns, in a transaction of its own,
    so not to be called within one. Leaves `approval.granted`. Raises NotPurged: not open, approved
    by this person before, an account that may not.
    """
    with _refusals(), transaction.atomic(durable=True):
        state = _locked_state(plan)
        if state != "proposed":
            raise NotPurged(_not_open(plan, state))
        given = PurgeApproval.objects.filter(ledger_id=plan.ledger_id, plan_id=plan.id)
        if given.filter(user_id=user_id).exists():
            raise NotPurged(f"{by} has approved purge {plan.id} before; a second person must.")
        ((username,),) = rows(_APPROVE, (plan.ledger_id, plan.id, user_id))
        if username != by:
            raise NotPurged(f"Account {user_id} is {username}, not {by}; each person approves.")
        _leave(plan.ledger, "approval.granted", plan.id, by=by, report=plan.report)
        if given.count() >= APPROVALS:
            rows(_APPROVED, (plan.ledger_id, plan.id))
            ledger_id = plan.ledger_id
            transaction.on_commit(lambda: bell.ring(ledger_id, task="audit.prune"))
    return _again(plan.ledger_id, plan.id)


def withdraw_purge(plan: PurgePlan, *, by: str) -> PurgePlan:
    """Take a proposal back, approved or not, as long as nothing is pruned.

    Leaves `approval.denied`. Raises NotPurged once it has begun or ended.
    """
    with _refusals(), transaction.atomic():
        if not rows(_WITHDRAW, (by, plan.ledger_id, plan.id)):
            raise NotPurged(_not_open(plan, _locked_state(plan)))
        _leave(plan.ledger, "approval.denied", plan.id, by=by)
    return _again(plan.ledger_id, plan.id)


@contextmanager
def _refusals() -> Iterator[None]:
    """Turn what the rules in Postgres refuse into NotPurged, with their words."""
    try:
        yield
    except psycopg.Error as error:
        if error.sqlstate not in REFUSED:
            raise
        raise NotPurged(
            f"{refusal_of(error).capitalize()}. Whoever approves is active, may enter the desk, "
            "holds the permission to approve purges, and does it once."
        ) from error


def refusal_of(error: psycopg.Error) -> str:
    """Return what a rule in Postgres says, without where it was raised."""
    return error.diag.message_primary or str(error).split("\n")[0]


def _locked_state(plan: PurgePlan) -> str:
    ((state,),) = rows(_LOCK_PLAN, (plan.ledger_id, plan.id))
    return str(state)


def _not_open(plan: PurgePlan, state: str) -> str:
    said = {
        "asked": "is still looked at by a worker; approve what it finds",
        "proposed": "waits for approval",
        "nothing": "found nothing that may go; propose a new one later",
        "approved": "has the approval of two people already",
        "pruning": "has begun and cannot be stopped",
        "done": "is done",
        "withdrawn": "was withdrawn; propose a new one",
        "refused": "was refused; its note says why. Propose a new one",
    }[state]
    return f"Purge {plan.id} {said}."


def _again(ledger_id: int, plan_id: int) -> PurgePlan:
    return PurgePlan.objects.select_related("ledger").get(ledger_id=ledger_id, id=plan_id)


def approval_id(ledger: Ledger, plan_id: int) -> str:
    """Return what the entries about a purge have in common."""
    return f"purge:{ledger.name}:{plan_id}"


def _leave(
    ledger: Ledger,
    action: str,
    plan_id: int,
    *,
    by: str,
    reason: str = "",
    report: Mapping[str, Any] | None = None,
) -> None:
    details: dict[str, Any] = {"act": "purge", "plan": plan_id}
    if report is not None:
        details |= {name: report[name] for name in ("from_seq", "to_seq", "entries")}
    blocks: dict[str, Any] = {"reason": reason} if reason else {}
    receive_own(
        ledger,
        action,
        by=by,
        target={"type": "ledger", "id": ledger.name},
        details=details,
        decision={"approval_id": approval_id(ledger, plan_id)},
        **blocks,
    )
