"""The inputs of an alert rule, each with what it means."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from metrics.admin.forms import Box
from metrics.admin.runbooks import names
from metrics.alerting.minutes import families_with_minutes

_FUNCTIONS: Final = (
    ("rate", "rate: how often a second, over the window"),
    ("increase", "increase: how much came in the window"),
    ("quantile", "quantile: what a share of the observations lies below"),
    ("ratio", "ratio: the part of another family that it is"),
    ("value", "value: how a gauge stands"),
    ("age", "age: how long the time that a gauge says is past"),
    ("growth", "growth: how much higher a gauge stands than the window ago"),
    ("against_yesterday", "against yesterday: how many times the quantile of a day ago"),
    ("spike", "spike: the rate, in deviations above its mean of the day"),
)
_GROUPS: Final = ("agents", "models", "ledger", "compliance", "platform")


def boxes(*, is_new: bool) -> Sequence[Box]:
    """Return the inputs; a rule that stands keeps its name, and its change has a reason."""
    families = tuple((each.name, f"{each.kind}: {each.help}") for each in families_with_minutes())
    name = Box(
        name="name",
        word="Name",
        help="A capital, then letters and digits, such as BillingErrors. Alerts are called so; "
        "it stays.",
    )
    return (
        *((name,) if is_new else ()),
        Box(
            name="family",
            word="Family",
            choices=families,
            help="What it watches: any family of metrics that is kept by the minute.",
        ),
        Box(name="function", word="Function", kind="choice", choices=_FUNCTIONS),
        Box(
            name="comparison",
            word="Fires when it is",
            kind="choice",
            choices=((">", "more than"), ("<", "less than"), ("==", "exactly")),
        ),
        Box(
            name="threshold",
            word="Threshold",
            kind="number",
            help="In the family's unit; of a ratio 0 to 1, of a spike in deviations.",
        ),
        Box(
            name="window",
            word="Window",
            help="Over how long it is measured: 5m, 1h. The platform rounds up to whole minutes.",
        ),
        Box(
            name="lasts",
            word="For",
            is_needed=False,
            help="How long it must hold without a break before it fires: 5m; empty for at once.",
        ),
        Box(
            name="match",
            word="Only where",
            is_needed=False,
            help="Labels and their values, such as status=error|denied, ledger=main. All of them "
            "when empty.",
        ),
        Box(
            name="by",
            word="One alert for each",
            is_needed=False,
            help="Labels that tell alerts apart, such as agent or ledger. One alert for all of "
            "them together when empty.",
        ),
        Box(
            name="of",
            word="As a part of",
            choices=families,
            is_needed=False,
            help="Of a ratio alone: the family that is the whole.",
        ),
        Box(
            name="quantile",
            word="Share",
            kind="number",
            is_needed=False,
            help="Of quantiles: 0.95 is what 95 % of the observations lie below.",
        ),
        Box(
            name="aggregate",
            word="Of several series",
            kind="choice",
            choices=(("max", "the greatest"), ("min", "the least"), ("sum", "their sum")),
            help="Of gauges: what those that share an alert make together.",
        ),
        Box(
            name="severity",
            word="Severity",
            kind="choice",
            choices=(("warning", "warning"), ("critical", "critical")),
        ),
        Box(name="group", word="Group", kind="choice", choices=tuple((g, g) for g in _GROUPS)),
        Box(
            name="summary",
            word="Summary",
            help="One line for whoever is told. {value} stands for what was found, and a label of "
            "the field above, such as {agent}, for its value.",
        ),
        Box(
            name="description",
            word="What it means",
            kind="area",
            help="For whoever looks into it, with the same places.",
        ),
        Box(
            name="runbook",
            word="Runbook",
            choices=tuple((each, each) for each in names()),
            is_needed=False,
            help="The page that says what to do.",
        ),
        *(() if is_new else (reason_box(),)),
    )


def reason_box() -> Box:
    """Return the input for why somebody changes a rule."""
    return Box(
        name="reason",
        word="Why",
        help="The entry carries it, with your name: no personal data.",
    )
