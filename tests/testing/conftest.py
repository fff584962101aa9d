"""Every test here runs a pytest of its own."""

from tests.testing.runs import project

__all__ = ["project"]
