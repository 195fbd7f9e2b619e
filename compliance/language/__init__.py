"""The language of checks: conditions, durations and the fields they may read. Pure."""
