"""Incidents: what somebody must look at, from its first sign to what was learnt of it.

opening.py opens and ends them, acts.py is what people do with them, timeline.py what is kept of
each step, entries.py what the ledger keeps, alertmanager.py takes what an Alertmanager posts. Who
is told: metrics.notifying. Pages: metrics.admin.incidents.
"""
