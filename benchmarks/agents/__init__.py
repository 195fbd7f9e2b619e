"""Agents of others' frameworks that do a scripted task offline, each in a process of its own.

They run in an environment that senders.py makes, and never import the platform.
"""
