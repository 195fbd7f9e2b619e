"""Checks, scores and reports. Reads the apps below through compliance/gather.py only."""
