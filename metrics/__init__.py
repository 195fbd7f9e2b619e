"""Metrics of the agents and of the platform: what /metrics shows, counted from entries and rows."""
