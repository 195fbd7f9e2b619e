"""The form that lets a person into the admin. Entries about log-ins: people_acts.py."""

from __future__ import annotations

from django.contrib.auth.models import AbstractBaseUser, User
from django.core.exceptions import ValidationError
from unfold.forms import AuthenticationForm

from obsplatform.people_acts import tell_refused


class LogInForm(AuthenticationForm):  # type: ignore[misc]  # unfold ships no types
    """The log-in to the admin; who is turned away with the right password leaves an entry."""

    def confirm_login_allowed(self, user: AbstractBaseUser) -> None:
        """Raise ValidationError for an account that may not enter."""
        try:
            super().confirm_login_allowed(user)
        except ValidationError:
            assert isinstance(user, User), "the project uses Django's own accounts"
            tell_refused(user)
            raise
