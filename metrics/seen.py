"""Tell who was there: the agents, users and sessions of a batch of entries, as fingerprints. Pure.

An id is kept as eight bytes of its hash: enough to count who is who, and nothing to read. Late
entries say nothing of who is there now, and the platform is no agent. Kept by rollup.py, counted
by presence.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, TypeAlias

from metrics.states import fingerprint

Sort: TypeAlias = Literal["agent", "user", "session"]

SORTS: Final[tuple[Sort, ...]] = ("agent", "session", "user")
"""In the order in which rows are written, so that two who write never wait for each other."""

PLATFORM: Final = "platform"
"""The agent id of the platform's own entries."""

KEPT_SECONDS: Final = 25 * 3_600
"""How long a fingerprint is kept after its newest act."""

Who: TypeAlias = tuple[str, str | None, str | None]
"""The ids of an agent, a user and a session."""

Present: TypeAlias = dict[tuple[Sort, bytes], int]
"""By sort and fingerprint, 8 bytes: the newest act, in microseconds since 1970."""


class Presence:
    """Who acts in some entries, and when each did last."""

    def __init__(self) -> None:
        self._newest: dict[Who, int] = {}

    def note(self, agent: str, user: str | None, session: str | None, at_us: int) -> None:
        """Note one act: the agent's id, the user's and the session's, if any."""
        who = (agent, user, session)
        if at_us > self._newest.get(who, 0):
            self._newest[who] = at_us

    def fingerprints(self) -> Present:
        """Return who was there, sorted by fingerprint within each sort."""
        newest: dict[Sort, dict[str, int]] = {"agent": {}, "session": {}, "user": {}}
        for (agent, user, session), at in self._newest.items():
            for sort, each in (("agent", agent), ("session", session), ("user", user)):
                if each is not None and at > newest[sort].get(each, 0):  # type: ignore[index]
                    newest[sort][each] = at  # type: ignore[index]
        newest["agent"].pop(PLATFORM, None)
        return {
            (sort, print_): at
            for sort in SORTS
            for print_, at in sorted(
                (bytes.fromhex(fingerprint(each)), at) for each, at in newest[sort].items()
            )
        }


def who(event: Mapping[str, Any]) -> Who:
    """Return the ids of the agent, the user and the session of an event.

    A user is the human who acted, else the one for whom somebody did. A session is the actor's,
    else the conversation.
    """
    agent = event["agent"]["id"]
    actor = event.get("actor")
    if actor is None:
        return agent, None, None
    human = actor if actor["type"] == "human" else actor.get("on_behalf_of")
    user = human["id"] if human is not None and human["type"] == "human" else None
    session = actor.get("session_id")
    if session is None and "trace" in event:
        session = event["trace"].get("conversation_id")
    return agent, user, session
