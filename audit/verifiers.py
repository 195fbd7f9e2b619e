"""Serve the verifiers to anyone: `GET /verify.py` and `GET /verify.html`. No account, no key.

They are the files that a bundle carries, byte for byte, so that nobody needs a bundle, or the copy
of whoever sent one, to check what a ledger gave him. Reads nothing. Files: audit.ledger.singlefile.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Final

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import condition, require_safe

from audit.ledger.manifest import VERIFY_PY
from audit.ledger.singlefile import verify_html, verify_html_policy, verify_py

# Kept, but asked for again each time: whoever verifies wants the verifier of today.
_CACHE: Final = "public, no-cache"


def _etag_py(request: HttpRequest) -> str:
    return f'"{sha256(verify_py().encode()).hexdigest()}"'


def _etag_html(request: HttpRequest) -> str:
    return f'"{sha256(verify_html().encode()).hexdigest()}"'


@require_safe
@condition(etag_func=_etag_py)
def verifier(request: HttpRequest) -> HttpResponse:
    """Answer `verify.py`, to be saved."""
    answer = HttpResponse(verify_py(), content_type="text/x-python; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{VERIFY_PY}"'
    answer["Cache-Control"] = _CACHE
    return answer


@require_safe
@condition(etag_func=_etag_html)
def verifier_page(request: HttpRequest) -> HttpResponse:
    """Answer `verify.html`, which may run its own script and connect to nothing, not even here."""
    answer = HttpResponse(verify_html(), content_type="text/html; charset=utf-8")
    answer["Content-Security-Policy"] = verify_html_policy()
    answer["Cache-Control"] = _CACHE
    return answer
