"""The form that lets a person into the admin. Entries about log-ins: people_acts.py.

How often one may try: log_in_limit.py.
"""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import AbstractBaseUser, User
from django.core.exceptions import ValidationError
from django.utils import timezone
from unfold.forms import AuthenticationForm

from obsplatform.log_in_limit import count_attempt, forget_attempts
from obsplatform.people_acts import tell_locked_out, tell_refused


class LogInForm(AuthenticationForm):  # type: ignore[misc]  # unfold ships no types
    """The log-in to the admin; who is turned away with the right password leaves an entry."""

    def clean(self) -> dict[str, Any]:
        """Look at the password, unless there were too many attempts lately."""
        account, password = self.cleaned_data.get("username"), self.cleaned_data.get("password")
        if not account or not password:
            return self._look()
        address = self.request.META.get("REMOTE_ADDR", "")
        attempt = count_attempt(account, address, now=timezone.now())
        if attempt.wait is not None:
            raise ValidationError(_too_many(attempt.wait))
        try:
            cleaned = self._look()
        except ValidationError:
            if attempt.is_last:
                tell_locked_out(account)
            raise
        forget_attempts(attempt)
        return cleaned

    def _look(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean()
        return cleaned

    def confirm_login_allowed(self, user: AbstractBaseUser) -> None:
        """Raise ValidationError for an account that may not enter."""
        try:
            super().confirm_login_allowed(user)
        except ValidationError:
            assert isinstance(user, User), "the project uses Django's own accounts"
            tell_refused(user)
            raise


def _too_many(wait: timedelta) -> str:
    minutes = max(math.ceil(wait.total_seconds() / 60), 1)
    return (
        "Too many log-ins failed from here, so this one was not looked at. Try again in "
        f"{minutes} minute{'s' if minutes > 1 else ''}. If the password is lost, an administrator "
        "sets a new one under People."
    )
