"""The catalogue that is shipped is sound, and what is broken is named: file, line, key, way out."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from audit.actions import ACTIONS
from compliance.catalogue import SHIPPED, CatalogueError, load_catalogue
from compliance.definitions import Catalogue
from compliance.kinds import KINDS
from compliance.language.durations import decimal
from compliance.lenses import all_lenses

CHECK = """\
schema: obs-checks/1
checks:
- id: OWN-01
  title: Refunds name their reason
  kind: each
  population: {all: [[action, eq, tool.invoke], [tool.name, eq, refund]]}
  pass_when: {all: [[reason, exists, true]]}
  severity: high
  on_empty: no_data
"""
FRAMEWORK = """\
schema: obs-framework/1
id: ours
name: Our own rules
authority: us
version: 1.0.0
scope_flags: [extra]
controls:
- {id: "O-1", title: "Refunds", mode: automated, checks: [OWN-01], weight: high}
"""


@pytest.fixture(scope="module")
def shipped() -> Catalogue:
    return load_catalogue()


def problems(**texts: str) -> tuple[str, ...]:
    """Return what is said of these files beside what is shipped; each line once."""
    with pytest.raises(CatalogueError) as refused:
        load_catalogue(texts={f"{name}.yaml": text.encode() for name, text in texts.items()})
    assert all("\n" not in line for line in refused.value.problems)
    return refused.value.problems


def test_what_is_shipped_is_sound_and_whole(shipped: Catalogue) -> None:
    assert len(shipped.checks) == 96
    counts = {name: len(one.controls) for name, one in shipped.frameworks.items()}
    assert counts == {"soc2": 61, "hipaa": 79, "gdpr": 58, "eu_ai_act": 24, "iso42001": 62}
    annex = [c.id for c in shipped.frameworks["iso42001"].controls if c.area.startswith("A.")]
    assert len(annex) == 38
    assert len(shipped.digest) == 64


def test_every_lens_of_what_is_shipped_can_run(shipped: Catalogue) -> None:
    for lens in all_lenses(shipped).values():
        KINDS[lens.kind](lens.definition).actions(ACTIONS)


def test_every_kind_is_used_and_every_check_by_some_control(shipped: Catalogue) -> None:
    used = {
        check
        for framework in shipped.frameworks.values()
        for control in framework.controls
        for check in control.checks
    }

    assert {check.kind for check in shipped.checks.values()} == set(KINDS)
    assert used == set(shipped.checks)


def test_each_limit_of_the_law_names_its_article(shipped: Catalogue) -> None:
    law = {
        (check.id, name): article
        for check in shipped.checks.values()
        for name, article in check.law.items()
    }

    assert "Art. 33(1)" in law["BRE-01", "within"]
    assert "164.404(b)" in law["BRE-03", "within"]
    assert "Art. 12(3)" in law["DSR-01", "within"]
    assert "164.316(b)(2)(i)" in law["LOG-06", "min_days"]
    assert "Art. 26(6)" in law["LOG-06", "min_days"]
    assert shipped.frameworks["eu_ai_act"].params["LOG-06"] == {"min_days": 184}
    assert shipped.frameworks["hipaa"].params["LOG-06"] == {"min_days": 2192}


def test_decimals_are_exact_and_country_codes_are_strings(shipped: Catalogue) -> None:
    assert decimal(shipped.checks["LOG-03"].definition["tolerance"]["max_fail_rate"]) * 1000 == 1
    assert "NO" in shipped.lists["eea"]
    assert Counter(type(value) for value in shipped.lists["eea"]) == {str: 30}


def test_the_ai_act_holds_only_where_a_system_is_recorded(shipped: Catalogue) -> None:
    framework = shipped.frameworks["eu_ai_act"]

    assert "recorded as high-risk" in framework.gate
    roles = {control.id: control.flag for control in framework.controls}
    assert roles["Art.19(1)"] == "provider"
    assert roles["Art.26(6)"] == "deployer"


def test_one_changed_byte_changes_the_digest(shipped: Catalogue, tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(CHECK)
    once = load_catalogue((SHIPPED, tmp_path)).digest
    (tmp_path / "own.yaml").write_text(CHECK.replace("Refunds", "Payments"))

    assert len({shipped.digest, once, load_catalogue((SHIPPED, tmp_path)).digest}) == 3


def test_a_framework_of_ones_own_comes_from_a_folder_or_as_text(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(CHECK)

    catalogue = load_catalogue((SHIPPED, tmp_path), texts={"ours.yaml": FRAMEWORK.encode()})

    assert catalogue.frameworks["ours"].is_custom
    assert not catalogue.frameworks["soc2"].is_custom
    assert str(catalogue.checks["OWN-01"].source).endswith("own.yaml:3")
    assert catalogue.frameworks["ours"].controls[0].checks == ("OWN-01",)


def test_a_framework_may_bring_checks_and_lists_in_its_own_file() -> None:
    text = FRAMEWORK + CHECK.partition("\n")[2].replace("refund]", "refund], [tool.server, in, $s]")

    catalogue = load_catalogue(texts={"ours.yaml": (text + "lists: {s: [a, b]}\n").encode()})

    assert catalogue.checks["OWN-01"].kind == "each"
    assert catalogue.lists["s"] == ("a", "b")


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="there is no such folder"):
        load_catalogue((SHIPPED, tmp_path / "none"))


@pytest.mark.parametrize(
    ("was", "is_now", "said"),
    [
        ("checks:\n", "checks: [\n", "own.yaml:3: this is no YAML"),
        ("schema: obs-checks/1", "schema: obs/9", 'own.yaml:1: schema: "obs/9" is none of'),
        ("schema: obs-checks/1\n", "- a\n", "this is no YAML"),
        ("severity: high", "severity: hgh",
         'own.yaml:8: OWN-01: severity: "hgh" is none of critical, high, medium, low'),
        ("kind: each", "kind: eech", 'own.yaml:5: OWN-01: kind: "eech" is none of each, prior'),
        ("on_empty: no_data", "on_empty: ok",
         'own.yaml:9: OWN-01: on_empty: "ok" is none of no_data, not_occurred, fail'),
        ("  on_empty: no_data\n", "", "own.yaml:3: OWN-01: on_empty: missing; a each needs it"),
        ("title: Refunds", "titel: Refunds", 'own.yaml:4: OWN-01: titel: no key of'),
        ("[tool.name, eq, refund]", "[tool.nam, eq, refund]",
         'own.yaml:6: OWN-01: population: field "tool.nam" is not known; did you mean tool.name'),
        ("[tool.name, eq, refund]", "[details.x, eq, refund]", 'field "details.x" is not known'),
        ("[tool.name, eq, refund]", "[tool.name, is, refund]", 'tool.name: op "is" is not known'),
        ("[tool.name, eq, refund]", "[tool.name, gt, refund]", "gt does not go with a string"),
        ("[tool.name, eq, refund]", "[data.classes, eq, pii]", "eq does not go with a list"),
        ("[tool.name, eq, refund]", "[data.classes, has, pi]", '"pi" is none of'),
        ("[tool.name, eq, refund]", "[tool.name, eq, 7]", '7 is no string; when one is meant'),
        ("[tool.name, eq, refund]", "[tool.destructive, eq, 1]", "1 is not true or false"),
        ("[tool.name, eq, refund]", "[tool.name, in, refund]", "in takes a list"),
        ("[tool.name, eq, refund]", "[tool.name, exists, false]", "write missing"),
        ("[tool.name, eq, refund]", '[tool.name, eq, "@tool.server"]', "where there is another"),
        ("[tool.name, eq, refund]", "[tool.name, in, $names]", '"$names" stands for nothing'),
        ("tool.invoke]", "tool.invok]", 'action "tool.invok" is not known; did you mean'),
        ("all: [[reason", "al: [[reason", "a condition is one of all, any, not or [field, op"),
        ("kind: each", "kind: each\n  params: {max: 3}",
         "own.yaml:6: OWN-01: params: max: nothing in the check says $max"),
        ("kind: each", "kind: each\n  params: {personal: 3}", "personal: a list has this name"),
        ("kind: each", "kind: each\n  guards: [LOG-01]", "only with on_empty: not_occurred"),
        ("on_empty: no_data", "on_empty: not_occurred\n  guards: [LOG-99]",
         'own.yaml:10: OWN-01: guards: "LOG-99" is not known; did you mean LOG-09'),
        ("on_empty: no_data", "on_empty: not_occurred\n  guards: [OWN-01]",
         "own.yaml:3: OWN-01: guards: OWN-01 → OWN-01 guard one another"),
        ("kind: each", "kind: each\n  tolerance: {max_fail_rate: 2}", "2 is no share from 0 to 1"),
        ("kind: each", "kind: each\n  tolerance: {rate: 0.1}", '"rate" is none of max_fail_count'),
        ("kind: each", "kind: each\n  law: {within: a}", '"within" is none of its params'),
        ("kind: each", "kind: each\n  evidence: [elapsed]", 'field "elapsed" is not known'),
        ("kind: each", "kind: each\n  kind: each", 'own.yaml:6: the key "kind" stands twice'),
        ("id: OWN-01", "id: TOOL-01", "own.yaml:3: TOOL-01: id: the id stands already in checks.y"),
        ("title: Refunds", "title: *x", "aliases are not read"),
        ("title: Refunds", "title: &x Refunds", "anchors are not read"),
        ("title: Refunds", "title: !!str Refunds", "tags are not read"),
        ("checks:", "lists: {c: [SE, NO]}\nchecks:", 'own.yaml:2: NO may be read as another value; '
         'write "NO"'),
        ("checks:", "lists: {c: [SE, true]}\nchecks:", 'own.yaml:2: lists: c: true is not like the '
         'rest; write "true"'),
        ("checks:", "lists: {eea: [SE]}\nchecks:", "lists: eea: another list has this name"),
        ("on_empty: no_data", "on_empty: no_data\n  clock: now", '"now" is none of received_at'),
        ("checks:\n", "x: 1\nchecks:\n", '"x" is none of'),
        ("reason, exists, true", "reason, exists, true, x", "is no condition"),
    ],
)  # fmt: skip
def test_a_broken_check_is_named_with_its_line_and_the_way_out(
    was: str, is_now: str, said: str
) -> None:
    assert was in CHECK
    lines = problems(own=CHECK.replace(was, is_now, 1))

    assert any(said in line for line in lines), lines
    assert all(line.startswith("own.yaml:") for line in lines)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("kind: prior\n  population: {all: []}", "a prior takes one of match and match_each"),
        ("kind: prior\n  population: {all: []}\n  match: {all: []}\n  within: 24h",
         'within: "24h" is no duration; write PT24H'),
        ("kind: prior\n  population: {all: []}\n  match: {all: [[reason, eq, '@raison']]}",
         'field "raison" is not known'),
        ("kind: prior\n  population: {all: []}\n  match: {all: [[reason, eq, '@derived.value']]}",
         "needs a population with derive"),
        ("kind: prior\n  population: {derive: newest, of: [reason], over: {all: []}}\n"
         "  match: {all: []}", '"newest" is none of first_seen, distinct'),
        ("kind: prior\n  population: {derive: first_seen, of: [reason], over: {all: []}}\n"
         "  match: {all: []}", "key: goes with derive: first_seen"),
        ("kind: prior\n  population: {all: []}\n  match: {all: []}\n  single_use: 1",
         "1 is not true or false"),
        ("kind: followup\n  population: {all: []}\n  match: {all: []}", "within: missing"),
        ("kind: followup\n  population: {all: []}\n  match: {all: []}\n  within: P1D\n"
         "  anchor: reason", 'field "reason" is none of case.aware_at'),
        ("kind: followup\n  population: {all: []}\n  within: P1D", "match: missing"),
        ("kind: followup\n  population: {all: []}\n  match: {all: []}\n"
         "  within_by: {field: severity, map: {hgh: P1D}}", '"hgh" is none of'),
        ("kind: followup\n  population: {all: []}\n  within: P1D\n"
         "  variants: [{name: a, when: {all: []}, match: {all: []}}]\n  parts: [b]",
         '"b" is none of a'),
        ("kind: followup\n  population: {all: []}\n  match: {all: []}\n  within: P1D\n"
         "  extend: {when: {all: []}}", "takes one of by and by_field"),
        ("kind: cadence\n  match: {all: []}\n  every: $every", 'give it under params'),
        ("kind: gap\n  population: {all: []}\n  key: [ledger]\n  measure: seq\n  max_gap: P1D",
         "takes a whole number, as measure is a number"),
        ("kind: gap\n  population: {all: []}\n  key: [ledger]\n  measure: occurred_at\n"
         "  max_gap: P1M", "has no exact length"),
        ("kind: gap\n  population: {all: []}\n  key: [ledger]\n  measure: occurred_at\n"
         "  max_gap: P1D\n  active: {from: agent.begun, to: agent.stopped}", '"agent.begun" is'),
        ("kind: burst\n  population: {all: []}\n  key: [actor.id]\n  window: PT1M\n  count: 0\n"
         "  match: {all: []}\n  within: PT1H", "0 is no whole number from 1"),
        ("kind: rate\n  population: {all: []}\n  numerator: {all: []}\n  key: [agent.id]\n"
         "  min_denominator: 5\n  threshold: 1.5", "1.5 is no share from 0 to 1"),
        ("kind: forbid\n  population: {all: []}", "a forbid takes one of violates and variants"),
        ("kind: forbid\n  population: {all: []}\n  violates: {before: {all: []}}",
         '"before" is none of after, later, until'),
        ("kind: fact\n  population: {all: []}", "pass_when: missing; a fact needs it"),
    ],
)  # fmt: skip
def test_what_a_kind_needs_is_said_with_its_key(text: str, said: str) -> None:
    check = (
        "schema: obs-checks/1\nchecks:\n- id: OWN-02\n  title: T\n  severity: low\n"
        f"  on_empty: no_data\n  {text}\n"
    )

    lines = problems(own=check)

    assert any(said in line for line in lines), lines


@pytest.mark.parametrize(
    ("was", "is_now", "said"),
    [
        ("checks: [OWN-01]", "checks: [OWN-09]", 'ours.yaml:8: ours: O-1: checks: "OWN-09"'),
        ("weight: high", "weight: heavy", '"heavy" is none of critical, high, medium, low'),
        ("mode: automated", "mode: manual", "manual has no checks"),
        ("mode: automated", "mode: partial", "partial needs attest"),
        ("checks: [OWN-01], ", "", "automated needs checks"),
        ("weight: high", "weight: high, attest: x", "automated has no attest"),
        ("weight: high", "weight: high, flag: other", '"other" is none of extra'),
        ("weight: high", "weight: high, tite: x", 'O-1: tite: "tite" is not known'),
        ("weight: high", "weight: high, check_params: {TOOL-01: {a: 1}}", "does not use this"),
        ("weight: high", "weight: high, check_params: {OWN-01: {a: 1}}", "it has no params"),
        ("weight: high", "weight: high, check_filter: [reason, eq]", "check_filter: "),
        ("checks: [OWN-01]", "checks: [LOG-01], check_filter: [reason, exists, true]",
         "LOG-01 has no population to filter"),
        ("checks: [OWN-01]", "checks: [OWN-01, OWN-01]", "OWN-01 stands twice"),
        ("version: 1.0.0\n", "", "ours: version: missing; a framework needs it"),
        ("version: 1.0.0", "version: 1.0.0\nparams: {BRE-01: {within: soon}}",
         'ours.yaml:6: ours: params: BRE-01: within: "soon" is no duration'),
        ("version: 1.0.0", "version: 1.0.0\nparams: {BRE-01: {withn: P1D}}",
         'params: BRE-01: "withn" is none of within'),
        ("version: 1.0.0", "version: 1.0.0\nparams: {DSR-01: {types: access}}",
         "types: takes values in [ ]"),
        ("version: 1.0.0", "version: 1.0.0\nparams: {DSR-01: {types: [acces]}}",
         '"acces" is none of'),
        ("version: 1.0.0", "version: 1.0.0\nparams: {BRE-99: {within: P1D}}", '"BRE-99" is not'),
        ("id: ours", "id: gdpr", "the framework stands already in gdpr.yaml"),
        ("scope_flags: [extra]", "always_flags: [extra]", '"extra" is not known'),
        ("scope_flags: [extra]", "cadence_days: 0", "0 is no number of days"),
    ],
)  # fmt: skip
def test_a_broken_framework_is_named_with_its_line_and_the_way_out(
    was: str, is_now: str, said: str
) -> None:
    assert was in FRAMEWORK
    lines = problems(own=CHECK, ours=FRAMEWORK.replace(was, is_now, 1))

    assert any(said in line for line in lines), lines


def test_a_control_that_stands_twice_is_said() -> None:
    line = FRAMEWORK.splitlines()[-1]

    assert any("stands already in ours.yaml:8" in each
               for each in problems(own=CHECK, ours=f"{FRAMEWORK}{line}\n"))  # fmt: skip


def test_a_circle_of_guards_is_said_once_with_its_way() -> None:
    def check(name: str, guard: str) -> str:
        text = CHECK.partition("checks:\n")[2].replace("OWN-01", name)
        return text.replace("no_data", f"not_occurred\n  guards: [{guard}]")

    text = "schema: obs-checks/1\nchecks:\n" + check("A", "B") + check("B", "C") + check("C", "A")

    assert [one for one in problems(own=text) if "guard one another" in one] == [
        "own.yaml:3: A: guards: A → B → C → A guard one another; take one out"
    ]


def test_all_problems_are_said_and_not_only_the_first() -> None:
    text = CHECK.replace("severity: high", "severity: hgh").replace(
        "kind: each", "kind: each\n  a: 1"
    )

    assert len(problems(own=text, other="a: [")) == 3


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"\xff\xfe", "is not UTF-8"),
        (b"a: " + b"[" * 60, "deep"),
        (b"#" * 1_100_000, "bytes; at most"),
        (b"- [" + b"1," * 200_001 + b"1]", "more than 200,000 values"),
        (b"a: 1\n---\na: 2\n", "a second document begins"),
        (b"", "the file must begin with schema"),
    ],
)
def test_what_is_no_file_of_ours_is_refused_within_bounds(text: bytes, said: str) -> None:
    with pytest.raises(CatalogueError, match=said):
        load_catalogue(texts={"own.yaml": text})
