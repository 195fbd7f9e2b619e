"""Draw how a budget is used up: what was spent day by day, and where a straight line ends. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, time
from decimal import Decimal
from typing import Any

from metrics.operations.window import DAY
from metrics.spending import Spending


def burn_chart(spending: Spending) -> Mapping[str, Any]:
    """Return the chart of a budget's period as obs/charts.js draws it, in dollars, a day a step.

    Three lines: what was spent up to the end of each day, the same as the forecast goes on from the
    newest day to the end of the period, and the budget.
    """
    places = (spending.last - spending.first).days + 1
    gone: list[float | None] = []
    so_far = Decimal(0)
    for _, usd in spending.days:
        so_far += usd
        gone.append(float(so_far))
    today, left = len(gone), places - len(gone)
    ahead: list[float | None] = [None] * (today - 1) + [float(so_far)]
    step = (spending.forecast - so_far) / left if left else Decimal(0)
    ahead += [float(so_far + step * (place + 1)) for place in range(left)]
    lines = {
        "spent": gone + [None] * left,
        "forecast": ahead,
        "budget": [float(spending.usd)] * places,
    }
    wholes = {
        "spent": float(spending.used),
        "forecast": float(spending.forecast),
        "budget": float(spending.usd),
    }
    return {
        "title": "Burn and forecast",
        "says": "What was spent up to each day, and where a straight line ends.",
        "unit": "usd",
        "kind": "line",
        "stacked": False,
        "start": int(datetime.combine(spending.first, time(), tzinfo=UTC).timestamp()),
        "step": DAY,
        "places": places,
        "entries": "",
        "series": [
            {"name": name, "whole": wholes[name], "values": values, "query": ""}
            for name, values in lines.items()
        ],
    }
