"""Fill in what `$names` of a check stand for, and add a control's filter. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from compliance.language.comparing import OPS
from compliance.language.errors import DefinitionError
from compliance.language.yaml_lines import Exact


def filled(node: Any, params: Mapping[str, Any], lists: Mapping[str, Any]) -> Any:
    """Return a definition as plain JSON values without `$names`.

    A decimal becomes a number where a condition compares with it, and else stays text, to be read
    exactly (`durations.decimal`). Raises DefinitionError for a name that stands for nothing.
    """
    if isinstance(node, Mapping):
        return {key: filled(value, params, lists) for key, value in node.items()}
    if isinstance(node, list | tuple):
        values = [filled(value, params, lists) for value in node]
        return [values[0], values[1], _number(node[2], values[2])] if is_leaf(node) else values
    if isinstance(node, str) and node.startswith("$"):
        return _meaning(node[1:], params, lists)
    return str(node) if isinstance(node, Exact) else node


def is_leaf(node: Any) -> bool:
    """Tell whether a value is `[field, op, value]`."""
    return isinstance(node, list | tuple) and len(node) == 3 and node[1] in OPS


def with_filter(definition: Mapping[str, Any], condition: Any) -> dict[str, Any]:
    """Return a definition whose population meets one more condition.

    Raises DefinitionError for a kind that has no population.
    """
    population = definition.get("population")
    if population is None:
        raise DefinitionError(f"a {definition['kind']} has no population to filter")
    if "derive" in population:
        over = {"all": [population["over"], condition]}
        return {**definition, "population": {**population, "over": over}}
    return {**definition, "population": {"all": [population, condition]}}


def _meaning(name: str, params: Mapping[str, Any], lists: Mapping[str, Any]) -> Any:
    value = params[name] if name in params else lists.get(name)
    if value is None:
        raise DefinitionError(f'"${name}" is neither a parameter nor a list')
    return filled(list(value) if isinstance(value, tuple) else value, {}, {})


def _number(written: Any, value: Any) -> Any:
    """Return a leaf's value; what was written as a decimal is compared as a number."""
    return float(value) if isinstance(written, Exact) else value
