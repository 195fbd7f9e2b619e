"""The API's proofs: that an entry is in its ledger, that a ledger only grew, and its checkpoints.

Two routers, since the operations stand at two places of the OpenAPI document. Parses, asks
audit.proofs, answers; what goes wrong there is told by audit.api.
"""

from __future__ import annotations

from typing import Annotated, Any

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router, Schema
from pydantic import Field

from audit import openapi
from audit.api_answers import (
    MOST_SEQ,
    Hash,
    Seq,
    answer_json,
    grant_of,
    not_found,
    unreadable,
    wrong_ledger,
)
from audit.auth import KeyGrant
from audit.ledger.note import VerifierKey, encode_base64
from audit.ledger.policy import Policy
from audit.ledger.proof import format_proof
from audit.ledger.record import format_time
from audit.models import Head, Ledger
from audit.proofs import (
    PublishedCheckpoint,
    checkpoint_at,
    list_checkpoints,
    prove_entry,
    prove_growth,
    say_witnessed,
)
from audit.query import MOST_LIMIT, PAGE_LIMIT
from audit.seal import known_keys
from audit.sinks.configured import policy_from_settings

of_entries = Router()
of_ledgers = Router()


class CheckpointItem(Schema):
    """A signed head of a ledger."""

    size: int = Field(ge=1, le=MOST_SEQ, description="Entries that it covers.")
    root: Hash = Field(description="The root of the Merkle tree over them.")
    signed_at: str
    cosigned_by: list[str] = Field(
        description="Who else claims to have signed; check it with keys that you trust."
    )
    witnessed: str | None = Field(
        description="How many of the platform's witnesses have cosigned, such as `2 of 3`; "
        "null without a policy."
    )
    note: str = Field(description="The signed note (C2SP tlog-checkpoint), byte for byte.")


class CheckpointPage(Schema):
    """Some checkpoints of a ledger, the newest first."""

    items: list[CheckpointItem]
    next: str | None = Field(description="Pass it as `after` for the next page; null on the last.")


class TreeHead(Schema):
    """A tree of one size."""

    size: int = Field(ge=1, le=MOST_SEQ)
    root: Hash
    checkpoint: str | None = Field(description="The signed note of this size, if there is one.")


class ConsistencyProof(Schema):
    """That the newer tree begins with the older one."""

    ledger: str
    origin: str
    old: TreeHead
    new: TreeHead
    hashes: list[str] = Field(description="32 bytes each, in base64 (RFC 9162 section 2.1.4).")


@of_entries.get(
    "/entries/{ledger}/{seq}/proof", tags=["entries"], summary="Get the proof of an entry"
)
def entry_proof(
    request: HttpRequest,
    ledger: str,
    seq: Seq,
    size: Annotated[int, Query(ge=1, le=MOST_SEQ)] | None = None,
) -> HttpResponse:
    """Give a `.tlog-proof` (C2SP tlog-proof): with the record it can be checked offline.

    Against the newest checkpoint, or against the one of `size`.
    """
    grant = grant_of(request)
    if ledger != grant.ledger_name:
        return wrong_ledger(grant)
    if seq >= Head.objects.get(ledger_id=grant.ledger_id).size:
        return not_found(f"The ledger has no entry {seq}; seqs begin at 0.")
    proof, _ = prove_entry(grant.ledger_id, seq, size=size)
    answer = HttpResponse(format_proof(proof), content_type=openapi.TEXT)
    answer["Content-Disposition"] = f'attachment; filename="{ledger}-{seq}.tlog-proof"'
    answer["Cache-Control"] = "no-store"
    return answer


@of_ledgers.get(
    "/ledgers/{name}/checkpoints",
    response=CheckpointPage,
    tags=["ledgers"],
    summary="List the checkpoints of a ledger",
)
def list_the_checkpoints(
    request: HttpRequest,
    name: str,
    after: Annotated[int, Query(ge=1, le=MOST_SEQ)] | None = None,
    limit: Annotated[int, Query(ge=1, le=MOST_LIMIT)] = PAGE_LIMIT,
) -> HttpResponse:
    """Newest first, a page at a time: size, root, when it was signed, by whom, the note itself."""
    grant = grant_of(request)
    if name != grant.ledger_name:
        return wrong_ledger(grant)
    found = list_checkpoints(grant.ledger_id, most=limit + 1, after=after)
    ledger = Ledger.objects.get(id=grant.ledger_id)
    policy, keys = policy_from_settings(), known_keys(ledger)
    items = [_checkpoint_item(each, ledger.origin, policy, keys) for each in found[:limit]]
    following = str(found[limit - 1].size) if len(found) > limit else None
    return answer_json({"items": items, "next": following})


def _checkpoint_item(
    found: PublishedCheckpoint, origin: str, policy: Policy | None, keys: list[VerifierKey]
) -> dict[str, Any]:
    names = [each.name for each in found.signatures() if each.name != origin]
    return {
        "size": found.size,
        "root": found.root.hex(),
        "signed_at": format_time(found.signed_at),
        "cosigned_by": list(dict.fromkeys(names)),
        "witnessed": None if policy is None else say_witnessed(found, policy=policy, keys=keys),
        "note": found.note.decode(),
    }


@of_ledgers.get(
    "/ledgers/{name}/consistency",
    response=ConsistencyProof,
    tags=["ledgers"],
    summary="Prove that a ledger only grew",
)
def consistency(
    request: HttpRequest,
    name: str,
    old_size: Annotated[int, Query(alias="from", ge=1, le=MOST_SEQ)],
    new_size: Annotated[int, Query(alias="to", ge=1, le=MOST_SEQ)],
) -> HttpResponse:
    """Prove that the tree of size `to` begins with that of size `from` (RFC 9162 section 2.1.4).

    Any two sizes up to the newest checkpoint's; where one was signed, its note stands beside it.
    """
    grant = grant_of(request)
    if name != grant.ledger_name:
        return wrong_ledger(grant)
    if old_size > new_size:
        return unreadable({"from": "is at most `to`"})
    grown = prove_growth(grant.ledger_id, old_size=old_size, new_size=new_size)
    return answer_json(
        {
            "ledger": grant.ledger_name,
            "origin": Ledger.objects.get(id=grant.ledger_id).origin,
            "old": _tree_head(grant, grown.old_size, grown.old_root),
            "new": _tree_head(grant, grown.new_size, grown.new_root),
            "hashes": [encode_base64(each) for each in grown.hashes],
        }
    )


def _tree_head(grant: KeyGrant, size: int, root: bytes) -> dict[str, Any]:
    signed = checkpoint_at(grant.ledger_id, size)
    note = None if signed is None else signed.note.decode()
    return {"size": size, "root": root.hex(), "checkpoint": note}
