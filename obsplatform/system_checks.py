"""Say at start what is set up wrongly: `manage.py check` and nearly every command run these.

The commands that follow the ledger, and serve no page, make those alone that are about security.
They look at settings and files alone. What only a running database can tell is /ready's:
obsplatform.readiness. A wrong value of one setting stops the start in obsplatform.env already;
here is what is wrong only together with something else.
"""

from __future__ import annotations

import stat
from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register


@register(Tags.security)
def check_key_folder(
    app_configs: Sequence[AppConfig] | None = None, **_: Any
) -> list[CheckMessage]:
    """Let nobody but the owner read the keys, or put others in their place."""
    folder = settings.KEY_DIR
    open_paths = [
        path for path in (folder, *folder.glob("*")) if stat.S_IMODE(path.stat().st_mode) & 0o077
    ]
    if not open_paths:
        return []
    return [
        Error(
            f"Others than the owner can reach {open_paths[0]}.",
            hint=f"chmod -R go= {folder}; who may have read the keys meanwhile?",
            id="obsplatform.E001",
        )
    ]


@register(Tags.security)
def check_debug(app_configs: Sequence[AppConfig] | None = None, **_: Any) -> list[CheckMessage]:
    """Keep tracebacks with settings and values from where others connect."""
    if settings.DEBUG and settings.HTTPS:
        return [
            Error(
                "OBS_DEBUG is on where OBS_HTTPS says that others connect.",
                hint="Unset OBS_DEBUG; the log holds every traceback.",
                id="obsplatform.E002",
            )
        ]
    return []


@register(Tags.security)
def check_metrics_token(
    app_configs: Sequence[AppConfig] | None = None, **_: Any
) -> list[CheckMessage]:
    """Refuse a token that can be guessed."""
    if settings.METRICS_TOKEN and len(settings.METRICS_TOKEN) < 16:
        return [
            Error(
                "OBS_METRICS_TOKEN is shorter than 16 characters.",
                hint='python -c "import secrets; print(secrets.token_urlsafe(32))"',
                id="obsplatform.E003",
            )
        ]
    return []


@register()
def check_process_metrics(
    app_configs: Sequence[AppConfig] | None = None, **_: Any
) -> list[CheckMessage]:
    """Warn when each scrape would meet another process and its counters."""
    if settings.WEB_WORKERS > 1 and not settings.METRICS_MULTIPROC_DIR:
        return [
            Warning(
                "OBS_WEB_WORKERS is above 1 and PROMETHEUS_MULTIPROC_DIR is not set.",
                hint="Name an empty folder; the django_http_* counters then add up.",
                id="obsplatform.W001",
            )
        ]
    return []
