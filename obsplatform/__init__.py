"""The project that wires the apps together. Nobody imports it.

Settings, addresses, the admin site, Celery and the embedded default live here.
"""
