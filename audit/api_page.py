"""The page that shows the API's document, with files of this installation alone."""

from __future__ import annotations

import json
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from ninja import NinjaAPI, Swagger


class Documentation(Swagger):
    """The page that shows the document.

    Ninja's own loads its files from elsewhere where it is no installed app (settings.NINJA).
    """

    def render_page(self, request: HttpRequest, api: NinjaAPI, **path_params: Any) -> HttpResponse:
        """Draw the page."""
        shown = self.settings | {"url": self.get_openapi_url(api, path_params)}
        context = {"swagger_settings": json.dumps(shown, indent=1), "api": api}
        return render(request, self.template, context)
