"""OSCAL of a report is valid as others read the standard, and says what the report says."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any, get_args
from zipfile import ZipFile

import pytest
from trestle.oscal.assessment_plan import Model as PlanModel
from trestle.oscal.assessment_results import Model as ResultsModel

from audit.models import Entry, Ledger
from compliance.catalogue import load_catalogue
from compliance.renderers.oscal import PLAN, RESULTS, oscal_files, render_oscal
from compliance.renderers.oscal_parts import line, tokens_of
from compliance.report_content import Family, ReportContent, content_bytes, content_digest
from tests.compliance.report_ledgers import a_busy_ledger, last_days, of_tallies
from tests.compliance.report_samples import (
    HOSTILE,
    LONG,
    small_content,
    without_anything,
    without_score,
)

FAMILIES: tuple[Family, ...] = get_args(Family)
_TOKEN = re.compile(r"[A-Za-z_][A-Za-z0-9._-]*")
_WORDS = re.compile(r"\b(compliant|certified|assured|attested)\b", re.IGNORECASE)


def documents(content: ReportContent) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return assessment-results and assessment-plan, each checked by the models of trestle."""
    files = oscal_files(content)
    ResultsModel.model_validate_json(files[RESULTS])
    PlanModel.model_validate_json(files[PLAN])
    results, plan = json.loads(files[RESULTS]), json.loads(files[PLAN])
    return results["assessment-results"], plan["assessment-plan"]


def result_of(content: ReportContent) -> dict[str, Any]:
    """Return the one result."""
    (result,) = documents(content)[0]["results"]
    return dict(result)


def told(props: list[dict[str, str]]) -> dict[str, str]:
    """Return properties by name."""
    return {each["name"]: each["value"] for each in props}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("make", [small_content, without_anything, without_score])
def test_both_documents_are_valid(family: Family, make: Any) -> None:
    results, plan = documents(make(family))

    assert results["metadata"]["oscal-version"] == plan["metadata"]["oscal-version"] == "1.2.1"
    assert results["import-ap"]["href"] == PLAN


def test_trestle_accepts_all_as_files_of_a_workspace(tmp_path: Path) -> None:
    folders = {"assessment-results": RESULTS, "assessment-plan": PLAN}

    def trestle(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "trestle", *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    trestle("init", "--local")
    for family in FAMILIES[:3]:
        files = oscal_files(small_content(family))
        for kind, name in folders.items():
            folder = tmp_path / f"{kind.removesuffix('s')}s" / family
            folder.mkdir(parents=True)
            (folder / f"{kind}.json").write_bytes(files[name])

    said = trestle("validate", "--all")

    assert said.count("VALID") == 6, said


def test_the_period_of_the_result_is_that_of_the_report() -> None:
    result = result_of(small_content())

    assert result["start"] == "2026-10-23T00:00:00.000000Z"
    assert result["end"] == "2026-11-22T00:00:00.000000Z"


def test_the_four_numbers_and_the_content_hash_stand_in_it() -> None:
    content = small_content()
    said = told(result_of(content)["props"])

    numbers = content.result["numbers"]
    for name in ("evidenced", "tested", "coverage", "cap", "band"):
        assert said[name] == str(numbers[name])
    assert said["content-sha256"] == content_digest(content_bytes(content))


def test_every_check_is_an_observation_with_its_figures() -> None:
    content = small_content()

    observations = result_of(content)["observations"]

    assert len(observations) == len(content.result["checks"])
    for one, check in zip(observations, content.result["checks"], strict=True):
        said = told(one["props"])
        assert one["methods"] == ["TEST"]
        assert (said["N"], said["F"]) == (str(check["n"]), str(check["f"]))
        assert (said["state"], said["lens"]) == (check["state"], check["lens"])
        assert said["digest"] == check["digest"]


def test_every_listed_exception_is_evidence_that_leads_to_its_entry() -> None:
    content = small_content()
    observations = {told(one["props"])["lens"]: one for one in result_of(content)["observations"]}

    for found in content.exceptions:
        evidence = observations[found.lens]["relevant-evidence"]
        assert f"All {found.total:,} failing items" in evidence[0]["description"]
        hrefs = [each["href"] for each in evidence[1:]]
        assert len(hrefs) == len(found.listed)
        for href, deviation in zip(hrefs, found.listed, strict=True):
            if deviation.seq >= 0:
                assert href == f"/api/v1/entries/main/{deviation.seq}"
            else:
                assert href.startswith("#")


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("pass", ("satisfied", "pass")),
        ("fail", ("not-satisfied", "fail")),
        ("no_data", ("not-satisfied", "other")),
        ("not_occurred", ("not-satisfied", "other")),
        ("pending", ("not-satisfied", "other")),
        ("waived", ("not-satisfied", "other")),
        ("error", ("not-satisfied", "other")),
        ("not_applicable", ("not-satisfied", "other")),
    ],
)
def test_a_control_is_satisfied_only_when_it_passes(state: str, status: tuple[str, str]) -> None:
    content = small_content()
    control = {**content.result["controls"][0], "state": state}
    content = replace(content, result={**content.result, "controls": [control]})

    (finding,) = result_of(content)["findings"]

    found = finding["target"]["status"]
    assert (found["state"], found["reason"]) == status
    assert told(finding["props"])["state"] == state
    is_out = finding["target"].get("implementation-status", {}).get("state") == "not-applicable"
    assert is_out == (state == "not_applicable")


def test_every_control_has_one_finding_and_every_reference_leads_somewhere() -> None:
    for family in FAMILIES:
        content = small_content(family)
        results, plan = documents(content)
        (result,) = results["results"]

        assert len(result["findings"]) == len(content.result["controls"])
        observations = {one["uuid"] for one in result["observations"]}
        risks = {one["uuid"] for one in result["risks"]}
        objectives = {
            part["id"]
            for one in plan["local-definitions"]["objectives-and-methods"]
            for part in one["parts"]
        }
        people = {one["uuid"] for one in results["metadata"]["parties"]}
        for one in result["findings"]:
            assert one["target"]["target-id"] in objectives
            assert {r["observation-uuid"] for r in one.get("related-observations", [])} <= (
                observations
            )
            assert {r["risk-uuid"] for r in one.get("related-risks", [])} <= risks
        for one in result["attestations"]:
            for party in one["responsible-parties"]:
                assert set(party["party-uuids"]) <= people
        resources = {f"#{one['uuid']}" for one in results["back-matter"]["resources"]}
        for one in result["observations"]:
            for each in one.get("relevant-evidence", []):
                assert each["href"].startswith("/api/") or each["href"] in resources
        assert plan["import-ssp"]["href"] in resources


def test_no_uuid_stands_for_two_things() -> None:
    for document in documents(small_content()):
        found = list(uuids(document))

        assert len(found) == len(set(found))


def uuids(value: Any) -> list[str]:
    """Return every `uuid` of a document, which names the thing that it stands in."""
    if isinstance(value, list):
        return [each for one in value for each in uuids(one)]
    if not isinstance(value, dict):
        return []
    own = [value["uuid"]] if "uuid" in value else []
    return own + [each for one in value.values() for each in uuids(one)]


def test_exceptions_are_open_risks_until_their_finding_is_due() -> None:
    content = small_content()
    risks = result_of(content)["risks"]

    tool = next(r for r in risks if r["title"] == "Exceptions of TOOL-01")

    assert (tool["status"], tool["deadline"]) == ("open", "2026-11-15T23:59:59.999999Z")
    assert [each["lifecycle"] for each in tool["remediations"]] == ["planned", "completed"]


def test_a_waiver_is_an_approved_deviation_until_it_expires_and_closed_once_revoked() -> None:
    content = small_content()
    (waiver,) = (r for r in result_of(content)["risks"] if r["title"].startswith("Waiver"))
    revoked = replace(content.waivers[0], revoked_at="2026-11-20T00:00:00.000000Z")
    (closed,) = (
        r
        for r in result_of(replace(content, waivers=(revoked,)))["risks"]
        if r["title"].startswith("Waiver")
    )

    assert waiver["status"] == "deviation-approved"
    assert waiver["deadline"] == "2026-12-31T23:59:59.999999Z"
    assert told(waiver["props"])["approved-by"] == "bob@example.org"
    assert waiver["mitigating-factors"][0]["description"] == "A person watched the queue."
    assert closed["status"] == "closed"


def test_a_lens_whose_failures_are_all_waived_is_no_open_risk() -> None:
    titles = [risk["title"] for risk in result_of(small_content())["risks"]]

    assert "Exceptions of MON-04" not in titles


def test_every_statement_says_who_signed_it_and_whether_it_counts() -> None:
    content = small_content()

    said = result_of(content)["attestations"]

    assert len(said) == len(content.statements) + len(content.nil_returns)
    parts = [one["parts"][0] for one in said]
    assert [told(part["props"]).get("counts") for part in parts] == ["yes", "no", None]
    assert [part["name"] for part in parts] == ["statement", "reasoning", "nil-return"]


def test_the_log_holds_the_newest_verification_and_each_sample() -> None:
    entries = result_of(small_content())["assessment-log"]["entries"]

    assert told(entries[0]["props"])["runs-in-period"] == "23"
    assert any(told(one["props"]).get("number") == "482913" for one in entries)


@pytest.mark.parametrize("framework", ["soc2", "hipaa", "gdpr"])
def test_every_shipped_control_has_a_token_of_its_own(framework: str) -> None:
    controls = [control.id for control in load_catalogue().frameworks[framework].controls]

    tokens = tokens_of(framework, controls)

    assert len(set(tokens.values())) == len(controls) > 0
    assert all(_TOKEN.fullmatch(token) for token in tokens.values())


def test_ids_that_would_meet_as_tokens_stay_apart() -> None:
    ids = ["a(b)", "a[b]", "a_b", HOSTILE, LONG, "1", "ä", "日本"]

    tokens = tokens_of("9own", ids)

    assert len(set(tokens.values())) == len(ids)
    assert all(_TOKEN.fullmatch(token) for token in tokens.values())


@pytest.mark.parametrize("text", ["", " ", "\n\n", "\x00", "a\u2028b", "\ud800", HOSTILE, LONG])
def test_a_line_has_no_control_character_and_is_never_empty(text: str) -> None:
    found = line(text)

    assert re.fullmatch(r"\S(.*\S)?", found)
    found.encode()


def test_hostile_ids_and_texts_are_written_as_text() -> None:
    content = small_content()
    legs = content.result["controls"][4]["legs"]
    hostile = {
        **content.result["controls"][4],
        "id": HOSTILE,
        "title": f"\n{HOSTILE}\x00",
        "legs": [{**leg, "reason": f"\r\n{HOSTILE}"} for leg in legs],
    }
    waiver = replace(content.waivers[0], control=HOSTILE, reason="\n", risk="", compensating="\x07")
    content = replace(
        content,
        cover=replace(content.cover, framework=HOSTILE, framework_name=HOSTILE, environment=""),
        result={**content.result, "controls": [hostile]},
        waivers=(waiver,),
        statements=(replace(content.statements[0], signed_by=HOSTILE, text="\n\n"),),
    )

    result = result_of(content)

    assert told(result["findings"][0]["props"])["control"] == line(HOSTILE)


def test_a_newer_sample_makes_another_document_of_the_same_things() -> None:
    content = small_content()
    before, _ = documents(content)
    after, _ = documents(replace(content, samples=()))

    assert before["uuid"] != after["uuid"]
    first, second = (
        [one["uuid"] for one in document["results"][0]["observations"]]
        for document in (before, after)
    )
    assert first == second


def test_the_archive_holds_both_and_the_same_content_gives_the_same_bytes() -> None:
    content = small_content()

    raw = render_oscal(content)

    assert raw == render_oscal(small_content())
    with ZipFile(BytesIO(raw)) as zipped:
        assert zipped.namelist() == [RESULTS, PLAN]
        assert zipped.read(RESULTS) == oscal_files(content)[RESULTS]


@pytest.mark.parametrize("family", FAMILIES)
def test_no_word_of_ours_promises_more_than_evidence(family: Family) -> None:
    for raw in oscal_files(small_content(family)).values():
        assert not _WORDS.search(raw.decode())


def test_the_reports_of_a_real_ledger_are_valid_and_lead_to_its_entries(
    ledger: Ledger, tmp_path: Path
) -> None:
    settled = a_busy_ledger(ledger)

    for framework in ("soc2", "hipaa", "gdpr"):
        built = of_tallies(settled, framework, tmp_path / framework, last_days())
        results, plan = documents(built.content)

        (result,) = results["results"]
        assert len(result["findings"]) == len(built.content.result["controls"]) > 50
        assert len(plan["local-definitions"]["activities"]) == len(built.content.checks)
        hrefs = {
            each["href"]
            for one in result["observations"]
            for each in one.get("relevant-evidence", [])
            if each["href"].startswith("/api/")
        }
        for href in hrefs:
            name, seq = href.removeprefix("/api/v1/entries/").split("/")
            assert name == ledger.name
            assert Entry.objects.filter(ledger=ledger, seq=int(seq)).exists()
        if framework == "soc2":
            assert hrefs
