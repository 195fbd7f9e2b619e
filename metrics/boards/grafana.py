"""Write boards as the JSON that Grafana 11 and 12 provision. Pure.

The same board gives the same text each time. Sources are named by the uids that
docker/grafana/provisioning/datasources.yml gives them. How each kind of panel looks:
grafana_kinds.py; where it stands: layout.py. `manage.py boards` writes the files.
"""

from __future__ import annotations

import json
from typing import Any, Final, TypeAlias

from metrics import agent_families as agent
from metrics.boards.grafana_kinds import TYPES, options, style, transformations
from metrics.boards.layout import Placed, placed
from metrics.boards.shape import Board, Panel, Query, Row
from metrics.family import Family

JSONObject: TypeAlias = dict[str, Any]
"""An object as json writes it."""

SCHEMA: Final = 39
"""The schema of Grafana 11.0, which 12 reads too."""

DESK: Final = "http://127.0.0.1:8000"
"""Where the desk is, unless the command is told."""

PROMETHEUS: Final = {"type": "prometheus", "uid": "prometheus"}
POSTGRES: Final = {"type": "grafana-postgresql-datasource", "uid": "postgres"}
LOKI: Final = {"type": "loki", "uid": "loki"}
JAEGER: Final = {"type": "jaeger", "uid": "jaeger"}

KNOWN_FROM: Final[dict[str, tuple[Family, str]]] = {
    "ledger": (agent.EVENTS, ""),
    "environment": (agent.EVENTS, ""),
    "agent": (agent.AGENT_OPERATIONS, ""),
    "provider": (agent.LLM_REQUESTS, ""),
    "model": (agent.LLM_REQUESTS, '{provider=~"$provider"}'),
    "tool": (agent.TOOL_CALLS, ""),
}
"""The family whose samples tell the values of a variable, and what narrows them."""

_TAG: Final = "obsplatform"
_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def file_of(board: Board) -> str:
    """Return the name of a board's file."""
    return f"{board.uid}.json"


def text_of(board: Board, *, desk: str = DESK) -> str:
    """Return the file of a board; `desk` is the address that its links lead to."""
    return json.dumps(dashboard(board, desk=desk), indent=1, ensure_ascii=False) + "\n"


def dashboard(board: Board, *, desk: str = DESK) -> JSONObject:
    """Return a board as Grafana's object."""
    return {
        "id": None,
        "uid": board.uid,
        "title": board.title,
        "description": board.says,
        "tags": [_TAG],
        "schemaVersion": SCHEMA,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "timezone": "browser",
        "refresh": f"{board.refresh_seconds}s",
        "time": {"from": f"now-{board.hours}h", "to": "now"},
        "timepicker": {},
        "fiscalYearStartMonth": 0,
        "liveNow": False,
        "weekStart": "",
        "links": [_other_boards()],
        "annotations": {"list": []},
        "templating": {
            "list": [*(_variable(each, board) for each in board.variables), _desk(desk)]
        },
        "panels": [_placed(each) for each in placed(board)],
    }


def _other_boards() -> JSONObject:
    return {
        "type": "dashboards", "title": "Boards", "tags": [_TAG], "asDropdown": True,
        "includeVars": True, "keepTime": True, "targetBlank": False, "icon": "external link",
        "tooltip": "", "url": "",
    }  # fmt: skip


def _variable(name: str, board: Board) -> JSONObject:
    family, narrowed = KNOWN_FROM[name]
    is_single = name == "agent" and board.is_of_one_agent
    asked = f"label_values({family.name}{narrowed}, {name})"
    return {
        "name": name, "label": name.capitalize(), "type": "query", "hide": 0,
        "datasource": PROMETHEUS, "definition": asked, "query": {"qryType": 1, "query": asked,
        "refId": "PrometheusVariableQueryEditor-VariableQuery"}, "refresh": 2, "regex": "",
        "sort": 1, "multi": not is_single, "includeAll": not is_single,
        "allValue": None if is_single else ".*",
        "current": {} if is_single else {"selected": True, "text": ["All"], "value": ["$__all"]},
        "options": [], "skipUrlSync": False,
    }  # fmt: skip


def _desk(address: str) -> JSONObject:
    return {
        "name": "desk", "label": "Desk", "type": "constant", "hide": 2, "query": address,
        "current": {"selected": True, "text": address, "value": address},
        "options": [{"selected": True, "text": address, "value": address}], "skipUrlSync": True,
    }  # fmt: skip


def _placed(each: Placed) -> JSONObject:
    place = {"h": each.height, "w": each.width, "x": each.x, "y": each.y}
    if isinstance(each.what, Row):
        return {
            "id": each.number, "type": "row", "title": each.what.title, "collapsed": False,
            "gridPos": place, "panels": [],
        }  # fmt: skip
    return {"id": each.number, "gridPos": place, **_panel(each.what)}


def _panel(panel: Panel) -> JSONObject:
    return {
        "type": TYPES[panel.kind],
        "title": panel.title,
        "description": panel.says,
        "datasource": _source(panel.queries[0]),
        "targets": [
            _target(query, panel, letter)
            for query, letter in zip(panel.queries, _LETTERS[: len(panel.queries)], strict=True)
        ],
        "fieldConfig": {"defaults": style(panel), "overrides": []},
        "options": options(panel),
        "transformations": transformations(panel),
        "links": [_link(panel.page)] if panel.page else [],
    }


def _source(query: Query) -> dict[str, str]:
    return PROMETHEUS if query.language == "promql" else POSTGRES


def _target(query: Query, panel: Panel, letter: str) -> JSONObject:
    if query.language == "sql":
        return {
            "refId": letter, "datasource": POSTGRES, "rawQuery": True, "editorMode": "code",
            "format": "table" if panel.kind == "table" else "time_series", "rawSql": query.text,
        }  # fmt: skip
    is_instant = panel.kind in ("gauge", "bar", "pie", "table") or query.is_over_the_range
    shapes = {"table": "table", "heatmap": "heatmap"}
    return {
        "refId": letter, "datasource": PROMETHEUS, "editorMode": "code", "expr": query.text,
        "legendFormat": query.legend, "instant": is_instant, "range": not is_instant,
        "exemplar": panel.kind == "timeseries" and "_bucket" in query.text,
        "format": shapes.get(panel.kind, "time_series"),
    }  # fmt: skip


def _link(page: str) -> JSONObject:
    return {"title": "Read it at the desk", "url": f"${{desk:raw}}{page}", "targetBlank": True}
