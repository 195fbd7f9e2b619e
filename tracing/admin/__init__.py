"""The pages of traces, log lines and profiles.

Django finds profiles by importing this package. Traces and lines have keys of several columns,
which its register refuses: obsplatform.admin names their pages.
"""

from tracing.admin import captures

__all__ = ["captures"]
