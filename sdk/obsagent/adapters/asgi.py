"""FastAPI, Starlette and any other ASGI: a middleware that carries who asks, and the trace.

    app.add_middleware(AskedByRequest, actor=lambda scope: scope["user"].identity)

`actor` takes ASGI's scope and returns a person's id, the block `actor`, or None. Without it nobody
is said to ask: put it inside of whatever knows who that is. Imports nothing of a framework.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Optional

from obsagent.adapters.asking import Actor, asked_by

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
WhoAsks = Optional[Callable[[Scope], Actor]]

_CARRIED = (b"traceparent", b"tracestate")


class AskedByRequest:
    """Lets what an application does within a request be the act of who asks."""

    def __init__(self, app: App, *, actor: WhoAsks = None) -> None:
        self._app = app
        self._actor = actor

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request or a websocket; the rest of ASGI passes through."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = {
            name.decode("ascii"): value.decode("latin-1")
            for name, value in scope["headers"]
            if name in _CARRIED
        }
        actor = self._actor(scope) if self._actor is not None else None
        with asked_by(headers, actor):
            await self._app(scope, receive, send)
