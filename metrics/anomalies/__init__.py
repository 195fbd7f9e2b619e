"""Find what is not as usual, and what will not go well for long: findings with their evidence.

Pure: watched.py (what is looked at), robust.py (scores), steps.py and seasonal.py (a series against
its own weeks), multivariate.py (an agent's numbers together), trend.py (time until a limit),
words.py. Rows: reading.py and limits.py read history, finding.py writes findings, judging.py takes
what people say of them.
A finding is derived and no entry; a person's judgement is one.
"""
