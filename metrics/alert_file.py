"""Write the rules as the file that Prometheus reads, docker/prometheus/alerts.rules.yml. Pure.

One group for each group of rules, all evaluated each `INTERVAL`; a rule has the label `severity`
and the annotations `summary`, `description` and `runbook_url`. The text is the same for the same
rules. `manage.py alertrules` prints it, `make alerts` writes it.

Places in the words of a rule become Prometheus' own: `{ledger}` is `{{ $labels.ledger }}`, and
`{value}` is what was found, as a person reads it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any, Final

import yaml

from metrics.alert_promql import duration, promql
from metrics.alert_rule import Rule, Shown

INTERVAL: Final = timedelta(seconds=30)
RUNBOOKS: Final = "docs/runbooks"
"""Where the pages stand in the checkout; an installation may serve them elsewhere."""

_WIDTH: Final = 1_000  # an expression stays on its line
_HEAD: Final = "# Written by `make alerts` from the list of rules; a test fails when it is stale.\n"
_SHOWN: Final[Mapping[Shown, str]] = {
    "number": "humanize",
    "seconds": "humanizeDuration",
    "percent": "humanizePercentage",
}


def alert_file(rules: Iterable[Rule], *, runbooks: str = RUNBOOKS) -> str:
    """Return the whole file; `runbooks` is the address under which the pages stand."""
    return _written({"groups": _groups(rules, runbooks)})


def alert_object(rules: Iterable[Rule], *, runbooks: str = RUNBOOKS) -> str:
    """Return the same rules as the object PrometheusRule, which Prometheus' operator reads."""
    return _written(
        {
            "apiVersion": "monitoring.coreos.com/v1",
            "kind": "PrometheusRule",
            "metadata": {"name": "obsplatform"},
            "spec": {"groups": _groups(rules, runbooks)},
        }
    )


def _written(content: dict[str, Any]) -> str:
    return _HEAD + yaml.safe_dump(content, sort_keys=False, width=_WIDTH)


def _groups(rules: Iterable[Rule], runbooks: str) -> list[dict[str, Any]]:
    groups: dict[str, list[dict[str, Any]]] = {}
    for rule in rules:
        groups.setdefault(rule.group, []).append(_alert(rule, runbooks))
    return [
        {"name": f"obsplatform-{group}", "interval": duration(INTERVAL), "rules": alerts}
        for group, alerts in groups.items()
    ]


def template(rule: Rule, text: str) -> str:
    """Return the words of a rule with Prometheus' places in place of ours."""
    value = f"{{{{ $value | {_SHOWN[rule.shows]} }}}}"
    labels = {label: f"{{{{ $labels.{label} }}}}" for label in rule.by}
    return text.format_map({**labels, "value": value})


def _alert(rule: Rule, runbooks: str) -> dict[str, Any]:
    held = {"for": duration(rule.lasts)} if rule.lasts else {}
    return {
        "alert": rule.name,
        "expr": promql(rule),
        **held,
        "labels": {"severity": rule.severity},
        "annotations": {
            "summary": template(rule, rule.summary),
            "description": template(rule, rule.description),
            "runbook_url": f"{runbooks.rstrip('/')}/{rule.runbook}.md",
        },
    }
