"""Benchmarks: one script a question, each `python -m benchmarks.<name> [--json]`. See README.md.

Every figure is measured against real servers that the script starts and stops; nothing is faked
and nothing is skipped without a reason on stderr and exit code 3.
"""
