"""Frameworks that tell what they do: each file turns one's own hooks into acts and spans.

Importing this imports nothing else; each adapter is imported by name, and says which extra it needs
when its framework is not installed.

    obsagent.adapters.langchain      LangChain and LangGraph: a callback
    obsagent.adapters.openai_agents  OpenAI Agents: a tracing processor
    obsagent.adapters.mcp            a session of MCP: its calls of tools
    obsagent.adapters.django, .asgi  a web service: who asks, and in which trace
"""

from __future__ import annotations
