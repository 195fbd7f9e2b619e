"""One installation with the fleet and one Prometheus beside it, for all tests of this folder."""
