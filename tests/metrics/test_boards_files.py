"""The files of the boards are what the boards say, and have the shape that Grafana needs."""

from __future__ import annotations

import json
import re
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import CommandError, call_command

from metrics.boards.d12_one_agent import NoSuchAgentName, board_of
from metrics.boards.every import BOARDS
from metrics.boards.grafana import DESK, JAEGER, LOKI, POSTGRES, PROMETHEUS, file_of, text_of
from metrics.boards.grafana_kinds import TYPES, UNITS
from metrics.boards.grafana_views import READ_ROLE, VIEWS
from metrics.boards.reference import HEADER, boards_page, cells, heading
from metrics.boards.shape import Board
from tests import documents
from tests.documents import DOCS, ROOT

GRAFANA = ROOT / "docker" / "grafana"
FILES = GRAFANA / "dashboards"
PAGE = DOCS / "dashboards.md"

NEEDED = {
    "uid", "title", "tags", "schemaVersion", "version", "time", "refresh", "templating",
    "annotations", "panels", "links", "editable", "graphTooltip",
}  # fmt: skip
NEEDED_OF_A_PANEL = {
    "id", "type", "title", "description", "datasource", "gridPos", "targets", "fieldConfig",
    "options",
}  # fmt: skip
COLUMNS = 24

every_board = pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.slug)


def written(board: Board) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FILES / file_of(board)).read_text(encoding="utf-8"))
    return found


def panels_of(board: Board) -> list[dict[str, Any]]:
    return [panel for panel in written(board)["panels"] if panel["type"] != "row"]


def provisioned(name: str) -> dict[str, Any]:
    text = (GRAFANA / "provisioning" / name / f"{name}.yml").read_text(encoding="utf-8")
    found: dict[str, Any] = yaml.safe_load(text)
    return found


@every_board
def test_a_file_is_what_make_boards_writes(board: Board) -> None:
    text = (FILES / file_of(board)).read_text(encoding="utf-8")

    assert text == text_of(board), "stale: run `make boards`"


def test_there_is_a_file_for_each_board_and_no_other() -> None:
    assert {path.name for path in FILES.iterdir()} == {file_of(board) for board in BOARDS}


@every_board
def test_a_file_has_what_grafana_needs(board: Board) -> None:
    found = written(board)

    assert found.keys() >= NEEDED
    assert found["id"] is None, "Grafana gives a number of its own"
    for panel in panels_of(board):
        assert panel.keys() >= NEEDED_OF_A_PANEL
        assert panel["type"] in TYPES.values()
        assert panel["targets"]


@every_board
def test_numbers_of_panels_are_unique_and_fit(board: Board) -> None:
    numbers = [panel["id"] for panel in written(board)["panels"]]

    assert len(set(numbers)) == len(numbers)
    assert all(0 < number < 2**31 for number in numbers)


@every_board
def test_panels_stand_in_24_columns_and_on_no_other(board: Board) -> None:
    taken: set[tuple[int, int]] = set()
    bottom = 0
    for panel in written(board)["panels"]:
        place = panel["gridPos"]
        cells_of_it = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= COLUMNS
        assert not cells_of_it & taken, panel["title"]
        taken |= cells_of_it
        bottom = max(bottom, place["y"] + place["h"])

    assert len(taken) == COLUMNS * bottom, "a hole in the board"


@every_board
def test_each_target_asks_a_source_that_is_provisioned(board: Board) -> None:
    known = {each["uid"]: each["type"] for each in provisioned("datasources")["datasources"]}

    for panel in panels_of(board):
        for target in panel["targets"]:
            source = target["datasource"]
            assert known[source["uid"]] == source["type"]
            asked = "expr" if source["type"] == "prometheus" else "rawSql"
            assert target[asked].strip()
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])


@every_board
def test_a_board_has_the_variables_that_its_queries_name(board: Board) -> None:
    named = set(re.findall(r"\$\{?([a-z]\w*)", json.dumps(written(board)["panels"])))

    listed = {variable["name"]: variable for variable in written(board)["templating"]["list"]}

    assert named == listed.keys()
    assert set(listed) - {"desk"} == set(board.variables)
    for name in board.variables:
        is_single = board.is_of_one_agent and name == "agent"
        assert listed[name]["includeAll"] == listed[name]["multi"] == (not is_single)


@every_board
def test_each_panel_has_its_unit_and_its_limits(board: Board) -> None:
    for panel in panels_of(board):
        defaults = panel["fieldConfig"]["defaults"]
        assert defaults["unit"] in UNITS.values()
        assert defaults["thresholds"]["steps"][0]["value"] is None


@every_board
def test_links_lead_to_the_desk(board: Board) -> None:
    links = [link["url"] for panel in panels_of(board) for link in panel["links"]]

    assert links
    assert all(link.startswith("${desk:raw}/admin/") for link in links)


def test_the_address_of_the_desk_is_what_was_asked_for() -> None:
    found = json.loads(text_of(BOARDS[0], desk="https://audit.example.com"))

    (desk,) = (each for each in found["templating"]["list"] if each["name"] == "desk")
    assert desk["query"] == desk["current"]["value"] == "https://audit.example.com"
    assert DESK not in json.dumps(found)


def test_a_board_for_an_agent_has_it_in_place_of_the_variable() -> None:
    board = board_of("claims-bot")

    assert board.uid == "obs-agent-claims-bot"
    assert "agent" not in board.variables
    assert 'agent="claims-bot"' in text_of(board).replace('\\"', '"')
    assert "agent = 'claims-bot'" in text_of(board)
    assert "$agent" not in text_of(board)


@pytest.mark.parametrize("name", ["", "Claims", "a'b", 'a"b', "a b", "a" * 65, "a\n"])
def test_no_board_is_made_for_what_no_label_can_say(name: str) -> None:
    with pytest.raises(NoSuchAgentName):
        board_of(name)


def test_sources_are_those_that_boards_name_and_hold_no_secret() -> None:
    sources = provisioned("datasources")["datasources"]

    assert [{"type": each["type"], "uid": each["uid"]} for each in sources] == [
        PROMETHEUS, POSTGRES, LOKI, JAEGER,
    ]  # fmt: skip
    for source in sources:
        for secret in source.get("secureJsonData", {}).values():
            assert secret.startswith("$__file{"), source["name"]
    assert sources[1]["user"] == READ_ROLE


def test_boards_are_provisioned_and_not_changed_in_grafana() -> None:
    (provider,) = provisioned("dashboards")["providers"]

    assert provider["type"] == "file"
    assert provider["allowUiUpdates"] is False


def test_the_page_is_what_make_boards_writes() -> None:
    assert documents.read(PAGE) == boards_page(), "stale: run `make boards`"


def test_the_page_has_every_panel_of_every_board() -> None:
    documented = [(row.section, row.cells) for row in documents.table(PAGE, *HEADER)]

    assert documented == [
        (heading(board), cells(panel)) for board in BOARDS for panel in board.panels
    ]
    assert all(f"`{view.name}`" in documents.read(PAGE) for view in VIEWS)


def test_the_command_writes_boards_and_page(tmp_path: Path) -> None:
    call_command(
        "boards", out=tmp_path / "new", page=tmp_path / "page.md", agent=["claims-bot"],
        stdout=StringIO(),
    )  # fmt: skip

    names = {path.name for path in (tmp_path / "new").iterdir()}
    assert names == {file_of(board) for board in BOARDS} | {"obs-agent-claims-bot.json"}
    assert (tmp_path / "page.md").read_text(encoding="utf-8") == documents.read(PAGE)


def test_the_command_says_what_it_cannot_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(CommandError, match="--out"):
        call_command("boards")
    with pytest.raises(CommandError, match="cannot write"):
        call_command("boards", out=tmp_path / "file" / "below")
    with pytest.raises(CommandError, match="no value of the label"):
        call_command("boards", out=tmp_path / "new", agent=["No Such"])
