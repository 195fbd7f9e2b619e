"""Ask the web server of this container whether it is well: exit 0, or 1 with a line that says why.

The image's HEALTHCHECK. It imports nothing of the platform, since it runs every few seconds.
`localhost` must stay among OBS_ALLOWED_HOSTS.
"""

from __future__ import annotations

import http.client
import sys

PORT = 8000
SECONDS = 4.0  # less than the check's own patience, so that the line below is seen


def problem(port: int) -> str:
    """Return why /health is not 200 there; an empty text when it is."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    try:
        connection.request("GET", "/health", headers={"Host": "localhost"})
        answer = connection.getresponse()
        if answer.status == http.HTTPStatus.OK:
            return ""
        return f"/health answers {answer.status}: {answer.read(500).decode(errors='replace')}"
    except (OSError, http.client.HTTPException) as error:
        return f"/health does not answer: {error}"
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(problem(int(sys.argv[1]) if len(sys.argv) > 1 else PORT) or 0)
