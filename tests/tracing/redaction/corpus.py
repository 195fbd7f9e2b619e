"""Secrets as they turn up, each with the part that nobody may see again, and innocent words.

Made here and valid nowhere. A case is a text, or a name and its value; who tests a way into the
platform sends all of them along it, and looks for hearts wherever it leads to.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Secret:
    """One secret in its surroundings."""

    name: str
    """What kind it is, and where it stands."""
    value: Any
    """JSON: a text, or an object that holds it."""
    heart: str
    """What must not be seen; no other case has it."""


# {h} is the heart: sixteen letters and digits that no other case has.
SHAPES = {
    "bearer": "Bearer {h}.abc",
    "bearer, small": "bearer {h}",
    "model provider": "sk-proj-{h}abcd",
    "model provider, plain": "sk-{h}{h}",
    "model provider, parts": "sk-ant-api03-{h}-AA",
    "model provider, fast": "gsk_{h}abcdefgh",
    "model provider, search": "pplx-{h}abcdefgh",
    "model provider, x": "xai-{h}abcdefgh",
    "model runner": "r8_{h}abcdefgh",
    "model hub": "hf_{h}abcdefghijklmnopqr",
    "payments": "sk_live_{h}",
    "payments, restricted": "rk_test_{h}",
    "maps": "AIza{h}bbbbbbbbbbbbbbbbbbb",
    "sign-in client": "GOCSPX-{h}abcdefgh",
    "sign-in access": "ya29.{h}abcdefgh",
    "code host": "ghp_{h}abcdefgh",
    "code host, oauth": "gho_{h}abcdefgh",
    "code host, server": "ghs_{h}abcdefgh",
    "code host, fine": "github_pat_11{h}abcd",
    "other code host": "glpat-{h}abcdef",
    "chat": "xoxb-1234567890-{h}",
    "chat, app": "xapp-1-A0123456789-123456-{h}",
    "chat, hook": "https://hooks.slack.com/services/T0000/B0000/{h}",
    "packages": "npm_{h}abcdefghijklmnopqrst",
    "other packages": "pypi-AgEIcHlwaS5vcmc{h}",
    "images": "dckr_pat_{h}abc",
    "mail": "SG.{h}.{h}",
    "vault": "hvs.{h}abcdefgh",
    "dashboards": "glsa_{h}abcdefgh_12345678",
    "shop": "shpat_{h}abcdefgh",
    "hosting": "dop_v1_{h}abcdefgh",
    "tickets": "lin_api_{h}abcdefgh",
    "web token": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI{h}.{h}",
    "our own key": "obs_live_7Q2mX9aB_{h}aaaaaaaaaaaaaaaaaaaaaaaaaaa_abcdef",
    "database": "postgresql://app:{h}@db.example/x",
    "cache": "redis://:{h}@cache:6379/0",
    "queue": "amqp://app:{h}@mq.example/",
    "documents": "mongodb+srv://app:{h}@c.example/x",
    "repository": "https://alice:{h}@git.example/x.git",
    "private key": "-----BEGIN PRIVATE KEY-----\n{h}\n-----END PRIVATE KEY-----",
    "private key of ssh": "-----BEGIN OPENSSH PRIVATE KEY-----\n{h}",
    "storage": "AccountName=x;AccountKey={h}==;EndpointSuffix=core",
    "signed address": "https://x.example/a?X-Amz-Signature={h}&X-Amz-Expires=60",
    "shared signature": "https://x.example/a?sv=2024&sig={h}%3D",
    "query": "https://x.example/?api_key={h}&page=2",
    "query, access": "https://x.example/cb?access_token={h}#top",
    "query, client": "https://x.example/?client_secret={h}",
    "command line": "psql --password={h} -h db",
    "variable": "OPENAI_API_KEY={h} python run.py",
    "pair": "user=alice password={h}",
    "bearer behind another": "Bearer abcdefgh1234/Bearer {h}",
    "basic behind another": "Authorization: Basic abcdefgh==/Authorization: Basic {h}==",
}
"""Known by their look, or by a name with an equals sign before them."""

AROUND = {
    "alone": "{}",
    "in a sentence": "The call was made with {} and refused.",
    "in an error": "ConnectionError: cannot use {} (attempt 2)",
    "in brackets": "refused ({})",
}

HEADERS = (
    "Authorization: Bearer {h}",
    "Authorization: Basic {h}==",
    "Authorization: token {h}",
    "Authorization: ApiKey {h}",
    "authorization: bearer {h}",
    "Proxy-Authorization: Basic {h}==",
    "X-Api-Key: {h}",
    "x-api-key: {h}",
    "Api-Key: {h}",
    "X-Goog-Api-Key: {h}",
    "X-Auth-Token: {h}",
    "X-Amz-Security-Token: {h}",
    "Private-Token: {h}",
    "X-CSRFToken: {h}",
    "Ocp-Apim-Subscription-Key: {h}",
    "Cookie: sessionid={h}; theme=dark",
    "Cookie: theme=dark; sid={h}",
    "Set-Cookie: session={h}; Path=/; HttpOnly",
)

QUOTED = (
    '{{"password": "{h}", "user": "alice"}}',
    '{{"user": "alice", "api_key": "{h}"}}',
    '{{"a": {{"client_secret": "{h}"}}}}',
    '{{"db_password":"{h}"}}',
    '{{"Authorization": "Bearer {h}"}}',
    '{{"access_token": "{h}", "expires_in": 3600}}',
    '{{"refreshToken": "{h}"}}',
    '{{"cookie": "a={h}"}}',
    "{{'password': '{h}'}}",
    "{{'X-Api-Key': '{h}', 'Accept': '*/*'}}",
    "{{'Authorization': 'Bearer {h}'}}",
    "{{'secret_key': '{h}'}}",
    '{{\\"password\\": \\"{h}\\"}}',
    '{{\\"token\\": \\"{h}\\", \\"n\\": 1}}',
    'body was "{{\\"api-key\\": \\"{h}\\"}}"',
    r'{{"a": "{{\"b\": \"{{\\\"password\\\": \\\"{h}\\\"}}\"}}"}}',
    r"{{\\\\\\\"api_key\\\\\\\": \\\\\\\"{h}\\\\\\\"}}",
)

SAID = (
    "ValueError: cannot log in with password: {h}",
    "KeyError: no user for token: {h}",
    "RuntimeError: secret: {h} is not accepted",
    "login failed for alice, password={h}",
    "HTTPError: 401 for https://x.example/?token={h}",
    "OperationalError: connection to postgresql://app:{h}@db failed",
    "api_key: {h}",
    "API-Key: {h}",
    "private_key: {h}",
    "access key: AWS_SECRET_ACCESS_KEY={h}",
    "passphrase={h}",
    "Traceback: requests.get(url, headers={{'Authorization': 'Bearer {h}'}})",
)

NAMES = (
    "password", "Password", "PASSWORD", "passwd", "pwd", "db_password", "dbPassword", "password1",
    "user.password", "passphrase", "ssh_passphrase", "secret", "secrets", "client_secret",
    "clientSecret", "client-secret", "webhook_secret", "shared_secret", "token", "access_token",
    "accessToken", "refresh-token", "id_token", "auth_token", "bot_token", "session_token",
    "csrf_token", "csrftoken", "X-CSRFToken", "api_key", "apikey", "apiKey", "X-Api-Key",
    "x_api_key",
    "openai_api_key", "OPENAI_API_KEY", "api_keys", "Authorization", "authorization",
    "Proxy-Authorization", "http.request.header.authorization", "cookie", "Cookie", "Set-Cookie",
    "set_cookie", "session_cookie", "cookies", "sessionid", "PHPSESSID", "JSESSIONID",
    "private_key",
    "privateKey", "ssh_private_key", "access_key", "aws_access_key_id", "aws_secret_access_key",
    "secret_key", "SECRET_KEY", "signing_key", "encryption_key", "credentials", "connection_string",
    "bearer", "session_key",
)  # fmt: skip
"""Whatever stands under one of these goes whole."""


def _heart(number: int) -> str:
    return f"Zq{number:04d}Kd07Vn35xW"


def _made() -> list[Secret]:
    found: list[Secret] = []

    def add(name: str, value: Any) -> None:
        heart = _heart(len(found))
        whole = json.loads(json.dumps(value).replace("{h}", heart))
        found.append(Secret(name=name, value=whole, heart=heart))

    for name, shape in SHAPES.items():
        for where, around in AROUND.items():
            add(f"{name}, {where}", around.format(shape))
    for header in HEADERS:
        add(f"header {header}", f"{header}\r\nAccept: */*")
    for quoted in QUOTED:
        add(f"quoted {quoted}", quoted.replace("{{", "{").replace("}}", "}"))
    for said in SAID:
        add(f"said {said}", said.replace("{{", "{").replace("}}", "}"))
    for name in NAMES:
        add(f"under {name}", {name: "a {h} b"})
    for name in NAMES[::4]:
        add(f"deep under {name}", {"outer": [{"inner": {name: ["{h}"]}}]})
    return found


SECRETS = _made()
"""Each with a heart of its own."""

_CLOUD = "AKIAIOSFODNN7EXAMPLE"
SECRETS.append(Secret(name="cloud key", value=f"used {_CLOUD} twice", heart=_CLOUD[4:]))

HEARTS = re.compile(rf"{_heart(0).replace('0000', '[0-9]{4}')}|{_CLOUD[4:]}")
"""Finds any of their hearts, in one pass over a long text."""

INNOCENT_TEXTS = (Path(__file__).parent / "innocent.txt").read_text(encoding="utf-8").splitlines()
"""Lines that must stay as they are, to the letter."""

INNOCENT_FIELDS: dict[str, Any] = json.loads((Path(__file__).parent / "innocent.json").read_text())
"""Names and values that must stay."""
