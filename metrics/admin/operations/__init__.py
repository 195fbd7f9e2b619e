"""The pages under Operations: minute history as charts, one agent, two compared.

What an address asks: asked.py. From a chart to what templates draw: drawn.py. The pages: pages.py,
one_agent.py, compared.py. Data of the charts: metrics.operations.
"""
