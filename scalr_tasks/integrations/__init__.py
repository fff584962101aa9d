"""Glue to what apps are built with: FastAPI, and the untyped `scalr_queue` that users come from."""
