"""The admin site: the product's one place for auditors. Apps register their own pages."""

from __future__ import annotations

from django.contrib.admin.apps import AdminConfig as DjangoAdminConfig
from unfold.sites import UnfoldAdminSite


class Site(UnfoldAdminSite):
    """The admin site of the platform."""

    site_title = "obsplatform"
    site_header = "obsplatform"


class AdminConfig(DjangoAdminConfig):
    """Makes `Site` the default, so that apps keep using `@admin.register`."""

    default_site = "obsplatform.admin.Site"
