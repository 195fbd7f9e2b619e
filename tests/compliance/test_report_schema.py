"""docs/report-schema.json is what the code writes and reads, and accepts what is written."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any, get_args

import pytest
from django.core.management import CommandError, call_command
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # without stubs

from compliance.report_content import Family, content_bytes
from compliance.report_schema import report_schema
from tests.compliance.report_samples import small_content, without_anything, without_score

SHIPPED = Path(__file__).parents[2] / "docs" / "report-schema.json"


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    """Return what checks against the schema that is shipped, which is sound itself."""
    schema = json.loads(SHIPPED.read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def test_the_file_is_what_make_schema_writes() -> None:
    assert SHIPPED.read_text(encoding="utf-8") == report_schema(), "run `make schema`"


@pytest.mark.parametrize("family", get_args(Family))
@pytest.mark.parametrize("make", [small_content, without_anything, without_score])
def test_every_content_fits(validator: Draft202012Validator, family: Family, make: Any) -> None:
    assert list(validator.iter_errors(json.loads(content_bytes(make(family))))) == []


@pytest.mark.parametrize(
    "change",
    [
        {"schema": "obs-report/2"},
        {"more": 1},
        {"cover": {}},
        {"trend": {}},
        {"owners": [["CC1.1"]]},
    ],
)
def test_another_form_does_not_fit(validator: Draft202012Validator, change: dict[str, Any]) -> None:
    told = json.loads(content_bytes(small_content())) | change

    assert not validator.is_valid(told)


def test_what_a_field_means_stands_beside_it() -> None:
    defined = json.loads(report_schema())["$defs"]

    assert defined["Cover"]["properties"]["origin"]["description"].startswith("The ledger's origin")
    assert all("description" in shape for shape in defined.values())


def test_the_command_prints_it_and_writes_it(tmp_path: Path) -> None:
    out = StringIO()

    call_command("reportschema", stdout=out)
    call_command("reportschema", out=tmp_path / "schema.json")

    assert out.getvalue() == (tmp_path / "schema.json").read_text() == report_schema()


def test_the_command_says_which_file_it_cannot_write(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot write"):
        call_command("reportschema", out=tmp_path / "none" / "schema.json")
