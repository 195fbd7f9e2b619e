"""Look at alert rules without Prometheus: over the platform's own minute history.

`minutes.py` says what history has; `sql.py` says a rule in SQL, as metrics/alert_promql.py says it
in PromQL; `look.py` asks it. `in_force.py` knows which rules stand, `evaluate.py` which alerts fire
and `calling.py` who is told, in one transaction. What people do with rules: `drafts.py` and
`changing.py`. Nothing here opens an incident: metrics.tasks puts the two together.
"""
