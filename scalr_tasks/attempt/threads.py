"""Daemon threads for sync tasks: bounded, and never joined at exit.

`concurrent.futures` joins its threads when the interpreter ends, so one stuck
body would keep a worker from stopping. A thread cannot be interrupted either:
a body that overstays is waited for, and in the end the process gives up with
the stacks of all threads on stderr.
"""

import asyncio
import contextvars
import faulthandler
import logging
import os
import sys
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, Final

EXIT_STUCK: Final = 70
"""Exit status of a worker that gave up on a stuck body (EX_SOFTWARE of sysexits.h)."""

log: logging.Logger = logging.getLogger("scalr_tasks.worker")


def end_process(task: str, job_id: str) -> None:
    """End this process at once: a body is stuck, and its job must not run a second time beside it."""
    log.critical(
        "sync body is stuck, ending this process: task=%s job=%s", task, job_id, extra={"event": "worker.stuck"}
    )
    faulthandler.dump_traceback(file=sys.__stderr__ or 2, all_threads=True)
    logging.shutdown()
    os._exit(EXIT_STUCK)


class Threads:
    """A pool of daemon threads, started as they are needed: `size`, and one for each body that was left behind."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._started = 0
        self._idle = threading.Semaphore(0)
        self._gates: dict[asyncio.Future[Any], threading.Lock] = {}
        self._work: SimpleQueue[Callable[[], None] | None] = SimpleQueue()

    def run(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> "asyncio.Future[Any]":
        """Call `function` in a thread, in a copy of the current context; must be called in the event loop."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        context = contextvars.copy_context()
        gate = self._gates[future] = threading.Lock()  # whoever takes it is first: the thread, or who gives up on it
        future.add_done_callback(self._gates.pop)

        def settle(value: Any, error: BaseException | None) -> None:
            if future.done():
                return
            if error is None:
                future.set_result(value)
            elif isinstance(error, StopIteration):  # a future refuses it, and would stay pending for ever
                future.set_exception(RuntimeErrorInBody(error))
            else:
                future.set_exception(error)

        def work() -> None:
            if not gate.acquire(blocking=False):
                return
            value, error = None, None
            try:
                value = context.run(function, *args, **kwargs)
            except BaseException as raised:  # noqa: BLE001  whatever the body raises belongs to its job
                error = raised
            try:
                loop.call_soon_threadsafe(settle, value, error)
            except RuntimeError:  # the loop is closed: nobody waits any more
                log.debug("a sync body ended after its event loop")

        self._work.put(work)
        if not self._idle.acquire(blocking=False) and self._started < self._size:
            self._started += 1
            threading.Thread(target=self._serve, name=f"scalr-tasks-{self._started}", daemon=True).start()
        return future

    def withdraw(self, future: "asyncio.Future[Any]") -> bool:
        """Take a body back that no thread has begun; False where one has."""
        gate = self._gates.get(future)
        return gate is not None and gate.acquire(blocking=False) and future.cancel()

    def leave(self, future: "asyncio.Future[Any]") -> None:
        """Let another thread take the place of a body that goes on although nobody waits for it."""
        if not future.done():
            self._size += 1
            future.add_done_callback(self._came_back)

    def _came_back(self, _future: "asyncio.Future[Any]") -> None:
        self._size -= 1

    def _serve(self) -> None:
        while (work := self._work.get()) is not None:
            work()
            del work  # holds the body's arguments until the next job otherwise
            self._idle.release()

    def close(self) -> None:
        """Let idle threads end; a running body keeps its thread until it returns."""
        for _ in range(self._started):
            self._work.put(None)


class RuntimeErrorInBody(RuntimeError):  # noqa: N818  named after what Python itself does with it in a coroutine
    """A sync body raised StopIteration, which no future can hold."""

    def __init__(self, error: StopIteration) -> None:
        super().__init__("the task raised StopIteration")
        self.__cause__: BaseException | None = error
