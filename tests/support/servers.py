"""What tests that start a server of their own give it."""

import os

from scalr_tasks.testing.server import URL_VARIABLE

OWN = {name: value for name, value in os.environ.items() if name != URL_VARIABLE}
"""Environment of a server of the test's own, even where the suite runs on a given one."""
