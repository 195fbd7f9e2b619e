"""Every address of the platform, by app."""

from __future__ import annotations

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path
from django.views.generic import RedirectView

from metrics.views import metrics
from obsplatform.admin import load_pages
from obsplatform.health import health, ready, status

handler400 = "audit.problems.bad_request"  # under /api an error is a problem document
handler500 = "audit.problems.server_error"

load_pages()
urlpatterns: list[URLPattern | URLResolver] = [
    path("", RedirectView.as_view(url="/admin/", permanent=False)),
    path("admin/", admin.site.urls),
    path("", include("audit.urls")),
    path("", include("compliance.urls")),
    path("", include("tracing.urls")),
    path("health", health, name="health"),
    path("ready", ready, name="ready"),
    path("status", status, name="status"),
    path("metrics", metrics, name="metrics"),
]
