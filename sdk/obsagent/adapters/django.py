"""Django: a middleware that carries who asks, and the caller's trace, into acts of the agent.

    MIDDLEWARE = [..., "django.contrib.auth.middleware.AuthenticationMiddleware",
                  "obsagent.adapters.django.asked_by_request"]

The person is `request.user` by primary key, never by name or address, when somebody is logged in.
What a streaming answer does after the view has returned is outside. Imports nothing of Django.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from obsagent.adapters.asking import Actor, asked_by

_Function = TypeVar("_Function", bound=Callable[..., Any])


def _both_ways(middleware: _Function) -> _Function:
    """Tell Django, in its own words, that this serves sync and async views."""
    vars(middleware).update(sync_capable=True, async_capable=True)
    return middleware


@_both_ways
def asked_by_request(
    get_response: Callable[[Any], Any],
) -> Callable[[Any], Any] | Callable[[Any], Awaitable[Any]]:
    """Return the middleware; acts within a request are the act of who asks."""
    if inspect.iscoroutinefunction(get_response):

        async def in_turn(request: Any) -> Any:
            auser = getattr(request, "auser", None)
            user = await auser() if auser is not None else getattr(request, "user", None)
            with asked_by(_headers(request), actor_of(user)):
                return await get_response(request)

        return in_turn

    def at_once(request: Any) -> Any:
        with asked_by(_headers(request), actor_of(getattr(request, "user", None))):
            return get_response(request)

    return at_once


def actor_of(user: Any) -> Actor:
    """Return who a user is to the audit trail; None for nobody."""
    if user is None or not user.is_authenticated:
        return None
    return str(user.pk)


def _headers(request: Any) -> dict[str, str]:
    return {
        name: request.headers[name]
        for name in ("traceparent", "tracestate")
        if name in request.headers
    }
