"""Traces and logs: what led to what."""
