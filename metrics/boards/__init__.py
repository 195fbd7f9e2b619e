"""Dashboards as data: what each panel asks and why, and the files that Grafana reads made of it.

Pure. Boards stand in d01_agents.py to d12_one_agent.py, all of them in every.py; the shape in
shape.py; queries are made by promql.py of the families' own names, SQL names the views of
grafana_views.py. Never asks anything itself. Written out by grafana.py and reference.py.
"""
