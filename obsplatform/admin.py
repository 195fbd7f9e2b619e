"""The admin site: the product's one place for auditors. Apps register their own pages.

Here is only what no app owns: the site, people and roles, and what is left out. Look and sidebar:
obsplatform.desk.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from importlib import import_module
from typing import Any

from django.apps import AppConfig, apps
from django.conf import settings
from django.contrib.admin.apps import SimpleAdminConfig
from django.contrib.admin.checks import check_admin_app, check_dependencies
from django.core.checks import CheckMessage, Tags, register
from django.http import HttpRequest
from django.urls import URLPattern, URLResolver, include, path
from django.utils.functional import SimpleLazyObject
from unfold.sites import UnfoldAdminSite


class Site(UnfoldAdminSite):  # type: ignore[misc]  # unfold ships no types
    """The admin site of the platform."""

    site_title = "obsplatform"
    site_header = "obsplatform"
    enable_nav_sidebar = True

    def get_urls(self) -> list[URLPattern | URLResolver]:
        """Add the live part of the front page, scores, operations, traces, and pieces."""
        # Imported here: the apps are loaded by now, and these read their models.
        from compliance.admin.scores import ScorePages
        from compliance.models import Snapshot
        from metrics.admin.operations.pages import OperationsPages
        from metrics.models import Objective
        from obsplatform import front, pieces
        from tracing.admin.lines import LineAdmin
        from tracing.admin.traces import TraceAdmin
        from tracing.models import Line, Trace

        return [
            path("overview/", self.admin_view(front.live), name="overview_live"),
            path("pieces/", self.admin_view(pieces.pieces), name="pieces"),
            path("compliance/score/", include(ScorePages(Snapshot, self).get_urls())),
            path("operations/", include(OperationsPages(Objective, self).get_urls())),
            path("tracing/trace/", include(TraceAdmin(Trace, self).get_urls())),
            path("tracing/line/", include(LineAdmin(Line, self).get_urls())),
            *super().get_urls(),
        ]

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> Any:
        """Return the apps once they are looked at: every page asks for them, and few show them."""
        return SimpleLazyObject(partial(super().get_app_list, request, app_label))


class AdminConfig(SimpleAdminConfig):
    """Makes `Site` the default, so that apps keep using `@admin.register`.

    No page is loaded before addresses are (obsplatform.urls): the processes that chain, seal and
    deliver serve none, and start in half the time without them.
    """

    default_site = "obsplatform.admin.Site"

    def ready(self) -> None:
        """Register Django's checks of the admin, that of the pages once they are there."""
        register(check_dependencies, Tags.admin)
        register(check_pages, Tags.admin)


def check_pages(app_configs: Sequence[AppConfig] | None = None, **more: Any) -> list[CheckMessage]:
    """Check every page that an app registers."""
    import_module(settings.ROOT_URLCONF)
    found: list[CheckMessage] = check_admin_app(app_configs, **more)
    return found


def load_pages() -> None:
    """Let apps register, then replace the pages of people and drop those of the scheduler.

    Called once, by obsplatform.urls. A schedule decides when evidence is made, so it is changed in
    code, which leaves a trace.
    """
    # Imported here: Django reads this module before the apps are loaded.
    from django.contrib import admin

    from obsplatform import people

    admin.autodiscover()
    people.register(admin.site)
    for model in apps.get_app_config("django_celery_beat").get_models():
        if admin.site.is_registered(model):
            admin.site.unregister(model)
