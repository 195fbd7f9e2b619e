"""Addresses of the audit app: the API of version 1, public log, verifiers, pages of problems."""

from __future__ import annotations

from django.conf import settings
from django.urls import URLPattern, URLResolver, path
from django.utils.module_loading import import_string
from django.views.decorators.csrf import csrf_exempt

from audit import tlog
from audit.api import api
from audit.download import export_file
from audit.error_pages import error_page
from audit.post import post_events
from audit.problems import as_problems, no_such_address
from audit.verifiers import verifier, verifier_page


def _guarded(pattern: URLPattern | URLResolver) -> URLPattern:
    """Return ninja's address with its view answering errors as problem documents."""
    assert isinstance(pattern, URLPattern), "the API includes no other addresses"
    return URLPattern(
        pattern.pattern, as_problems(pattern.callback), pattern.default_args, pattern.name
    )


for _router in settings.API_ROUTERS:  # here, since those apps import ours
    api.add_router("", import_string(_router))
_patterns, _app_name, _namespace = api.urls

urlpatterns: list[URLPattern | URLResolver] = [
    path("api/v1/events", as_problems(post_events), name="post-events"),
    path("api/v1/", ([_guarded(each) for each in _patterns], _app_name, _namespace)),
    path("api/v1/<path:rest>", csrf_exempt(no_such_address)),
    path("exports/<int:number>/file", export_file, name="export-file"),
    path("ledger/<str:name>/checkpoint", tlog.checkpoint, name="tlog-checkpoint"),
    path("ledger/<str:name>/vkey", tlog.vkey, name="tlog-vkey"),
    path("ledger/<str:name>/tile/entries/<path:rest>", tlog.bundle, name="tlog-bundle"),
    path("ledger/<str:name>/tile/<path:rest>", tlog.tile, name="tlog-tile"),
    path("verify.py", verifier, name="verify-py"),
    path("verify.html", verifier_page, name="verify-html"),
    path("errors/<slug:code>", error_page, name="error-page"),
]
