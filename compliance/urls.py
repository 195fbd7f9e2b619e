"""Addresses of the compliance app beside the desk and the API: the files of reports."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from compliance.download import report_file

urlpatterns: list[URLPattern | URLResolver] = [
    path("reports/<int:number>/<str:name>", report_file, name="report-file"),
]
