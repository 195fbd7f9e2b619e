"""How each kind of panel looks in Grafana: its type, units, colours, options. Pure.

Which members Grafana wants of each kind is written here and nowhere else. The file around panels:
grafana.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from metrics.boards.shape import Kind, Panel, Unit

TYPES: Final[Mapping[Kind, str]] = {
    "timeseries": "timeseries",
    "stat": "stat",
    "gauge": "gauge",
    "bar": "bargauge",
    "pie": "piechart",
    "table": "table",
    "heatmap": "heatmap",
}

UNITS: Final[Mapping[Unit, str]] = {
    "count": "short",
    "seconds": "s",
    "bytes": "bytes",
    "ratio": "percentunit",
    "usd": "currencyUSD",
    "state": "none",
    "cores": "none",
    "score": "percentunit",
    "per_second": "cps",
    "per_minute": "cpm",
    "bytes_per_second": "Bps",
    "tokens_per_second": "cps",
    "requests_per_second": "reqps",
}
"""Grafana's id of each unit."""

_UP_TO_ONE: Final = ("ratio", "score", "state")
_NEWEST: Final = {"calcs": ["lastNotNull"], "fields": "", "values": False}


def style(panel: Panel) -> dict[str, Any]:
    """Return the unit, the limits and the colours of a panel's values."""
    return {
        "unit": _unit(panel),
        **({"min": 0} if panel.unit in _UP_TO_ONE else {}),
        **({"max": 1} if panel.unit in _UP_TO_ONE and panel.kind == "gauge" else {}),
        "color": {"mode": _colours(panel)},
        "thresholds": {"mode": "absolute", "steps": _steps(panel)},
        "mappings": [],
        "custom": _custom(panel),
    }


def options(panel: Panel) -> dict[str, Any]:
    """Return what only panels of its kind have."""
    return _OPTIONS[panel.kind] if panel.kind != "heatmap" else _heatmap(panel)


def transformations(panel: Panel) -> list[dict[str, Any]]:
    """Return what is done with the answer before it is shown: series as a table lose their time."""
    if panel.kind != "table" or panel.queries[0].language == "sql":
        return []
    hidden = {"excludeByName": {"Time": True}, "renameByName": {"Value": panel.unit}}
    return [{"id": "organize", "options": {**hidden, "indexByName": {}}}]


def _unit(panel: Panel) -> str:
    # A column of seqs is not to be read as "1.2 K".
    is_listing = panel.kind == "table" and panel.queries[0].language == "sql"
    return "none" if is_listing and panel.unit == "count" else UNITS[panel.unit]


def _colours(panel: Panel) -> str:
    is_judged = panel.thresholds and panel.kind in ("stat", "gauge", "bar", "table")
    return "thresholds" if is_judged else "palette-classic"


def _steps(panel: Panel) -> list[dict[str, Any]]:
    if not panel.thresholds:
        return [{"color": "blue", "value": None}]
    return [{"color": each.colour, "value": each.at} for each in panel.thresholds]


def _custom(panel: Panel) -> dict[str, Any]:
    if panel.kind == "timeseries":
        return {
            "drawStyle": "line", "lineWidth": 1, "fillOpacity": 25 if panel.is_stacked else 8,
            "showPoints": "auto", "spanNulls": False, "axisPlacement": "auto", "axisSoftMin": 0,
            "lineInterpolation": "linear", "scaleDistribution": {"type": "linear"},
            "stacking": {"mode": "normal" if panel.is_stacked else "none", "group": "A"},
            "thresholdsStyle": {"mode": "dashed" if panel.thresholds else "off"},
        }  # fmt: skip
    if panel.kind == "table":
        shown = "color-text" if panel.thresholds else "auto"
        return {"align": "auto", "cellOptions": {"type": shown}, "filterable": True}
    return {}


def _heatmap(panel: Panel) -> dict[str, Any]:
    return {
        "calculate": False, "cellGap": 1, "showValue": "never",
        "color": {"mode": "scheme", "scheme": "Oranges", "scale": "exponential", "exponent": 0.5,
                  "fill": "dark-orange", "reverse": False, "steps": 64},
        "yAxis": {"axisPlacement": "left", "unit": UNITS[panel.unit], "reverse": False},
        "rowsFrame": {"layout": "auto"}, "legend": {"show": True},
        "tooltip": {"mode": "single", "yHistogram": False, "showColorScale": True},
        "filterValues": {"le": 1e-9}, "exemplars": {"color": "rgba(255,0,255,0.7)"},
    }  # fmt: skip


_OPTIONS: Final[Mapping[Kind, dict[str, Any]]] = {
    "timeseries": {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
        "tooltip": {"mode": "multi", "sort": "desc"},
    },
    "stat": {
        "reduceOptions": _NEWEST, "colorMode": "value", "graphMode": "area", "justifyMode": "auto",
        "orientation": "auto", "textMode": "auto", "wideLayout": True,
    },
    "gauge": {
        "reduceOptions": _NEWEST, "orientation": "auto", "showThresholdLabels": False,
        "showThresholdMarkers": True, "minVizHeight": 75, "minVizWidth": 75, "sizing": "auto",
    },
    "bar": {
        "reduceOptions": _NEWEST, "displayMode": "basic", "orientation": "horizontal",
        "showUnfilled": True, "valueMode": "color", "minVizHeight": 16, "minVizWidth": 8,
        "maxVizHeight": 300, "namePlacement": "auto", "sizing": "auto",
    },
    "pie": {
        "reduceOptions": _NEWEST, "pieType": "donut", "displayLabels": ["percent"],
        "legend": {"displayMode": "table", "placement": "right", "showLegend": True,
                   "values": ["value"]},
        "tooltip": {"mode": "single", "sort": "none"},
    },
    "table": {"showHeader": True, "cellHeight": "sm", "footer": {"show": False}},
}  # fmt: skip
