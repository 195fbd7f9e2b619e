"""Write docs/dashboards.md: every board and panel with what it answers and how to change it. Pure.

Made of the boards alone, so that a test can hold the page to them. `make boards` writes it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from metrics.boards.every import BOARDS
from metrics.boards.grafana import JAEGER, LOKI, POSTGRES, PROMETHEUS, file_of
from metrics.boards.grafana_views import READ_ROLE, VIEWS
from metrics.boards.shape import Board, Panel

HEADER: Final = ("panel", "shows", "answers", "unit", "follows", "asks")

_HEAD: Final = f"""# Dashboards

This page is written by `make boards` from the boards in the code; a test fails when it is stale.
The files for Grafana 11 and 12 stand in `docker/grafana/dashboards/`.

## Putting them into Grafana

Mount `docker/grafana/provisioning/` as Grafana's folder of provisioning and \
`docker/grafana/dashboards/` as `/var/lib/grafana/dashboards`.
Grafana then makes four sources and twelve boards by itself; the addresses of the sources are \
those of containers on one network.

| source | uid | is asked |
| --- | --- | --- |
| Prometheus | `{PROMETHEUS["uid"]}` | numbers over time; scrapes [so](observability.md#metrics) |
| Postgres | `{POSTGRES["uid"]}` | single entries, days and sums that are no labels |
| Loki | `{LOKI["uid"]}` | logs, when they are sent there |
| Jaeger | `{JAEGER["uid"]}` | traces, when they are sent there |

No panel asks Loki or Jaeger: an exemplar leads to its trace in Jaeger, a log line to its trace, \
a trace to its lines.
Tests ask every panel over a live fleet, of a real Prometheus and as `{READ_ROLE}` of Postgres.
Grafana itself, Loki and Jaeger are not run in them: what these read is checked by its shape alone.

## Reading them

Variables at the top narrow a board; a panel follows those alone whose label its family has, and \
its row below says which.
Lines use Grafana's own window for a rate, numbers that say so the whole time that is shown, and \
the others the window in their name.
A share is empty where nothing happened, and 0 where something happened and nothing of the part did.
Counters begin with the first scrape that saw them: what was counted before it is in no rate.
A panel marked *may be empty* shows nothing while all is well, or until somebody uses what it is \
about.
A panel's link leads to the page of the desk where the same is read one by one.

## Changing them

- Grafana keeps no change to a provisioned board: save it under another name, and it is yours.
- To change a board for good, edit its file in `metrics/boards/`, then run `make boards`; a test \
holds every metric and label that a query names to the [list](metrics.md).
- Where the desk is: `manage.py boards --out DIR --desk https://audit.example.com` writes files \
whose links lead there.
- A board for one agent: `manage.py boards --out DIR --agent NAME` writes one more of the \
template [One agent](#d12-one-agent), with that agent in place of the variable.
- Other names of sources: keep the uids, or replace them in the files that `boards` writes.
"""

_MAY_READ: Final = f"""## What Grafana may read in Postgres

Grafana signs in as `{READ_ROLE}`, a role that may read these views and nothing else.
None has the bytes of a record, a text that somebody wrote, or the id of a person: who is no \
agent, service or part of the platform stands there under a pseudonym.
What was pruned is gone from them at once, and of who was erased there is a pseudonym that nobody \
can compute again.
`docker/postgres/roles.sql` makes the role, a migration the views.
The role writes nothing, gives up a statement after 15 seconds, has at most 10 connections and \
reads times as UTC.
Give it a password with `\\password {READ_ROLE}`; an installation of `manage.py up` has made one, \
and `database_grafana_url` in `$OBS_DATA/services.json` has it.
"""


def boards_page() -> str:
    """Return the whole page, as it stands in docs/dashboards.md."""
    return "\n".join([_HEAD, _overview(), *(_section(board) for board in BOARDS), _views()])


def heading(board: Board) -> str:
    """Return the heading of a board's section."""
    return f"D{board.number} {board.title}"


def cells(panel: Panel) -> tuple[str, ...]:
    """Return the row of a panel."""
    languages = {"promql": "Prometheus", "sql": "Postgres"}
    asks = ", ".join(sorted({languages[query.language] for query in panel.queries}))
    return (
        panel.title,
        panel.kind,
        panel.says + (" *May be empty.*" if panel.is_quiet else ""),
        panel.unit.replace("_", " "),
        ", ".join(f"`{each}`" for each in panel.follows),
        asks,
    )


def _overview() -> str:
    rows = "".join(
        f"| [{heading(board)}](#{_anchor(board)}) | {len(board.panels)} |"
        f" `docker/grafana/dashboards/{file_of(board)}` |\n"
        for board in BOARDS
    )
    count = sum(len(board.panels) for board in BOARDS)
    return f"## Boards\n\n{count} panels.\n\n| board | panels | file |\n| --- | --- | --- |\n{rows}"


def _section(board: Board) -> str:
    chosen = ", ".join(f"`{each}`" for each in board.variables)
    return (
        f"## {heading(board)}\n\n{board.says}\n"
        f"Chosen by {chosen}; renewed every {board.refresh_seconds} seconds.\n\n"
        + f"| {' | '.join(HEADER)} |\n|{' --- |' * len(HEADER)}\n"
        + "".join(f"| {' | '.join(cells(panel))} |\n" for panel in board.panels)
    )


def _views() -> str:
    return "\n".join(_views_lines())


def _views_lines() -> Iterator[str]:
    yield _MAY_READ
    yield "| view | columns | is |"
    yield "| --- | --- | --- |"
    for view in VIEWS:
        columns = ", ".join(f"`{column}`" for column in view.columns)
        yield f"| `{view.name}` | {columns} | {view.says} |"
    yield ""


def _anchor(board: Board) -> str:
    kept = "".join(c for c in heading(board).lower() if c.isalnum() or c in "_- ")
    return kept.replace(" ", "-")
