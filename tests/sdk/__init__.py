"""Tests of the SDK: `core` needs the standard library alone, so that other Pythons run it too."""
