"""Declarations: tasks, their signatures, their registry, and what is compiled from it."""
