"""Read the form that makes an API key. It checks what was typed and makes nothing itself.

The key is made by audit.auth. The form carries a word that is good once, so that sending it again
does not make a second key.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django import forms
from django.utils import timezone

from audit.auth import SCOPES
from audit.models import Ledger

_A_YEAR = timedelta(days=365)


def _in_a_year() -> date:
    return (timezone.now() + _A_YEAR).date()


class KeyForm(forms.Form):
    """What a new key is for and what it may do."""

    name = forms.CharField(
        max_length=200,
        help_text="Who uses it: a team, an agent, a machine. Entries about the key carry it.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    ledger = forms.ModelChoiceField(
        queryset=Ledger.objects.order_by("name"),
        empty_label=None,
        help_text="The one chain it writes to and reads from.",
    )
    scopes = forms.MultipleChoiceField(
        choices=list(SCOPES.items()),
        initial=["events:write"],
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "Choose at least one: a key without a scope can do nothing."},
    )
    expires_on = forms.DateField(
        required=False,
        initial=_in_a_year,
        help_text="The last day (UTC) it is accepted. Empty: until it is revoked.",
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )
    events_per_second = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=2**31 - 1,
        help_text="Above it a POST is answered 429. Empty: the installation's limit.",
    )
    events_per_day = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=2**62,
        help_text="Counted by day (UTC). Empty: no limit.",
    )
    once = forms.CharField(widget=forms.HiddenInput)

    def clean_expires_on(self) -> date | None:
        """Refuse a day that is over: the key would be born expired."""
        day: date | None = self.cleaned_data["expires_on"]
        if day is not None and day < timezone.now().date():
            raise forms.ValidationError("This day is over. Choose today or a later day.")
        return day

    def key_values(self) -> dict[str, Any]:
        """Return what audit.auth.make_key takes; a day ends at its last microsecond, UTC."""
        day: date | None = self.cleaned_data["expires_on"]
        return {
            "ledger": self.cleaned_data["ledger"],
            "name": self.cleaned_data["name"],
            "scopes": self.cleaned_data["scopes"],
            "expires_at": datetime.combine(day, time.max, tzinfo=UTC) if day else None,
            "events_per_second": self.cleaned_data["events_per_second"],
            "events_per_day": self.cleaned_data["events_per_day"],
        }
