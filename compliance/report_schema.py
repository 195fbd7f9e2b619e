"""Describe report.json as JSON Schema: docs/report-schema.json. Pure.

Made of report_content/ alone, so it cannot say anything else than what is written and read: the
shapes are its dataclasses, the descriptions their docstrings. `result` is open here; its fields are
those of the API's answer about a score (docs/api.md).
"""

from __future__ import annotations

import ast
import inspect
import json
from collections.abc import Iterator
from itertools import chain
from typing import Any, Final

import msgspec

from compliance.report_content import (
    SCHEMA,
    ReportContent,
    cover,
    law,
    people,
    population,
    results,
    whole,
)

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_PARTS: Final = (cover, results, people, population, law, whole)


def report_schema() -> str:
    """Return the schema as JSON text with a newline at its end; the same for the same code."""
    schema = msgspec.json.schema(ReportContent)
    said = dict(_field_docs())
    for name, shape in schema["$defs"].items():
        # Whoever reads with this schema notices a field that it does not know.
        shape["additionalProperties"] = False
        for field, about in shape["properties"].items():
            if (name, field) in said:
                about["description"] = said[name, field]
    schema["$defs"]["ReportContent"]["properties"]["schema"] = {
        "const": SCHEMA,
        "description": "The form of this file; another form has another name.",
    }
    described = {"$schema": DIALECT, "title": f"A report of obsplatform, {SCHEMA}", **schema}
    return f"{json.dumps(described, ensure_ascii=False, indent=2, sort_keys=True)}\n"


def _field_docs() -> Iterator[tuple[tuple[str, str], str]]:
    """Yield what stands under a field, by class and field: Python keeps no docstring of it."""
    for each in chain.from_iterable(ast.parse(inspect.getsource(part)).body for part in _PARTS):
        if isinstance(each, ast.ClassDef):
            for field, below in zip(each.body, each.body[1:], strict=False):
                about = _text(below)
                if isinstance(field, ast.AnnAssign) and about:
                    assert isinstance(field.target, ast.Name), "a field of a dataclass has a name"
                    yield (each.name, field.target.id), about


def _text(node: ast.stmt) -> str:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        value: Any = node.value.value
        return " ".join(str(value).split())
    return ""
