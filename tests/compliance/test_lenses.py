"""A lens is a check for one use: parameters, lists and filter filled in, and named by all that."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from compliance.catalogue import load_catalogue
from compliance.definitions import Catalogue, Control, Framework
from compliance.language.errors import DefinitionError
from compliance.lenses import Settings, all_lenses, gates_of, guards_of, legs_of, lens_of


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue()


def control(framework: Framework, name: str) -> Control:
    return next(one for one in framework.controls if one.id == name)


def test_a_lens_is_plain_json_without_names_to_fill_in(catalogue: Catalogue) -> None:
    for lens in all_lenses(catalogue).values():
        text = json.dumps(lens.definition)

        assert json.loads(text) == lens.definition
        assert '"$' not in text
        assert len(lens.id) == 32


def test_nearer_parameters_win(catalogue: Catalogue) -> None:
    gdpr = catalogue.frameworks["gdpr"]
    access = control(gdpr, "Art.15")
    settings = Settings(params={("gdpr", "DSR-01"): {"within": "P20D"}})

    plain = lens_of(catalogue, "DSR-01").definition
    used = lens_of(catalogue, "DSR-01", framework=gdpr, control=access).definition
    stricter = lens_of(
        catalogue, "DSR-01", framework=gdpr, control=access, settings=settings
    ).definition

    assert plain["within"] == "P1M"
    assert len(plain["params"]["types"]) == 6
    assert used["params"]["types"] == ["access"]
    assert stricter["within"] == "P20D"
    assert stricter["extend"]["only_if_within"] == "P20D"
    assert stricter["params"]["types"] == ["access"]


def test_settings_of_one_framework_leave_the_others_alone(catalogue: Catalogue) -> None:
    settings = Settings(params={("hipaa", "LOG-06"): {"min_days": 3000}})

    def days(name: str) -> int:
        framework = catalogue.frameworks[name]
        lens = lens_of(catalogue, "LOG-06", framework=framework, settings=settings)
        return int(lens.definition["params"]["min_days"])

    assert (days("hipaa"), days("gdpr"), days("eu_ai_act")) == (3000, 365, 184)


def test_lists_are_filled_in_and_a_changed_one_makes_another_lens(catalogue: Catalogue) -> None:
    settings = Settings(lists={"generic_actors": ("root", "bot")})
    before, after = (lens_of(catalogue, "IAM-01", settings=one) for one in (Settings(), settings))

    assert before.id != after.id
    assert ["actor.id", "not_in", ["root", "bot"]] in after.definition["pass_when"]["all"]


def test_a_controls_filter_narrows_the_population(catalogue: Catalogue) -> None:
    gdpr = catalogue.frameworks["gdpr"]
    lens = lens_of(catalogue, "PD-10", framework=gdpr, control=control(gdpr, "Art.13"))

    assert lens.definition["population"]["all"][1] == {"all": [["data.source", "eq", "subject"]]}
    assert lens.id != lens_of(catalogue, "PD-10").id


def test_uses_that_differ_in_nothing_share_a_lens(catalogue: Catalogue) -> None:
    names = {
        lens_of(catalogue, "TOOL-01", framework=framework).id
        for framework in catalogue.frameworks.values()
    }

    assert len(names) == 1


def test_a_lens_is_made_anew_for_another_framework_of_the_same_name(
    catalogue: Catalogue,
) -> None:
    gdpr = catalogue.frameworks["gdpr"]
    access = control(gdpr, "Art.15")
    tried = replace(gdpr, params={**gdpr.params, "LOG-06": {"min_days": 9}})
    other = replace(access, check_params={"DSR-01": {"types": ["erasure"]}})

    def days(framework: Framework) -> int:
        found = lens_of(catalogue, "LOG-06", framework=framework)
        return int(found.definition["params"]["min_days"])

    def types(of: Control) -> list[str]:
        found = lens_of(catalogue, "DSR-01", framework=gdpr, control=of)
        return list(found.definition["params"]["types"])

    assert [days(each) for each in (gdpr, tried, gdpr)] == [365, 9, 365]
    assert [types(each) for each in (access, other, access)] == [
        ["access"],
        ["erasure"],
        ["access"],
    ]


def test_words_about_a_check_do_not_change_its_lens(catalogue: Catalogue) -> None:
    check = catalogue.checks["TOOL-01"]
    said = replace(check, title="x", definition={**check.definition, "title": "x", "cannot": "y"})
    other = replace(catalogue, checks={**catalogue.checks, "TOOL-01": said})

    assert lens_of(other, "TOOL-01").id == lens_of(catalogue, "TOOL-01").id


def test_a_tolerance_stays_text_and_is_read_exactly(catalogue: Catalogue) -> None:
    lens = lens_of(catalogue, "LOG-03")

    assert lens.definition["tolerance"] == {"max_fail_rate": "0.001"}


def test_a_parameter_that_no_check_has_is_refused(catalogue: Catalogue) -> None:
    settings = Settings(params={("", "TOOL-01"): {"within": "P9D"}})

    with pytest.raises(DefinitionError, match="TOOL-01 has no parameter within"):
        lens_of(catalogue, "TOOL-01", settings=settings)


def test_each_leg_has_its_weight_and_a_statement_the_lightest_of_its_control(
    catalogue: Catalogue,
) -> None:
    legs = legs_of(catalogue, catalogue.frameworks["soc2"])
    of = {(leg.control, leg.check): leg for leg in legs}

    assert of["CC6.3", "TOOL-01"].severity == "critical"
    assert of["CC1.1", ""].severity == "low"
    assert of["CC6.7", ""].severity == "high"  # the control is critical, its lightest check high
    assert of["CC1.1", ""].lens is None
    assert all(leg.lens is not None for leg in legs if leg.check)


def test_every_lens_that_judging_can_ask_for_is_listed(catalogue: Catalogue) -> None:
    listed = all_lenses(catalogue)

    for framework in catalogue.frameworks.values():
        needed = {leg.lens.id for leg in legs_of(catalogue, framework) if leg.lens is not None}
        checks = {leg.check for leg in legs_of(catalogue, framework) if leg.check}
        also = {guard for check in checks for guard in guards_of(catalogue, check)}
        also |= set(gates_of(catalogue))
        needed |= {lens_of(catalogue, check, framework=framework).id for check in also}
        assert needed <= listed.keys()
    assert {lens.check for lens in listed.values()} == set(catalogue.checks)


def test_the_gates_are_the_chain_and_the_sequence(catalogue: Catalogue) -> None:
    assert gates_of(catalogue) == ("LOG-01", "LOG-02")
