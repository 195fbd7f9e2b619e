"""Say what an agent's models cost by day: cost has no label `agent` but in metrics_spend."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from audit.database import rows
from metrics.operations.series_read import Scope
from metrics.operations.window import Window
from metrics.spending import dollars

_SPENT = """
SELECT day, sum(nano)::bigint
FROM metrics_spend
WHERE ledger_id = ANY(%s)
  AND agent = %s
  AND day >= %s
  AND day <= %s
GROUP BY day
ORDER BY day DESC
"""


def spent_by_day(agent: str, scope: Scope, window: Window) -> list[tuple[date, Decimal]]:
    """Return the dollars of each UTC day that had any, the newest first; whole days."""
    asked = (list(scope.ledgers), agent, window.start.date(), window.now.date())
    return [(day, dollars(nano)) for day, nano in rows(_SPENT, asked)]
