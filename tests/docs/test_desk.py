"""docs/desk.md names each page of the desk and each of its addresses, and no other."""

from __future__ import annotations

import re

import pytest
from django.conf import settings
from django.contrib import admin
from django.urls import URLPattern, URLResolver, resolve

from tests import documents
from tests.documents import DOCS
from tests.sources import APPS

DESK = DOCS / "desk.md"


def documented_admin_pages() -> dict[str, str]:
    """Return the address of each page of the desk by its title."""
    table = documents.table(DESK, "page", "address", "shows")
    return {row.first(): row.cell("address").strip("`") for row in table}


OF_NO_MODEL = ("compliance/score/", "operations/", "tracing/trace/", "tracing/line/")
"""Pages that stand in the site beside those of models."""


def test_every_page_of_the_sidebar_is_documented() -> None:
    sidebar = {
        item["title"]: str(item["link"])
        for group in settings.UNFOLD["SIDEBAR"]["navigation"]
        for item in group["items"]
    }

    assert documented_admin_pages().items() >= sidebar.items()


@pytest.mark.parametrize("address", sorted(documented_admin_pages().values()))
def test_every_documented_page_of_the_desk_is_one(address: str) -> None:
    found = resolve(address)

    assert found.namespace == "admin"
    is_list = str(found.url_name).endswith(("index", "_changelist"))
    assert is_list or str(found.url_name).startswith("metrics_operations_")


def test_every_address_of_our_admin_pages_is_documented_and_no_other() -> None:
    served = {
        f"/admin/{model._meta.app_label}/{model._meta.model_name}/{pattern.pattern}"
        for model, page in admin.site._registry.items()
        if type(page).__module__.split(".")[0] in APPS and model._meta.app_label in APPS
        for pattern in page.get_urls()
    }
    served |= {
        f"/admin/{each.pattern}"
        for each in admin.site.get_urls()
        if isinstance(each, URLPattern) and each.callback.__module__.startswith("obsplatform.")
    }
    served |= {  # pages of an app that belong to no model
        f"/admin/{each.pattern}{page.pattern}"
        for each in admin.site.get_urls()
        if isinstance(each, URLResolver) and str(each.pattern) in OF_NO_MODEL
        for page in each.url_patterns
    }
    # Scores are of no model of their own: their pages stand in the site beside those of models.
    served |= {
        f"/admin/{tree.pattern}{each.pattern}"
        for tree in admin.site.get_urls()
        if isinstance(tree, URLResolver) and str(tree.pattern) in OF_NO_MODEL
        for each in tree.url_patterns
    }
    said = {row.first() for row in documents.table(DESK, "address", "does")}
    said |= {
        row.cell("address").strip("`")
        for row in documents.table(DESK, "page", "address", "shows")
        if row.cell("address").split("/")[2] in (*APPS, "operations")
    }

    assert {without_names(each) for each in said} == {without_names(each) for each in served}


def without_names(address: str) -> str:
    return re.sub(r"<[^>]+>", "<>", address)
