"""Runs jobs: the queues of a registry in one process."""
