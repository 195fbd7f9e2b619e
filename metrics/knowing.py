"""Read what people have decided that a fold must know: measures that are taken, prices.

Both tables are small and asked once a batch. What they mean: known.py. Who writes them: custom.py
and prices.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import psycopg

from metrics.known import Custom, Known, Price
from metrics.labels import normalise

_NANO: Final = 1_000_000_000

_CUSTOM = """
SELECT name, kind, labels,
    (extract(epoch FROM allowed_at) * 1000000)::bigint,
    (extract(epoch FROM ended_at) * 1000000)::bigint
FROM public.metrics_custommetric
ORDER BY id
"""
_PRICES = """
SELECT provider, model, (extract(epoch FROM starts_at) * 1000000)::bigint,
    input, output, cache_read, reasoning
FROM public.metrics_price
WHERE removed_at IS NULL
ORDER BY starts_at
"""


def known(cursor: psycopg.Cursor[Any]) -> Known:
    """Return what people have entered, as it stands in the caller's transaction."""
    return Known(custom=_custom(cursor), prices=_prices(cursor))


def _custom(cursor: psycopg.Cursor[Any]) -> Mapping[str, list[Custom]]:
    found: dict[str, list[Custom]] = {}
    for name, kind, labels, from_us, until_us in cursor.execute(_CUSTOM).fetchall():
        found.setdefault(name, []).append(
            Custom(name=name, kind=kind, labels=tuple(labels), from_us=from_us, until_us=until_us)
        )
    return found


def _prices(cursor: psycopg.Cursor[Any]) -> Mapping[tuple[str, str], list[Price]]:
    found: dict[tuple[str, str], list[Price]] = {}
    for provider, model, from_us, *dollars in cursor.execute(_PRICES).fetchall():
        each = [_nano(one) for one in dollars]
        price = Price(
            from_us=from_us, input=each[0], output=each[1], cache_read=each[2], reasoning=each[3]
        )
        found.setdefault((normalise(provider), normalise(model)), []).append(price)
    return found


def _nano(dollars: Decimal) -> int:
    return int(dollars * _NANO)
