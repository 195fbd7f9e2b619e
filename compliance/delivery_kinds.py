"""Say which kinds of recipient there are, what each needs, and check what a person gave.

An address that may not be reached is refused here, when it is saved, and again at each send, since
a name may come to mean another address. Sending: delivering.py. Rows: schedule.py.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from compliance.gather import WEB, AddressRefused, NoAnswer, check_target

Value: TypeAlias = str | int

_WORD: Final = re.compile(r"[!-~]{1,255}")
_PREFIX: Final = re.compile(r"(?:[A-Za-z0-9_.-]+/){0,16}", re.ASCII)
_MOST_SECRET: Final = 1_000
_LEAST_HMAC: Final = 16
_MOST_ADDRESS: Final = 254
"""Characters of a mailbox (RFC 5321 §4.5.3.1.3)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Option:
    """One thing that a kind needs beside address and secret."""

    name: str
    word: str
    help: str
    kind: Literal["text", "integer", "choice"] = "text"
    default: Value = ""
    least: int = 0
    most: int = 2**31 - 1
    choices: tuple[tuple[str, str], ...] = ()
    shape: re.Pattern[str] | None = None
    """What a text must look like when it is not empty."""
    is_needed: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """One kind of recipient."""

    name: str
    word: str
    what: str
    """A sentence that says what goes where."""
    address_word: str
    example: str
    secret_word: str = ""
    """Empty when there is none."""
    least_secret: int = 0
    options: tuple[Option, ...] = ()


KINDS: Final[Mapping[str, Kind]] = {
    each.name: each
    for each in (
        Kind(
            name="email",
            word="E-mail",
            what="The PDF and the executive page attached, up to 10 MB; links to everything.",
            address_word="Mailbox",
            example="auditor@example.com; several with commas between",
        ),
        Kind(
            name="webhook",
            word="Signed webhook",
            what="A signed POST with the report's facts, links and sums; no content.",
            address_word="Address",
            example="https://grc.example.com/reports",
            secret_word="Secret",  # noqa: S106  # a label
            least_secret=_LEAST_HMAC,
        ),
        Kind(
            name="objectstore",
            word="Object store",
            what="Each file as an object of an S3-compatible bucket.",
            address_word="Bucket",
            example="https://s3.example.com/bucket, path style",
            secret_word="Secret access key",  # noqa: S106  # a label
            least_secret=1,
            options=(
                Option(
                    name="key_id",
                    word="Access key ID",
                    help="Whose secret this is.",
                    shape=_WORD,
                    is_needed=True,
                ),
                Option(
                    name="region",
                    word="Region",
                    help="Part of what is signed.",
                    default="us-east-1",
                    shape=_WORD,
                    is_needed=True,
                ),
                Option(
                    name="prefix",
                    word="Prefix",
                    help="Before each key: empty, or ending in a slash.",
                    shape=_PREFIX,
                ),
                Option(
                    name="lock",
                    word="Object lock",
                    help="Compliance: nobody shortens it. Governance: whoever has a special right.",
                    kind="choice",
                    choices=(
                        ("", "none"),
                        ("GOVERNANCE", "governance"),
                        ("COMPLIANCE", "compliance"),
                    ),
                ),
                Option(
                    name="lock_days",
                    word="Locked for",
                    help="Days from the upload on.",
                    kind="integer",
                    default=365,
                    least=1,
                    most=36_500,
                ),
            ),
        ),
    )
}
"""Each kind by its name, in the order in which the form offers them."""


class RecipientRefused(Exception):
    """A recipient cannot be so. `part` is kind, address, secret or an option's name."""

    def __init__(self, part: str, message: str) -> None:
        super().__init__(part, message)
        self.part = part
        self.message = message


def check_recipient(
    kind: str, address: str, options: Mapping[str, Any], secret: str | None
) -> dict[str, Value]:
    """Return all options of a recipient as values. Raises RecipientRefused.

    `secret` None: the one that is kept stays. Resolves the address's name, which may take as long
    as OBS_OUTBOUND_SECONDS; one that does not resolve now is told by the first try.
    """
    found = KINDS.get(kind)
    if found is None:
        raise RecipientRefused("kind", f"choose one of {', '.join(KINDS)}")
    _check_address(found, address)
    if secret is not None:
        _check_secret(found, secret)
    return {
        option.name: _read(option, options.get(option.name, option.default))
        for option in found.options
    }


def mailboxes(text: str) -> Sequence[str]:
    """Return the mailboxes that were typed with commas, semicolons or blanks between."""
    return [each for each in re.split(r"[,;\s]+", text) if each]


def _check_address(kind: Kind, address: str) -> None:
    if kind.name == "email":
        try:
            validate_email(address)
        except ValidationError as error:
            said = f"{address or 'nothing'} is no mailbox such as auditor@example.com"
            raise RecipientRefused("address", said) from error
        if len(address) > _MOST_ADDRESS or not address.isascii():
            said = f"a mailbox has at most {_MOST_ADDRESS} ASCII characters"
            raise RecipientRefused("address", said)
        return
    if kind.name == "objectstore" and "?" in address:
        raise RecipientRefused("address", "give a bucket's address without a query")
    try:
        check_target(address, rules=settings.OUTBOUND_RULES, schemes=WEB)
    except AddressRefused as error:
        raise RecipientRefused("address", f"it may not be reached: {error}") from error
    except NoAnswer:
        return  # a name server may be away for a while; the first try tells


def _check_secret(kind: Kind, secret: str) -> None:
    if not kind.secret_word:
        if secret:
            raise RecipientRefused("secret", f"{kind.word} takes none; leave it empty")
        return
    if len(secret) < kind.least_secret:
        least = f"at least {kind.least_secret} characters"
        said = f"give {least}; openssl rand -hex 32 makes one" if kind.name == "webhook" else least
        raise RecipientRefused("secret", said if secret else f"it is needed: {said}")
    if len(secret) > _MOST_SECRET or re.fullmatch(r"[!-~]+", secret) is None:
        said = f"up to {_MOST_SECRET} visible ASCII characters without blanks"
        raise RecipientRefused("secret", said)


def _read(option: Option, given: object) -> Value:
    text = str(given).strip()
    if option.kind == "integer":
        digits = text.replace(",", "")
        is_number = digits.isascii() and digits.isdigit() and len(digits) < 10
        if not is_number or not option.least <= int(digits) <= option.most:
            said = f"give a whole number from {option.least:,} to {option.most:,}"
            raise RecipientRefused(option.name, said)
        return int(digits)
    if option.kind == "choice":
        if text not in {value for value, _ in option.choices}:
            said = f"choose one of {', '.join(word for _, word in option.choices)}"
            raise RecipientRefused(option.name, said)
        return text
    if not text and option.is_needed:
        raise RecipientRefused(option.name, f"{option.word} is needed")
    if text and option.shape is not None and option.shape.fullmatch(text) is None:
        said = (
            "give a path that ends in a slash, such as held/"
            if option.shape is _PREFIX
            else "up to 255 visible ASCII characters without blanks"
        )
        raise RecipientRefused(option.name, said)
    return text
