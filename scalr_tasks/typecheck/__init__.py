"""What type checkers are given beside the annotations: a plugin for mypy, and the settings of both."""
