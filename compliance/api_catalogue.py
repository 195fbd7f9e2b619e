"""The API of what defines scores: frameworks, their controls, checks in words and as data.

Operations beside those of compliance.api. Reads the catalogue in force and nothing of a ledger.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
from django.http import HttpRequest, HttpResponse
from ninja import Router

from compliance import api_answers as shapes
from compliance.api_asked import Name, answering, check_of, framework_of
from compliance.controls_table import cannot_of
from compliance.definitions import Check, Control, Framework
from compliance.gather import answer_json
from compliance.in_force import catalogue_in_force
from compliance.result import canonical
from compliance.wording import in_words

router = Router()


@router.get(
    "/frameworks",
    response=shapes.FrameworkPage,
    tags=["scores"],
    summary="List the frameworks in force",
)
@answering()
def list_frameworks(request: HttpRequest) -> HttpResponse:
    """Give the frameworks that are shipped and those that were added."""
    catalogue = catalogue_in_force()
    items = [_framework_item(one) for one in catalogue.frameworks.values()]
    return answer_json({"items": items, "next": None, "catalogue": catalogue.digest})


@router.get(
    "/frameworks/{framework}/controls",
    response=shapes.ControlPage,
    tags=["scores"],
    summary="List the controls of a framework",
)
@answering()
def list_controls(request: HttpRequest, framework: Name) -> HttpResponse:
    """Give every control in the framework's order, as it is defined."""
    asked = framework_of(catalogue_in_force(), framework)
    items = [_control_item(control) for control in asked.controls]
    return answer_json({"items": items, "next": None})


@router.get("/checks", response=shapes.CheckPage, tags=["scores"], summary="List the checks")
@answering()
def list_checks(request: HttpRequest) -> HttpResponse:
    """Give every check of the catalogue in force."""
    items = [_check_item(check) for check in catalogue_in_force().checks.values()]
    return answer_json({"items": items, "next": None})


@router.get(
    "/checks/{check}",
    response=shapes.CheckDefinition,
    tags=["scores"],
    summary="Read the definition of a check",
)
@answering()
def check_definition(request: HttpRequest, check: Name) -> HttpResponse:
    """Give a check in words and as data, and which controls use it."""
    catalogue = catalogue_in_force()
    asked = check_of(catalogue, check)
    uses = [
        {"framework": framework.id, "control": control.id}
        for framework in catalogue.frameworks.values()
        for control in framework.controls
        if asked.id in control.checks
    ]
    shown = {
        **_check_item(asked),
        "words": in_words(asked, catalogue),
        "cannot": cannot_of(asked),
        "definition": msgspec.Raw(canonical(asked.definition)),
        "params": msgspec.Raw(canonical(asked.params)),
        "law": asked.law,
        "guards": asked.guards,
        "nil_return": asked.nil_return,
        "integrity_gate": asked.integrity_gate,
        "evidence": asked.evidence,
        "used_by": uses,
    }
    return answer_json(shown)


def _framework_item(framework: Framework) -> dict[str, Any]:
    return {
        "id": framework.id,
        "name": framework.name,
        "authority": framework.authority,
        "version": framework.version,
        "controls": len(framework.controls),
        "modes": dict(Counter(control.mode for control in framework.controls)),
        "scope_flags": framework.scope_flags,
        "gate": framework.gate,
        "is_custom": framework.is_custom,
    }


def _control_item(control: Control) -> dict[str, Any]:
    return {
        "id": control.id,
        "title": control.title,
        "area": control.area,
        "mode": control.mode,
        "weight": control.weight,
        "spec": control.spec,
        "flag": control.flag,
        "checks": control.checks,
        "attest": control.attest,
        "note": control.note,
    }


def _check_item(check: Check) -> dict[str, Any]:
    return {
        "id": check.id,
        "title": check.title,
        "kind": check.kind,
        "severity": check.severity,
        "on_empty": check.on_empty,
    }
