"""What the reading API's operations share: types of the document, whose key it is, short answers.

Reads the key and writes nothing. Used by audit.api, audit.api_proofs and audit.api_exports.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from django.http import HttpRequest, HttpResponse
from ninja.security import HttpBearer
from pydantic import Field

from audit import auth
from audit.auth import KeyGrant
from audit.kept import PrunedEntry
from audit.ledger.record import format_time
from audit.problems import problem

MOST_SEQ = 2**63 - 1

Hash = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Seq = Annotated[int, Field(ge=0, le=MOST_SEQ)]


class BearerKey(HttpBearer):
    """An API key with a scope, sent as `Authorization: Bearer obs_live_…`."""

    def __init__(self, scope: str) -> None:
        super().__init__()
        self._scope = scope

    def __call__(self, request: HttpRequest) -> KeyGrant:
        """Return what the key may do. Raises AuthRefused."""
        return self.authenticate(request, "")

    def authenticate(self, request: HttpRequest, token: str) -> KeyGrant:
        """Return what the key may do; audit.auth alone reads the token."""
        grant = auth.authenticate(request)
        auth.require_scope(grant, self._scope)
        return grant


def grant_of(request: HttpRequest) -> KeyGrant:
    """Return what the key of an authenticated request may do."""
    grant: KeyGrant = request.auth  # type: ignore[attr-defined]  # ninja sets what BearerKey returned
    return grant


def answer_json(value: Any) -> HttpResponse:
    """Answer 200 with a value as JSON, not to be kept."""
    answer = HttpResponse(msgspec.json.encode(value), content_type="application/json")
    answer["Cache-Control"] = "no-store"
    return answer


def unreadable(errors: Mapping[str, str]) -> HttpResponse:
    """Answer 400: by parameter, what it must be. Nothing in it may repeat what was sent."""
    shown = [{"name": name, "message": message} for name, message in errors.items()]
    said = "; ".join(f"{one['name']} {one['message']}" for one in shown)
    return problem(400, "parameter", detail=f"{said}.", errors=shown)


def wrong_ledger(grant: KeyGrant) -> HttpResponse:
    """Answer 403: the key is another ledger's."""
    return problem(403, "wrong-ledger", detail=f"This key reads the ledger {grant.ledger_name}.")


def pruned(what: PrunedEntry) -> HttpResponse:
    """Answer 410: the entry was there and was pruned; by whom, and what still proves it."""
    said = "Its record is gone; its proof, with its hash, is still given."
    return problem(410, "pruned", detail=f"{what} {said}", purge=purge_item(what))


def purge_item(what: PrunedEntry) -> dict[str, Any]:
    """Return the purge that took an entry, as the API shows it."""
    return {
        "from": what.from_seq,
        "to": what.to_seq,
        "at": format_time(what.pruned_at),
        "approvers": list(what.approvers),
    }


def not_found(what: str) -> HttpResponse:
    """Answer 404 with a sentence."""
    return problem(404, "not-found", detail=what)
