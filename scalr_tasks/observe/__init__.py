"""Listeners on events: nothing below knows that they exist."""
