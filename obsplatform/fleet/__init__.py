"""The demo fleet: six agents of an invented insurer, their people, and what went right and wrong.

Pure: every module takes `now` and a seed, reads no clock, opens no connection, and says the same
for the same arguments. Start at `history.py` and `live.py`; what was planted is `planted.py`; who
is who is `people.py` and `agents.py`; how an act is written down is `story.py`. Sending it all:
`manage.py demo`. Told as a story in `docs/demo.md`.
"""
