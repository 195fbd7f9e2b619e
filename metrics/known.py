"""What a fold is told by people: custom metrics that are allowed, and what models cost. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from metrics.labels import normalise

_MILLION: Final = 1_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Custom:
    """A metric of agents' own that an administrator has allowed."""

    name: str
    """As `measure.name` says it, and as the label says it: in normal form."""
    kind: Literal["counter", "gauge", "histogram"]
    labels: tuple[str, ...] = ()
    """At most five; an event may say fewer, and none besides."""
    from_us: int = 0
    """An entry that was received before is refused."""
    until_us: int | None = None
    """So is one received from then on; None while it is allowed. Kept, so that whoever counts again
    counts the same."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Price:
    """What a model costs from a moment on, in nano-dollars per million tokens of each type."""

    from_us: int
    input: int
    output: int
    cache_read: int = 0
    """Besides `input`: 0 or less where the count of input tokens holds these already."""
    reasoning: int = 0
    """Besides `output`, as above."""

    def cost(self, tokens: Mapping[str, int]) -> int:
        """Return nano-dollars of so many tokens by type, rounded to the nearest."""
        total = (
            tokens.get("input", 0) * self.input
            + tokens.get("output", 0) * self.output
            + tokens.get("cache_read", 0) * self.cache_read
            + tokens.get("reasoning", 0) * self.reasoning
        )
        return max(0, (total + _MILLION // 2) // _MILLION)


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """What people have entered, as it stands when a batch is folded."""

    custom: Mapping[str, Sequence[Custom]] = field(default_factory=dict)
    """By name, each as it was allowed in its time."""
    prices: Mapping[tuple[str, str], Sequence[Price]] = field(default_factory=dict)
    """By provider and model in normal form, the earliest first."""

    def allowed(self, name: str, received_us: int) -> Custom | None:
        """Return the measure of this name as it was allowed then; None when it was not."""
        for custom in self.custom.get(name, ()):
            if custom.from_us <= received_us and (
                custom.until_us is None or received_us < custom.until_us
            ):
                return custom
        return None

    def cost(self, block: Mapping[str, Any], tokens: Mapping[str, int], at_us: int) -> int | None:
        """Return nano-dollars of a request, rounded to the nearest; None without a price.

        `block` is the event's `model`, `tokens` counts by type.
        """
        price = self.price_of(block, at_us) if tokens else None
        return None if price is None else price.cost(tokens)

    def price_of(self, block: Mapping[str, Any], at_us: int) -> Price | None:
        """Return what a model cost then; None when nobody has said it."""
        provider, model = block.get("provider"), block.get("name")
        if not self.prices or not provider or not model:
            return None
        prices = self.prices.get((normalise(provider), normalise(model)), ())
        place = bisect_right(prices, at_us, key=lambda price: price.from_us)
        return prices[place - 1] if place else None
