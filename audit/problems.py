"""Answer what went wrong as an RFC 9457 problem document.

Every error of the API is one: `application/problem+json` with `type` `/errors/<code>`, which is a
page made of `docs/errors/<code>.md` (audit.error_pages). A problem names the thing and the way out,
never a value that may be secret. Used by audit.post, audit.api and all that answers under /api.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from http import HTTPStatus
from typing import Any, TypeAlias

import msgspec
import psycopg
import structlog
from django.core.exceptions import BadRequest, SuspiciousOperation
from django.db import DatabaseError, InterfaceError
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.views import defaults
from psycopg_pool import PoolTimeout

CONTENT_TYPE = "application/problem+json"
API = "/api/"
NO_DATABASE = (DatabaseError, InterfaceError, psycopg.Error, PoolTimeout)
"""What is raised when Postgres does not answer or breaks off."""

View: TypeAlias = Callable[..., HttpResponseBase]

_KEPT_HEADERS = ("Allow", "Retry-After", "WWW-Authenticate")
_CODES = {400: "bad-request", 404: "not-found", 405: "method-not-allowed", 503: "database"}

log = structlog.get_logger(__name__)


def problem(
    status: int,
    code: str,
    title: str | None = None,
    detail: str | None = None,
    *,
    headers: Mapping[str, str] | None = None,
    **extra: Any,
) -> HttpResponse:
    """Return a problem document. Without a title it is the code in words.

    `extra` are further members, such as `errors`: a list of what is wrong, each with its place.
    """
    answer = HttpResponse(
        as_json(status, code, title, detail, **extra),
        status=status,
        content_type=CONTENT_TYPE,
        headers=headers,
    )
    answer["Cache-Control"] = "no-store"
    return answer


def as_json(
    status: int, code: str, title: str | None = None, detail: str | None = None, **extra: Any
) -> bytes:
    """Return the bytes of a problem document."""
    said: dict[str, Any] = {
        "type": f"/errors/{code}",
        "title": title or code.replace("-", " ").capitalize(),
        "status": status,
        "code": code,
    }
    if detail is not None:
        said["detail"] = detail
    return msgspec.json.encode(said | extra)


def as_problems(view: View) -> View:
    """Wrap a view so that whatever goes wrong in it is answered as a problem document."""

    @wraps(view)  # keeps csrf_exempt too
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            found = view(request, *args, **kwargs)
        except Http404:
            return no_such_address(request)
        except (SuspiciousOperation, BadRequest):
            return problem(400, "bad-request", detail="The request cannot be read as it is.")
        except NO_DATABASE as error:
            log.error("api.database_failed", error=type(error).__name__, path=request.path)
            return problem(
                503,
                "database",
                detail="The database did not answer; ask again.",
                headers={"Retry-After": "1"},
            )
        except Exception:  # the last resort of the API's surface: told, logged with its traceback
            log.exception("api.failed", path=request.path)
            return problem(500, "internal-error", detail="This is a defect of ours; it was logged.")
        return _as_problem(found) if found.status_code >= 400 else found

    return answer


def _as_problem(found: HttpResponseBase) -> HttpResponseBase:
    """Turn an error of the framework into a problem; what is one already stays."""
    if found.get("Content-Type", "").startswith(CONTENT_TYPE):
        return found
    status = found.status_code
    code = _CODES.get(status, "bad-request" if status < 500 else "internal-error")
    detail = HTTPStatus(status).description or None
    if status == 405:
        detail = f"This address takes {found.get('Allow', 'other methods')}."
    kept = {name: found[name] for name in _KEPT_HEADERS if name in found}
    return problem(status, code, HTTPStatus(status).phrase, detail, headers=kept)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer what is refused before any view runs, such as a wrong Host: Django's handler400."""
    if not request.path.startswith(API):
        return defaults.bad_request(request, exception)
    return problem(400, "bad-request", detail="The request cannot be read as it is.")


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer what fails outside any view; Django has logged it by then: its handler500."""
    if not request.path.startswith(API):
        return defaults.server_error(request)
    return problem(500, "internal-error", detail="This is a defect of ours; it was logged.")


def no_such_address(request: HttpRequest, rest: str = "") -> HttpResponse:
    """Answer 404 for an address that the API does not have."""
    return problem(
        404, "not-found", detail="There is nothing here; /api/v1/docs lists every address."
    )
