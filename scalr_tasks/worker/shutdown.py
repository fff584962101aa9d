"""Stopping: the first signal drains, the second ends the process's work now.

A drain picks no more jobs at once, lets running ones end for the grace, and
then cancels the rest, which gives them back to the queue without counting an
attempt.
"""

import asyncio
import signal
from collections.abc import Callable

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Shutdown:
    """Two events that signals set: `draining`, then `now`."""

    def __init__(self) -> None:
        self.draining: asyncio.Event = asyncio.Event()
        self.now: asyncio.Event = asyncio.Event()

    def ask(self) -> None:
        """Ask to drain; asked again, ask to end now."""
        if self.draining.is_set():
            self.now.set()
        self.draining.set()

    def listen(self) -> Callable[[], None]:
        """Let SIGTERM and SIGINT ask; returns what undoes it."""
        loop = asyncio.get_running_loop()
        for signum in SIGNALS:
            loop.add_signal_handler(signum, self.ask)

        def undo() -> None:
            for signum in SIGNALS:
                loop.remove_signal_handler(signum)

        return undo
