"""An agent that calls tools of an MCP server in its own process: one answers, one fails.

python -m benchmarks.agents.serving obsagent
"""

from __future__ import annotations

import asyncio
import os
from typing import Any

from benchmarks.agents import loopback

ANSWER = "claim 4711: open"


def main() -> None:
    loopback.only_loopback()
    from obsagent import Observability

    from benchmarks.agents.watching import tell

    with Observability(os.environ["OBSAGENT_AGENT"]) as obs:
        answer = asyncio.run(run(obs))
        assert obs.flush(30), obs.client.stats()
        assert obs.client.stats()["rejected"] == 0, obs.client.stats()
    tell(answer, "mcp", "opentelemetry-sdk")


async def run(obs: Any) -> str:
    """Call both tools within a run and return what the first answered."""
    from mcp import Client
    from obsagent.adapters.mcp import observed

    async with Client(_server()) as client, obs.acts.run():
        session = observed(client, obs)
        found = await session.call_tool("look_up", {"claim": 4711})
        await session.call_tool("send_letter", {"claim": 4711})
    return str(found.content[0].text)


def _server() -> Any:
    from mcp.server import MCPServer

    server = MCPServer("claims-desk")

    @server.tool()
    def look_up(claim: int) -> str:
        """Look a claim up."""
        return f"claim {claim}: open"

    @server.tool()
    def send_letter(claim: int) -> str:
        """Send a letter about a claim."""
        raise PermissionError(f"nobody approved the letter about {claim}")

    return server


if __name__ == "__main__":
    main()
