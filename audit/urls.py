"""Addresses of the audit app: the API of version 1, and the pages its problems name."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path
from django.views.decorators.csrf import csrf_exempt

from audit.api import api
from audit.error_pages import error_page
from audit.post import post_events
from audit.problems import as_problems, no_such_address


def _guarded(pattern: URLPattern | URLResolver) -> URLPattern:
    """Return ninja's address with its view answering errors as problem documents."""
    assert isinstance(pattern, URLPattern), "the API includes no other addresses"
    return URLPattern(
        pattern.pattern, as_problems(pattern.callback), pattern.default_args, pattern.name
    )


_patterns, _app_name, _namespace = api.urls

urlpatterns: list[URLPattern | URLResolver] = [
    path("api/v1/events", as_problems(post_events), name="post-events"),
    path("api/v1/", ([_guarded(each) for each in _patterns], _app_name, _namespace)),
    path("api/v1/<path:rest>", csrf_exempt(no_such_address)),
    path("errors/<slug:code>", error_page, name="error-page"),
]
