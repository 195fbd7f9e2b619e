"""Say which sinks this installation has: those of settings.ANCHOR_SINKS that are configured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from audit.ledger.errors import PolicyMalformed
from audit.ledger.policy import Policy, parse_policy
from audit.outbound import AddressRefused, check_url
from audit.sinks import Sink
from audit.sinks.witness import Witness

_SECRET_LENGTH = 16
_NEEDED = {
    "ANCHOR_WEBHOOK_URL": ("ANCHOR_WEBHOOK_SECRET",),
    "ANCHOR_TSA_URL": ("ANCHOR_TSA_CA",),
    "ANCHOR_S3_URL": ("ANCHOR_S3_KEY_ID", "ANCHOR_S3_SECRET"),
}
"""What must be set beside each address."""


def sinks_from_settings() -> list[Sink]:
    """Return the sinks to publish to. Raises ImproperlyConfigured when one is half set up."""
    check_settings()
    made = (import_string(path).from_settings() for path in settings.ANCHOR_SINKS)
    return [sink for sink in made if sink is not None]


def check_settings() -> None:
    """Refuse an odd address, and one without what belongs to it; asks nobody."""
    for name, others in _NEEDED.items():
        url = getattr(settings, name)
        if not url:
            continue
        try:
            check_url(url)
        except AddressRefused as error:
            raise ImproperlyConfigured(f"OBS_{name}: {error}") from error
        for other in others:
            if not getattr(settings, other):
                raise ImproperlyConfigured(f"OBS_{name} is set and OBS_{other} is not; set both")
    if settings.ANCHOR_WEBHOOK_URL and len(settings.ANCHOR_WEBHOOK_SECRET) < _SECRET_LENGTH:
        raise ImproperlyConfigured(
            f"OBS_ANCHOR_WEBHOOK_SECRET has fewer than {_SECRET_LENGTH} characters;"
            " `openssl rand -hex 32` makes one"
        )


def policy_from_settings() -> Policy | None:
    """Return the policy of OBS_WITNESS_POLICY, None when it is not set.

    Raises ImproperlyConfigured when the file cannot be read.
    """
    if not settings.WITNESS_POLICY:
        return None
    try:
        return parse_policy(Path(settings.WITNESS_POLICY).read_bytes())
    except (OSError, PolicyMalformed) as error:
        raise ImproperlyConfigured(
            f"OBS_WITNESS_POLICY {settings.WITNESS_POLICY}: {error}"
        ) from error


def witnesses_of(policy: Policy) -> Sequence[Witness]:
    """Return the witnesses of a policy that have an address to ask.

    Raises ImproperlyConfigured for an odd address.
    """
    found = []
    for each in policy.witnesses:
        if not each.url:
            continue
        try:
            check_url(each.url)
        except AddressRefused as error:
            raise ImproperlyConfigured(
                f"OBS_WITNESS_POLICY, witness {each.name}: {error}"
            ) from error
        found.append(
            Witness(name=each.name, key=each.key, url=each.url, rules=settings.OUTBOUND_RULES)
        )
    return found
