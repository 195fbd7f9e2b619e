"""What any Python must show: `python -m unittest discover -t . -s tests/sdk/core`, or pytest."""
