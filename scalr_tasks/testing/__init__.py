"""The test kit: what tests, the demo and development need beside the package itself."""
