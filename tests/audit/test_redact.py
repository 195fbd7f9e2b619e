"""Secrets go, wherever they stand; counts, digests and prose stay as they were."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.errors import EventRejected
from audit.parse import ParsedEvent, parse_event
from audit.redact import REPLACEMENT, Redactor
from audit.stored import MAX_DETAILS, MAX_EVENT, stored_event
from tests.audit.building import event_json, full_event

PEM = (
    "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA7bq\nq9x/Zk+1==\n"
    "-----END RSA PRIVATE KEY-----"
)
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJlLW9mLXRoaXM"

# Each kind of secret: the text that must go, inside a text that may stay.
SHAPES = {
    "bearer": ("Bearer mF_9.B5f-4.1JqM", "mF_9.B5f-4.1JqM"),
    "bearer, capitals": ("AUTHORIZATION: BEARER ABCDEF123456", "ABCDEF123456"),
    "bearer of letters, in a header": ("Authorization: Bearer sesame", "sesame"),
    "basic": ("Authorization: Basic YWxpY2U6c2VzYW1l", "YWxpY2U6c2VzYW1l"),
    "model provider": ("sk-proj-abcdefghijklmnop1234", "abcdefghijklmnop1234"),
    "model provider, letters": ("sk-abcdefghijklmnopqrstuvwxyz", "abcdefghijklmnopqrstuvwxyz"),
    "model provider, parts": ("sk-ant-api03-AbCd_Ef-GhIj0123", "AbCd_Ef-GhIj0123"),
    "payments": ("sk_live_4eC39HqLyjWDarjtT1zd", "4eC39HqLyjWDarjtT1zd"),
    "map service": ("AIzaSyA1234567890abcdefghijklmnopqrstuv", "SyA1234567890"),
    "model hub": ("hf_abcdefghijklmnopqrstuvwxyzABCDEFGH", "abcdefghijklmnop"),
    "code host": ("ghp_16C7e42F292c6912E7710c838347Ae178B4a", "16C7e42F292c6912"),
    "code host, oauth": ("gho_16C7e42F292c6912E7710c838347Ae178B4a", "16C7e42F292c6912"),
    "code host, fine": ("github_pat_11ABCDEFG0123456789_abcdefghijk", "11ABCDEFG0123456789"),
    "other code host": ("glpat-abcdefghij1234567890", "abcdefghij1234567890"),
    "chat": ("xoxb-123456789012-abcdefABCDEF", "123456789012-abcdefABCDEF"),
    "cloud key": ("AKIAIOSFODNN7EXAMPLE", "IOSFODNN7EXAMPLE"),
    "private key": (PEM, "MIIEpAIBAAKCAQEA7bq"),
    "private key, cut": (PEM[:50], "MIIEpAIBAAKCAQEA7bq"),
    "json web token": (JWT, "c2lnbmF0dXJlLW9mLXRoaXM"),
    "our own key": ("obs_live_7Q2mX9aB_" + "k" * 43 + "_abc123", "k" * 43),
    "database address": ("postgres://obs:s3cr:et@db:5432/obs", "s3cr:et"),
    "database address, at": ("redis://:p@ss@cache/0", "p@ss"),
    "assignment": ("psql --password=hunter22 -h db", "hunter22"),
    "query string": ("https://api/x?api_key=abcd1234&q=1", "abcd1234"),
}
PROSE = [
    "The token bucket refills at 100 tokens a second; max_tokens=4096.",
    "A bearer of good news. Bearer authentication is described in RFC 6750.",
    "Ask the secretary about the cookie policy and the password rules.",
    "basic understanding of task-scheduling-in-large-distributed-systems-part-12",
    "risk-assessment-for-the-whole-of-the-company-2026",
    "https://example.com:8443/a/b?page=2&sort=name#top mail alice@example.com",
    "77c76ade3bf6d24e1ee3e61001a72dc94316c4177b91646322cc38eeb45c5bc5",
    "28eaca88-bacb-5ca8-bb42-0343641f1be4",
    "00-2129387e59f59ac760fd191c19ced52b-a39dbe9ee098032e-01",
    "eyJ is how such a text begins. -----BEGIN PUBLIC KEY-----",
    "x == y, a=b, SELECT * FROM users WHERE id=17",
]
SECRET_NAMES = [
    "password", "Password", "passwd", "db_password", "password1", "passphrase", "secret",
    "client_secret", "clientSecret", "token", "access_token", "accessToken", "refresh-token",
    "api_key", "apikey", "X-Api-Key", "openai_api_key", "Authorization", "proxy-authorization",
    "cookie", "Set-Cookie", "set_cookie", "session_cookie", "sessionid", "session_token",
    "private_key", "aws_secret_access_key", "access_key", "credentials",
]  # fmt: skip
HARMLESS_NAMES = [
    "max_tokens", "input_tokens", "output_tokens", "token_count", "tokens", "tokenizer",
    "token_bucket", "secretary", "password_changed_at", "password_policy", "cookie_consent",
    "session_id", "sessionId", "key", "author", "authorization_status", "monkey", "run_id",
    "sha256", "prior_authorization",
]  # fmt: skip

redactor = Redactor()


def parsed(**fields: Any) -> ParsedEvent:
    return parse_event(event_json(**fields), default_id=None)


def stored(event: ParsedEvent, **options: Any) -> Any:
    pseudonyms = {subject: f"pseudonym of {subject}" for subject in event.subject_ids}
    settings: dict[str, Any] = {"pseudonyms": pseudonyms, "personal": None, "redactor": redactor}
    return json.loads(stored_event(event, **(settings | options)))


@pytest.mark.parametrize(("text", "secret"), SHAPES.values(), ids=SHAPES.keys())
@pytest.mark.parametrize(
    "around", ["{}", "before {} after", "({})", '"{}"', "a\n{}\nb", "key: {}.", "é {} 😀"]
)
def test_a_secret_known_by_its_shape_goes_and_the_text_around_stays(
    text: str, secret: str, around: str
) -> None:
    clean = redactor.text(around.format(text))

    assert secret not in clean
    assert REPLACEMENT in clean
    if text != PEM[:50]:  # which was cut, so all that follows may belong to it
        assert clean.startswith(around.split("{}")[0])
        assert clean.endswith(around.split("{}")[1])
    assert redactor.text(clean) is clean


@pytest.mark.parametrize(("text", "secret"), SHAPES.values(), ids=SHAPES.keys())
def test_a_secret_goes_from_each_of_the_four_places(text: str, secret: str) -> None:
    event = parsed(
        details={"a": [{"b": f"see {text}"}], "n": 1.0},
        labels={"a": text},
        reason=f"because {text}",
        error={"type": "t", "message": text},
    )

    written = stored(event)

    assert secret not in json.dumps(written)
    assert written["details"]["n"] == 1
    assert written["error"]["type"] == "t"
    for place in (written["labels"]["a"], written["reason"], written["error"]["message"]):
        assert REPLACEMENT in place


@pytest.mark.parametrize("name", SECRET_NAMES)
@pytest.mark.parametrize("value", ["hunter2", ["a", "b"], {"a": "b"}, "", "long " * 50])
def test_a_value_under_the_name_of_a_secret_goes_whole(name: str, value: Any) -> None:
    tree = {"outer": [{name: value, "other": "stays"}]}

    clean = redactor.tree(tree)

    assert clean == {"outer": [{name: REPLACEMENT, "other": "stays"}]}
    assert tree == {"outer": [{name: value, "other": "stays"}]}
    assert redactor.tree(clean) is clean


@pytest.mark.parametrize("name", HARMLESS_NAMES)
def test_a_name_that_only_resembles_one_stays(name: str) -> None:
    tree = {name: "value", "n": [{name: 17}]}

    assert redactor.tree(tree) is tree


@pytest.mark.parametrize("value", [None, True, 17, 0.5])
def test_what_can_be_no_secret_stays_under_any_name(value: Any) -> None:
    tree = {"token": value}

    assert redactor.tree(tree) is tree


def test_a_password_of_digits_goes() -> None:
    assert redactor.tree({"password": 1234}) == {"password": REPLACEMENT}


@pytest.mark.parametrize("text", PROSE)
def test_prose_digests_and_addresses_stay(text: str) -> None:
    assert redactor.text(text) is text
    assert redactor.tree({"a": [text]})["a"][0] is text


def test_two_secrets_in_one_text_both_go() -> None:
    clean = redactor.text(f"{JWT} and postgres://a:b1b2b3@c and AKIAIOSFODNN7EXAMPLE")

    assert clean == f"{REPLACEMENT} and postgres://a:{REPLACEMENT}@c and {REPLACEMENT}"


def test_a_key_that_was_cut_does_not_save_itself_behind_another() -> None:
    clean = redactor.text(f"{PEM[:50]}\n{PEM}")

    assert clean == f"{REPLACEMENT}{REPLACEMENT}"


def test_an_installation_adds_names_and_patterns() -> None:
    own = Redactor(extra_keys=["Staff-Number"], extra_patterns=[r"\bMRN-\d{6}\b"])

    assert own.tree({"staff_number": "7", "a": "MRN-123456 seen"}) == {
        "staff_number": REPLACEMENT,
        "a": f"{REPLACEMENT} seen",
    }
    assert redactor.tree({"staff_number": "7"}) == {"staff_number": "7"}


def test_names_made_up_by_a_sender_do_not_fill_the_memory() -> None:
    own = Redactor()

    for number in range(25_000):
        own.tree({f"name{number}x": 1})

    assert len(own._names) <= 10_000


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=200) | st.text("sk-eyJ.:/@=_ PRIVATEbearer1\n", max_size=200))
def test_redacting_twice_is_redacting_once(text: str) -> None:
    once = redactor.text(text)

    assert redactor.text(once) == once


@pytest.mark.parametrize(
    "unit",
    ["sk-", "://a:", "eyJaaaaaaaa.", "bearer ", "bearer\t", "-----BEGIN PRIVATE KEY-----", "xoxb-",
     "a_password=", "a-", "a_", "authorization: basic ", "authorization:", "obs_live_aaaaaaaa_",
     "AKIA", "-----BEGIN ", "ghp_a", "=", "@", " ", "a"],
)  # fmt: skip
def test_no_text_makes_a_pattern_run_away(unit: str) -> None:
    # The test's own time-out is what fails here: a pattern of quadratic cost takes minutes.
    marks = "= :// bearer eyJ. sk-a PRIVATE KEY "

    redactor.text(marks + unit * (200_000 // len(unit)) + marks)


# --- What is stored ------------------------------------------------------------------------------


def test_an_event_without_secrets_and_subjects_is_stored_as_it_was_parsed() -> None:
    event = parsed(details={"a": [1.0, "text"], "max_tokens": 5}, labels={"b": "c"}, reason="why")

    out = stored_event(event, pseudonyms={}, personal=None, redactor=redactor)

    assert out is event.canonical


def test_fields_with_a_meaning_of_their_own_are_never_redacted() -> None:
    event = parsed(
        target={"type": "tool", "id": "AKIAIOSFODNN7EXAMPLE"},
        actor={"type": "agent", "id": "sk-abcdefghijklmnopqrstuvwxyz", "session_id": JWT},
        decision={"reason": "Bearer mF_9.B5f-4.1JqM"},
        error={"type": "ghp_16C7e42F292c6912E7710c838347Ae178B4a"},
    )

    out = stored_event(event, pseudonyms={}, personal=None, redactor=redactor)

    assert out is event.canonical


def test_a_subjects_id_gives_way_wherever_it_stands_whole() -> None:
    event = parsed(
        actor={
            "type": "agent",
            "id": "alice",
            "on_behalf_of": {"type": "human", "id": "alice"},
            "delegation_chain": [{"type": "human", "id": "bob"}, {"type": "human", "id": "alice"}],
        },
        target={"type": "user", "id": "alice"},
        data={"subject_ids": ["alice", "carol", "alice"], "purpose": "alice"},
        details={"name": "alice"},
    )

    written = stored(event)

    alice, carol = "pseudonym of alice", "pseudonym of carol"
    assert written["actor"] == {
        "type": "agent",
        "id": alice,
        "on_behalf_of": {"type": "human", "id": alice},
        "delegation_chain": [{"type": "human", "id": "bob"}, {"type": "human", "id": alice}],
    }
    assert written["target"]["id"] == alice
    assert written["data"] == {"subject_ids": [alice, carol, alice], "purpose": "alice"}
    assert written["details"] == {"name": "alice"}
    assert json.loads(event.canonical)["actor"]["id"] == "alice"


def test_an_id_that_only_holds_a_subjects_id_stays() -> None:
    event = parsed(target={"type": "user", "id": "alice-2"}, data={"subject_ids": ["alice"]})

    assert stored(event)["target"]["id"] == "alice-2"


def test_personal_data_is_stored_as_the_ciphertext_given() -> None:
    event = parsed(personal={"name": "Alice Cooper"}, data={"subject_ids": ["alice"]})
    sealed = {"alg": "A256GCM", "key_id": "k", "nonce": "00", "ciphertext": "ff"}

    written = stored(event, personal=sealed)

    assert written["personal"] == sealed
    assert "Alice Cooper" not in json.dumps(written)


def test_nothing_is_stored_in_clear_when_ciphertext_or_pseudonym_is_missing() -> None:
    event = parsed(personal={"name": "Alice"}, data={"subject_ids": ["alice"]})

    with pytest.raises(AssertionError):
        stored(event, personal=None)
    with pytest.raises(KeyError):
        stored(event, personal={}, pseudonyms={})


def test_numbers_stay_canonical_when_the_event_is_written_anew() -> None:
    raw = json.loads(event_json(details={"password": "x", "a": [1e21, 2.0, 1e-7]}))
    raw |= {"duration_ms": 3.0, "usage": {"cost_usd": 1e-7}}
    event = parse_event(json.dumps(raw).encode(), default_id=None)

    out = stored_event(event, pseudonyms={}, personal=None, redactor=redactor)

    assert b'"a":[1e+21,2,1e-7]' in out
    assert b'"cost_usd":1e-7' in out
    assert b'"duration_ms":3,' in out


def test_a_full_event_changes_only_where_it_must() -> None:
    event = parse_event(json.dumps(full_event()).encode(), default_id=None)

    written = stored(event, personal={"alg": "a"})

    before = json.loads(event.canonical)
    changed = {name for name in written if written[name] != before[name]}
    assert changed == {"data", "personal"}
    assert set(written) == set(before)


@pytest.mark.parametrize("size", [MAX_DETAILS - 8, MAX_DETAILS - 7])
def test_details_end_at_32_kib(size: int) -> None:
    event = parsed(details={"a": "x" * size})

    if size + len('{"a":""}') <= MAX_DETAILS:
        stored(event)
    else:
        with pytest.raises(EventRejected) as caught:
            stored(event)
        assert (caught.value.code, caught.value.path) == ("too-large", "$.details")


def test_a_stored_event_ends_at_60_000_bytes() -> None:
    fields = [f"{'f' * 180}{number:020}" for number in range(400)]
    event = parsed(data={"fields": fields}, details={"a": "x" * 30_000})
    assert len(event.canonical) > MAX_EVENT

    with pytest.raises(EventRejected) as caught:
        stored(event, at="$.data")

    assert (caught.value.code, caught.value.path) == ("too-large", "$.data")


def test_size_is_that_of_the_stored_form() -> None:
    secret = "s" * 60_000
    event = parsed(details={"password": secret})
    assert len(event.canonical) > MAX_EVENT

    assert stored(event)["details"] == {"password": REPLACEMENT}
