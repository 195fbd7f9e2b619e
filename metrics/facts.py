"""Ask for facts on a timer and keep what they say: the rows of `metrics_fact`.

A source is a function that returns values by family and labels; which there are says
settings.METRICS_FACTS, so that apps above this one add theirs. Each is asked in a transaction of
its own that only reads and whose every statement gives up after two seconds, and its rows are
replaced as a whole: what it no longer says is gone. One that fails takes no other with it: it is
logged, its rows stay as they were, and `obs_metrics_collector_up` says 0 of it.

Nothing is computed here. Called by tasks.py; shown by expose.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias, TypeVar

import psycopg
import structlog
from django.conf import settings
from django.db import Error as DjangoDatabaseError
from django.db import connection, transaction
from django.utils.module_loading import import_string

from audit.database import rows
from audit.figures import bounded
from metrics.families import BY_NAME
from metrics.labels import Key
from metrics.platform_families import COLLECTOR_UP

log = structlog.get_logger(__name__)

Facts: TypeAlias = dict[Key, float]
"""Values in the unit of their family; the most important of a family first."""

Source: TypeAlias = Callable[[], Facts]

_Asked = TypeVar("_Asked", bound=Source)

_SECONDS: Final = "_seconds_between"
# Held to the end of the transaction that writes, so that two workers do not both ask.
_TRY_LOCK = "SELECT pg_try_advisory_xact_lock(hashtext('metrics.facts'), hashtext(%s))"
_IS_DUE = """
SELECT NOT EXISTS (
    SELECT FROM metrics_fact
    WHERE family = %s
      AND labels = %s
      AND value = 1
      AND at > clock_timestamp() - make_interval(secs => %s)
)
"""
_PUT = """
INSERT INTO metrics_fact (family, labels, value, at, source)
SELECT n.family, n.labels, n.value, clock_timestamp(), %s
FROM unnest(%s::text[], %s::text[], %s::float8[]) AS n(family, labels, value)
ON CONFLICT (family, labels) DO UPDATE
SET value = excluded.value, at = excluded.at, source = excluded.source
"""
_REMOVE_OTHERS = """
DELETE FROM metrics_fact AS f
WHERE f.source = %s
  AND NOT EXISTS (
      SELECT FROM unnest(%s::text[], %s::text[]) AS n(family, labels)
      WHERE n.family = f.family AND n.labels = f.labels
  )
"""
_REMOVE_UNLISTED = "DELETE FROM metrics_fact WHERE source <> '' AND source <> ALL(%s::text[])"


def every(seconds: float) -> Callable[[_Asked], _Asked]:
    """Have a source asked at most once in so many seconds, for one that costs more than others."""

    def marked(source: _Asked) -> _Asked:
        setattr(source, _SECONDS, seconds)
        return source

    return marked


def refresh_facts() -> None:
    """Ask every source that is due, each for itself.

    Raises what a source raised that is no error of the database, once all were asked.
    """
    wrong: Exception | None = None
    for path in settings.METRICS_FACTS:
        try:
            _refresh(path)
        except (DjangoDatabaseError, psycopg.Error) as error:
            connection.close_if_unusable_or_obsolete()
            _say_down(path, error)
        except Exception as error:  # a defect of one source; it is raised below
            wrong = error
            _say_down(path, error)
    with connection.cursor() as cursor:
        cursor.execute(_REMOVE_UNLISTED, [settings.METRICS_FACTS])
    if wrong is not None:
        raise wrong


def _refresh(path: str) -> None:
    source: Source = import_string(path)
    ((is_due,),) = rows(_IS_DUE, (COLLECTOR_UP.name, path, float(getattr(source, _SECONDS, 0))))
    if not is_due:
        return
    with bounded():
        facts = source()
    _keep(path, {**within_caps(facts), (COLLECTOR_UP.name, (path,)): 1.0})


def _keep(path: str, facts: Mapping[Key, float]) -> None:
    """Replace what a source said before, in one order for all who write."""
    ordered = sorted(facts.items())
    families = [family for (family, _), _ in ordered]
    labels = [" ".join(values) for (_, values), _ in ordered]
    with transaction.atomic():
        ((is_ours,),) = rows(_TRY_LOCK, (path,))
        if not is_ours:
            return
        with connection.cursor() as cursor:
            cursor.execute(_PUT, [path, families, labels, [float(value) for _, value in ordered]])
            cursor.execute(_REMOVE_OTHERS, [path, families, labels])


def within_caps(facts: Facts) -> Facts:
    """Return the facts that fit their families' caps, the first of each; say what does not."""
    counts: dict[str, int] = {}
    kept: Facts = {}
    for (family, values), value in facts.items():
        counts[family] = counts.get(family, 0) + 1
        if counts[family] <= BY_NAME[family].cap:
            kept[family, values] = value
    for family, count in counts.items():
        if count > BY_NAME[family].cap:
            log.warning("metrics.facts_over_cap", family=family, facts=count)
    return kept


def _say_down(path: str, error: Exception) -> None:
    log.warning("metrics.source_failed", source=path, error=str(error), exc_info=error)
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(_PUT, [path, [COLLECTOR_UP.name], [path], [0.0]])
    except (DjangoDatabaseError, psycopg.Error) as away:
        # The database itself is away: the age of the rows says so, and the next turn tries again.
        log.warning("metrics.source_not_said", source=path, error=str(away))
        connection.close_if_unusable_or_obsolete()
