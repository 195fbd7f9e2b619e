"""Say which kinds of receiver there are, what each needs, and check what a person gave.

Addresses are looked at here when a receiver is made, and again by audit.outbound at each message,
since a name may come to mean another address. Who could name any address and any file could have a
secret sent to himself, so a routing key goes to PagerDuty alone, or to a relay in a network of
OBS_OUTBOUND_ALLOW, and only what looks like one goes at all; a webhook's secret is never sent.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from audit.outbound import AddressRefused, NoAnswer, check_target
from metrics.acting import ChangeRefused
from metrics.notifying.secret_files import SecretUnreadable, is_name, read_secret

PAGERDUTY: Final = "https://events.pagerduty.com/v2/enqueue"
PAGERDUTY_HOSTS: Final = frozenset({"events.pagerduty.com", "events.eu.pagerduty.com"})
ROUTING_KEY: Final = re.compile(r"[A-Za-z0-9]{32}", re.ASCII)
LEAST_HMAC: Final = 16
MOST_MAILBOXES: Final = 20
_MOST_MAILBOX: Final = 254  # characters (RFC 5321 section 4.5.3.1.3)


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """One kind of receiver."""

    name: str
    word: str
    what: str
    """A sentence that says what goes where."""
    target_word: str = ""
    """Empty when it has no address beside its secret."""
    secret_word: str = ""
    """What the file holds; empty when there is none."""


KINDS: Final[Mapping[str, Kind]] = {
    each.name: each
    for each in (
        Kind(
            name="slack",
            word="Slack",
            what="A message by an incoming webhook, whose whole address is the secret.",
            secret_word="The webhook's address",  # noqa: S106  # a label
        ),
        Kind(
            name="pagerduty",
            word="PagerDuty",
            what="An alert by the Events API v2, which the end resolves.",
            target_word="Address of the Events API",
            secret_word="The routing key",  # noqa: S106  # a label
        ),
        Kind(
            name="webhook",
            word="Signed webhook",
            what="JSON by POST, signed with HMAC-SHA-256.",
            target_word="Address",
            secret_word="The key of the signature",  # noqa: S106  # a label
        ),
        Kind(
            name="email",
            word="E-mail",
            what="A mail by the server of the OBS_EMAIL settings.",
            target_word="Mailboxes",
        ),
    )
}
"""Each kind by its name, in the order in which the form offers them."""


def check_receiver(kind: str, target: str, secret: str) -> tuple[str, str]:
    """Return target and secret's file as they are kept. Raises ChangeRefused, naming the field.

    Resolves the address's name, which may take as long as OBS_OUTBOUND_SECONDS. A file that is not
    there yet is no error: the page says so until it is.
    """
    found = KINDS.get(kind)
    if found is None:
        raise ChangeRefused({"kind": f"is one of {', '.join(KINDS)}"})
    target, secret = target.strip(), secret.strip()
    errors: dict[str, str] = {}
    try:
        target = _checked_target(found, target)
    except ChangeRefused as refused:
        errors |= refused.errors
    if found.secret_word and not is_name(secret):
        errors |= {"secret": "is the name of a file in OBS_SECRETS_DIR: letters, digits, _ . -"}
    if not found.secret_word and secret:
        errors["secret"] = f"is empty: {found.word} needs none"
    if errors:
        raise ChangeRefused(errors)
    return target, secret


def check_routing_address(address: str) -> None:
    """Refuse an address that no routing key is for. Raises AddressRefused, NoAnswer."""
    rules = settings.OUTBOUND_RULES
    found = check_target(address, rules=rules)
    if found.host in PAGERDUTY_HOSTS and found.scheme == "https":
        return
    own = all(
        any(ip_address(each) in network for network in rules.allowed) for each in found.addresses
    )
    if not own:
        raise AddressRefused(
            f"a routing key goes to https://{' or https://'.join(sorted(PAGERDUTY_HOSTS))} alone,"
            " or to a network of OBS_OUTBOUND_ALLOW"
        )


def secret_of(kind: str, name: str) -> str:
    """Return the secret of a receiver, if it is what its kind needs. Raises SecretUnreadable."""
    if not KINDS[kind].secret_word:
        return ""
    secret = read_secret(name)
    if kind == "slack" and not secret.startswith(("https://", "http://")):
        raise SecretUnreadable(f"the file {name} holds no address of an incoming webhook")
    if kind == "pagerduty" and not ROUTING_KEY.fullmatch(secret):
        raise SecretUnreadable(f"the file {name} holds no routing key of 32 letters and digits")
    if kind == "webhook" and len(secret) < LEAST_HMAC:
        raise SecretUnreadable(f"the key in the file {name} has less than {LEAST_HMAC} characters")
    return secret


def mailboxes(text: str) -> Sequence[str]:
    """Return the mailboxes that were typed with commas, semicolons or blanks between."""
    return list(dict.fromkeys(each for each in re.split(r"[,;\s]+", text) if each))


def _checked_target(kind: Kind, target: str) -> str:
    if not kind.target_word:
        if target:
            raise ChangeRefused({"target": f"is empty: of {kind.word} the address is the secret"})
        return ""
    if kind.name == "email":
        return _checked_mailboxes(target)
    target = target or (PAGERDUTY if kind.name == "pagerduty" else "")
    try:
        if kind.name == "pagerduty":
            check_routing_address(target)
        else:
            check_target(target, rules=settings.OUTBOUND_RULES)
    except AddressRefused as error:
        raise ChangeRefused({"target": f"may not be reached: {error}"}) from error
    except NoAnswer:
        pass  # a name server may be away for a while; each message looks again
    return target


def _checked_mailboxes(target: str) -> str:
    found = mailboxes(target)
    if not 0 < len(found) <= MOST_MAILBOXES:
        raise ChangeRefused({"target": f"is 1 to {MOST_MAILBOXES} mailboxes"})
    for each in found:
        try:
            validate_email(each)
        except ValidationError as error:
            raise ChangeRefused({"target": f"is no mailbox: {each}"}) from error
        if len(each) > _MOST_MAILBOX or not each.isascii():
            said = f"has mailboxes of at most {_MOST_MAILBOX} ASCII characters"
            raise ChangeRefused({"target": said})
    return ", ".join(found)
