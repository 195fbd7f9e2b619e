"""See what agents of other frameworks yield here, unchanged: traces, spans and chained entries.

Each sender runs its task offline in a process of its own, in an environment that is made here in a
temporary folder or that `--python` names, wired as its own guide says and pointed at a running
platform by OpenTelemetry's variables alone. Nothing of it may leave the machine: loopback.py. Then
the platform is asked what came of it, and the ledger is verified. The agents: benchmarks/agents.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from benchmarks.figures import CannotMeasure, Findings, arguments, report, say
from benchmarks.ground import ROOT, Installation, clean_environment, installation

REQUIREMENTS: Final = ROOT / "benchmarks" / "agents" / "requirements.txt"
_MAKE_SECONDS = 900
_SECONDS = 120


@dataclass(frozen=True, kw_only=True)
class SenderTask:
    """One agent, and who watches it."""

    name: str
    """Also the agent's id on the platform."""
    module: str
    watch: str = ""
    at_least: dict[str, int] = field(default_factory=dict)
    """The entries that its task must yield, by action."""

    def counted(self) -> Counter[str]:
        """Return them as a count."""
        return Counter(self.at_least)


_GRAPH: Final = {"tool.invoke": 2, "llm.call": 3}
_HANDING_ON: Final = {"tool.invoke": 2, "llm.call": 4, "run.completed": 1}

PEERS: Final = (
    SenderTask(
        name="opentelemetry-sdk",
        module="plain",
        at_least={"run.completed": 1, "llm.call": 2, "tool.invoke": 2},
    ),
    SenderTask(name="langgraph-openllmetry", module="graph", watch="openllmetry", at_least=_GRAPH),
    SenderTask(
        name="langgraph-openinference", module="graph", watch="openinference", at_least=_GRAPH
    ),
    SenderTask(
        name="openai-agents-openllmetry",
        module="handing_on",
        watch="openllmetry",
        at_least=_HANDING_ON,
    ),
    SenderTask(
        name="openai-agents-openinference",
        module="handing_on",
        watch="openinference",
        at_least=_HANDING_ON,
    ),
)
"""Senders that know nothing of the platform."""

ADAPTERS: Final = (
    SenderTask(
        name="langgraph-obsagent",
        module="graph",
        watch="obsagent",
        at_least=_GRAPH | {"llm.retrieve": 1, "run.started": 1, "run.completed": 1},
    ),
    SenderTask(
        name="openai-agents-obsagent",
        module="handing_on",
        watch="obsagent",
        at_least=_HANDING_ON | {"run.started": 1, "handoff.completed": 1},
    ),
    SenderTask(
        name="mcp-obsagent",
        module="serving",
        watch="obsagent",
        at_least={"run.started": 1, "tool.invoke": 2, "run.completed": 1},
    ),
)
"""The same agents with the SDK's adapters."""


@dataclass(frozen=True, kw_only=True)
class Yield:
    """What the platform has of a sender."""

    sender: SenderTask
    versions: dict[str, str]
    traces: list[dict[str, Any]]
    """Whole, with their spans."""
    entries: list[dict[str, Any]]
    """Oldest first."""

    def spans(self) -> list[dict[str, Any]]:
        """Return the spans of all its traces."""
        return [span for trace in self.traces for span in trace["items"]]

    def events(self) -> list[dict[str, Any]]:
        """Return the events of its entries."""
        return [entry["record"]["event"] for entry in self.entries]

    def actions(self) -> Counter[str]:
        """Return how many entries there are of each action."""
        return Counter(event["action"] for event in self.events())


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--python", type=Path, help="interpreter of an environment that has them")
    parser.add_argument("--table", action="store_true", help="print what each yields, for the docs")
    parser.add_argument("--dump", type=Path, help="keep all that was yielded in this file, as JSON")
    parser.add_argument("--make", type=Path, help="make an environment in this folder and stop")
    options = parser.parse_args()
    if options.make:
        print(make_environment(options.make))
        return
    report(options, lambda: measure(options))


def measure(options: argparse.Namespace) -> Findings:
    """Run every sender against one installation, and ask what came of it."""
    with tempfile.TemporaryDirectory(prefix="obs-senders-") as work:
        python = options.python or make_environment(Path(work))
        with installation() as running:
            where = Platform(url=running.url, key=running.key)
            found = [
                run(python, task, where, spool=Path(work) / task.name)
                for task in (*PEERS, *ADAPTERS)
            ]
            is_whole = _verify(running)
    if options.dump:
        options.dump.write_text(json.dumps([_plain(each) for each in found], indent=1))
    if options.table:
        print(table(found))
    findings = Findings(question="What do agents of other frameworks yield, unchanged?")
    for each in found:
        name, actions = each.sender.name, each.actions()
        findings.add(f"{name}: traces", len(each.traces), "traces", at_least=1)
        findings.add(f"{name}: spans", len(each.spans()), "spans", at_least=1)
        for action, number in each.sender.at_least.items():
            findings.add(f"{name}: {action}", actions[action], "entries", at_least=number)
    findings.add("the ledger verifies", float(is_whole), "", at_least=1)
    return findings


def make_environment(folder: Path) -> Path:
    """Make an environment with every framework, and return its interpreter. About 200 MB."""
    say(f"making an environment in {folder}")
    python = folder / "environment" / "bin" / "python"
    subprocess.run(
        [sys.executable, "-m", "venv", folder / "environment"], check=True, timeout=_MAKE_SECONDS
    )
    made = subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "--requirement", REQUIREMENTS],
        capture_output=True,
        text=True,
        timeout=_MAKE_SECONDS,
    )
    if made.returncode != 0:
        raise CannotMeasure(f"the senders cannot be installed here: {made.stderr[-500:]}")
    return python


@dataclass(frozen=True, kw_only=True)
class Platform:
    """Where senders send, and by which key; the key must also read entries and traces."""

    url: str
    key: str

    def get(self, path: str, **asked: str) -> Any:
        """Return what an address of the API answers."""
        query = f"?{urllib.parse.urlencode(asked)}" if asked else ""
        request = urllib.request.Request(  # noqa: S310 - our own server
            f"{self.url}/api/v1/{path}{query}", headers={"Authorization": f"Bearer {self.key}"}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            return json.loads(answer.read())


def run(python: Path, sender: SenderTask, where: Platform, *, spool: Path) -> Yield:
    """Let a sender do its task, wait until its events are chained, and return what there is."""
    told = _do(python, sender, where, spool)
    if told["refused"]:
        raise AssertionError(f"{sender.name} wanted to go to {told['refused']}")
    ends = time.monotonic() + _SECONDS
    while True:
        found = Yield(
            sender=sender,
            versions=told["versions"],
            traces=_traces(where, sender.name),
            entries=_entries(where, sender.name),
        )
        if _is_chained(found) or time.monotonic() > ends:
            return found
        time.sleep(0.2)


def _do(python: Path, sender: SenderTask, where: Platform, spool: Path) -> dict[str, Any]:
    more = [sender.watch] if sender.watch else []
    ended = subprocess.run(
        [python, "-m", f"benchmarks.agents.{sender.module}", *more],
        cwd=ROOT,
        env=_environment(sender, where, spool),
        capture_output=True,
        text=True,
        timeout=_SECONDS,
    )
    if ended.returncode != 0:
        raise AssertionError(
            f"{sender.name} ended with {ended.returncode}:\n{ended.stderr[-3000:]}"
        )
    said: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return said


def _environment(sender: SenderTask, where: Platform, spool: Path) -> dict[str, str]:
    kept = {
        name: value
        for name, value in clean_environment().items()
        if not name.startswith(("OTEL_", "OBSAGENT_", "PYTHON"))
    }
    return kept | {
        "OTEL_EXPORTER_OTLP_ENDPOINT": where.url,
        "OTEL_EXPORTER_OTLP_HEADERS": f"Authorization=Bearer%20{where.key}",
        "OTEL_SERVICE_NAME": sender.name,
        "OTEL_RESOURCE_ATTRIBUTES": f"obs.agent.id={sender.name}",
        "OBSAGENT_ENDPOINT": where.url,
        "OBSAGENT_KEY": where.key,
        "OBSAGENT_AGENT": sender.name,
        "OBSAGENT_SPOOL": str(spool),
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "sdk")]),
    }


def _traces(where: Platform, agent: str) -> list[dict[str, Any]]:
    listed = where.get("traces", agent=agent)["items"]
    return [where.get(f"traces/{each['trace_id']}") for each in listed]


def _entries(where: Platform, agent: str) -> list[dict[str, Any]]:
    newest: list[dict[str, Any]] = where.get("entries", agent=agent, limit="200")["items"]
    return newest[::-1]


def _is_chained(found: Yield) -> bool:
    """Tell whether every event that a span names is an entry, and those of the task are there."""
    chained = {event["id"] for event in found.events()}
    named = {span["event_id"] for span in found.spans() if span["event_id"]}
    actions = found.actions()
    return (
        bool(found.traces)
        and named <= chained
        and all(actions[action] >= number for action, number in found.sender.at_least.items())
    )


def _verify(running: Installation) -> bool:
    ended = subprocess.run(
        [sys.executable, "manage.py", "verifychain"],
        cwd=ROOT,
        env=clean_environment(OBS_DATA=str(running.data), OBS_LOG_LEVEL="WARNING"),
        capture_output=True,
        text=True,
        timeout=_SECONDS,
    )
    say(ended.stdout.strip() or ended.stderr.strip())
    return ended.returncode == 0


# --- The table -----------------------------------------------------------------------------------


def table(found: list[Yield]) -> str:
    """Return what each sender yields as Markdown, for docs/otlp-senders.md."""
    lines = [
        "| sender | traces, spans | entries | agent | model | tools | tokens in, out |"
        " outcomes of tools |",
        "|---|---|---|---|---|---|---|---|",
    ]
    return "\n".join([*lines, *(_line(each) for each in found)])


def _line(each: Yield) -> str:
    events = each.events()
    calls = [event for event in events if event["action"] == "llm.call"]
    tools = [event for event in events if event["action"] == "tool.invoke"]
    cells = (
        each.sender.name,
        f"{len(each.traces)}, {len(each.spans())}",
        _counted(each.actions()),
        _listed(event["agent"].get("name", "") for event in events),
        _listed(_model(event) for event in calls),
        _listed(event["tool"].get("name", "") for event in tools),
        f"{_summed(calls, 'input_tokens')}, {_summed(calls, 'output_tokens')}",
        _counted(Counter(event["outcome"] for event in tools)),
    )
    return f"| {' | '.join(cells)} |"


def _model(event: dict[str, Any]) -> str:
    model = event.get("model", {})
    return "/".join(part for part in (model.get("provider"), model.get("name")) if part)


def _listed(names: Any) -> str:
    return ", ".join(sorted({f"`{name}`" for name in names if name})) or "not said"


def _counted(number: Counter[str]) -> str:
    return ", ".join(f"{count} `{name}`" for name, count in sorted(number.items()))


def _summed(events: list[dict[str, Any]], name: str) -> str:
    found = [event["usage"][name] for event in events if name in event.get("usage", {})]
    return str(sum(found)) if found else "not said"


def _plain(each: Yield) -> dict[str, Any]:
    return {
        "sender": each.sender.name,
        "versions": each.versions,
        "traces": each.traces,
        "entries": each.entries,
    }


if __name__ == "__main__":
    main()
