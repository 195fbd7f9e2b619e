"""Acts as decorators of functions, sync and async: one line above a tool, a run, a step.

    @recorded(acts).tool(risk="high")
    async def send_letter(to: int) -> str: ...

The call's arguments are bound to their names and hashed; the result too. What the function raises
it raises on, recorded as the act's error.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

from obsagent.acts import Act, Acts, ToolCall

_Function = TypeVar("_Function", bound=Callable[..., Any])
Made = Callable[[dict[str, Any]], Act]
"""From the arguments of a call to the act that it is."""


class Decorators:
    """The acts of one agent as decorators."""

    def __init__(self, acts: Acts) -> None:
        self._acts = acts

    def tool(self, name: str | None = None, **fields: Any) -> Callable[[_Function], _Function]:
        """Record each call as tool.invoke, under the function's name unless told otherwise."""

        def decorate(function: _Function) -> _Function:
            called = name or function.__name__
            return _wrapped(
                function, lambda given: self._acts.tool(called, arguments=given, **fields)
            )

        return decorate

    def run(self, **fields: Any) -> Callable[[_Function], _Function]:
        """Record each call as a run of the agent."""
        return lambda function: _wrapped(function, lambda _: self._acts.run(**fields))

    def workflow(
        self, workflow_id: str | None = None, **fields: Any
    ) -> Callable[[_Function], _Function]:
        """Record each call as a workflow, under the function's name unless told otherwise."""

        def decorate(function: _Function) -> _Function:
            called = workflow_id or function.__name__
            return _wrapped(function, lambda _: self._acts.workflow(called, **fields))

        return decorate

    def step(self, step_id: str | None = None, **fields: Any) -> Callable[[_Function], _Function]:
        """Record each call as a step of the workflow around it."""

        def decorate(function: _Function) -> _Function:
            called = step_id or function.__name__
            return _wrapped(function, lambda _: self._acts.step(called, **fields))

        return decorate

    def act(self, action: str, **fields: Any) -> Callable[[_Function], _Function]:
        """Record each call as this action."""
        return lambda function: _wrapped(function, lambda _: self._acts.act(action, **fields))


def recorded(acts: Acts) -> Decorators:
    """Return the decorators of an agent's acts."""
    return Decorators(acts)


def _wrapped(function: _Function, make: Made) -> _Function:
    signature = inspect.signature(function)

    def given(args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return {name: value for name, value in bound.arguments.items() if name != "self"}

    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def in_turn(*args: Any, **kwargs: Any) -> Any:
            async with make(given(args, kwargs)) as act:
                result = await cast("Awaitable[Any]", function(*args, **kwargs))
                return _told(act, result)

        return cast("_Function", in_turn)

    @functools.wraps(function)
    def at_once(*args: Any, **kwargs: Any) -> Any:
        with make(given(args, kwargs)) as act:
            return _told(act, function(*args, **kwargs))

    return cast("_Function", at_once)


def _told(act: Act, result: Any) -> Any:
    return act.result(result) if isinstance(act, ToolCall) else result
