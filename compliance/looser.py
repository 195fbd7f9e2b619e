"""Tell whether a limit is looser than another one, as far as the limit alone can tell. Pure.

Of some limits less asks more (how long something may take, how many records pass unasked), of some
more does (how long records are kept). Where the name of a limit does not say which, nobody can tell
from the value, and the change is taken for a looser one. Who decides then: limits.py.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from typing import Any, Final

from compliance.language.durations import Duration, decimal, parse_duration
from compliance.language.errors import DefinitionError

SHORTER_ASKS_MORE: Final = frozenset({
    "bulk", "every", "max_age", "max_fail_count", "max_fail_rate", "max_gap", "max_records",
    "within",
})  # fmt: skip
LONGER_ASKS_MORE: Final = frozenset({"keep_days", "min_days", "min_months"})

# A month is 28 to 31 days long: two lengths are compared from the start of each month of 8 years,
# which holds a leap day and the months around it at every distance that matters.
_ANCHORS: Final = tuple(
    (year * 365 + (year + 1) // 4 + day) * 86_400_000_000
    for year, day in product(range(8), (0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334))
)


def is_as_strict(name: str, value: Any, than: Any) -> bool:
    """Tell whether a limit of this name asks at least what another value of it asks.

    False also where that cannot be told: another type, a list, a name that says nothing.
    """
    if value == than and isinstance(value, bool) == isinstance(than, bool):
        return True
    if name in SHORTER_ASKS_MORE:
        return _is_at_most(value, than)
    return name in LONGER_ASKS_MORE and _is_at_most(than, value)


def same_kind(value: Any, shipped: Any) -> bool:
    """Tell whether a value may stand in for a shipped one: number, duration, text, list."""
    if isinstance(shipped, bool) or isinstance(value, bool):
        return isinstance(shipped, bool) and isinstance(value, bool)
    if isinstance(shipped, int):
        return isinstance(value, int) and value >= 0
    if isinstance(shipped, str):
        if not isinstance(value, str):
            return False
        if _duration(shipped) is not None:
            return _duration(value) is not None
        return _number(shipped) is None or _number(value) is not None
    if isinstance(shipped, list | tuple):
        return (
            isinstance(value, list | tuple)
            and bool(value)
            and all(any(type(one) is type(each) for each in shipped) for one in value)
        )
    return False


def _is_at_most(value: Any, than: Any) -> bool:
    fewer, more = _number(value), _number(than)
    if fewer is not None and more is not None:
        return fewer <= more
    shorter, longer = _duration(value), _duration(than)
    if shorter is None or longer is None:
        return False
    return all(shorter.after(each) <= longer.after(each) for each in _ANCHORS)


def _number(value: Any) -> Fraction | None:
    """Return a whole number, or a decimal as checks write it, `0.005`; None for what is neither."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    try:
        return decimal(value)
    except DefinitionError:
        return None


def _duration(value: Any) -> Duration | None:
    if not isinstance(value, str):
        return None
    try:
        return parse_duration(value)
    except DefinitionError:
        return None
