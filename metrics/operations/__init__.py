"""What pages under Operations show: minute history as charts, figures and lines.

Reads rows and never writes one, draws nothing. A page is a list of charts as data: agents.py,
tools.py, model_costs.py, failures.py, resources.py, platform.py. Range and step: window.py. Shapes:
chart.py. SQL: series_read.py. From rows to values: answer.py. The pages themselves: metrics.admin.
"""
