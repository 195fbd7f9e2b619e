"""A session of MCP whose calls of tools are acts: `tool.invoke` of kind `mcp`, with its server.

    session = observed(session, obs)                    # mcp.ClientSession or mcp.Client
    await session.call_tool("look_up", {"claim": 4711})

Nothing of MCP's library is imported: whatever has `call_tool` will do. The server's name is what it
said of itself when the session began, unless it is given.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from obsagent.acts import ToolCall
from obsagent.adapters.calls import Calls, named
from obsagent.canonical import hashable
from obsagent.observability import Observability

_Session = TypeVar("_Session")


def observed(
    session: _Session, obs: Observability, *, server: str | None = None,
    tools: Mapping[str, Mapping[str, Any]] | None = None,
) -> _Session:  # fmt: skip
    """Return the session, whose `call_tool` is recorded from now on.

    `tools` says more of tools by name: `{"pay": {"risk": "high"}}`. A result that says it is an
    error is a failure; what the call raises it raises on.
    """
    calls, known = Calls(obs), tools or {}
    inner: Any = session
    call = inner.call_tool

    async def call_tool(
        name: str, arguments: dict[str, Any] | None = None, *args: Any, **kwargs: Any
    ) -> Any:
        key = _begin(calls, session, name, arguments, server, known)
        try:
            result = await call(name, arguments, *args, **kwargs)
            _tell(calls, key, result)
        except BaseException as error:
            calls.end(key, error)
            raise
        calls.end(key)
        return result

    inner.call_tool = call_tool
    return session


def _begin(
    calls: Calls, session: Any, name: str, arguments: Any, server: str | None,
    known: Mapping[str, Mapping[str, Any]],
) -> str:  # fmt: skip
    key = calls.new_key()
    server = server or _server(session)
    more = {"kind": "mcp", "server": server, **known.get(name, {})}
    calls.begin(
        key,
        None,
        name=f"tools/call {name}",
        attributes={
            "gen_ai.operation.name": "execute_tool",
            "mcp.method.name": "tools/call",
            "gen_ai.tool.name": name,
            "server.address": server,
        },
        make=lambda acts, fields: acts.tool(
            named(name), arguments=hashable(arguments), **{**fields, **more}
        ),
    )
    return key


def _server(session: Any) -> str | None:
    """Return what the server calls itself; the library's names for it differ by version."""
    told = getattr(session, "server_info", None)
    if told is None:
        begun = getattr(session, "initialize_result", None)
        told = getattr(begun, "server_info", None) or getattr(begun, "serverInfo", None)
    name = getattr(told, "name", None)
    return None if name is None else named(name)


def _tell(calls: Calls, key: str, result: Any) -> None:
    going = calls.get(key)
    if going is None:
        return
    content = [_plain(each) for each in getattr(result, "content", None) or []]
    if isinstance(going.act, ToolCall):
        going.act.result(hashable(content))
    if getattr(result, "is_error", False) or getattr(result, "isError", False):
        going.fail("ToolError", " ".join(each.get("text", "") for each in content))


def _plain(block: Any) -> dict[str, Any]:
    shown = getattr(block, "model_dump", None)
    if shown is None:  # another library's, or a dict
        return dict(block) if isinstance(block, Mapping) else {"text": str(block)}
    told: dict[str, Any] = shown(mode="json", exclude_none=True)
    return told
