"""A named queue: how many jobs at once, and which Redis key holds it."""

from dataclasses import dataclass
from datetime import timedelta

from scalr_tasks.broker.keys import queue_key
from scalr_tasks.errors import DefinitionError
from scalr_tasks.names import queue_name_problem
from scalr_tasks.policy import to_ms


@dataclass(frozen=True, init=False, slots=True)
class Queue:
    """A queue that tasks are sent to and workers serve.

        bulk = Queue("bulk", concurrency=50)

    Args:
        name: 1 to 128 letters, digits, `_`, `-`, `.`.
        concurrency: jobs that one worker process runs at once.
        key: the Redis key, where it is not `arq:queue:<name>`: `Queue("default", key="arq:queue")`
            serves the queue of plain arq.
        poll_delay: seconds or `timedelta` between two looks of the plain `arq` worker; arq's own 0.5 s where left out.

    Raises:
        DefinitionError: the name or the concurrency cannot be used.
    """

    name: str
    concurrency: int
    key: str
    poll_delay_s: float | None

    def __init__(
        self,
        name: str,
        *,
        concurrency: int = 10,
        key: str | None = None,
        poll_delay: timedelta | float | None = None,
    ) -> None:
        problem = queue_name_problem(name)
        if problem:
            raise DefinitionError(f"queue name {name!r} {problem}")
        if type(concurrency) is not int or concurrency < 1:
            raise DefinitionError(f"expected concurrency to be 1 or more, got {concurrency!r} (queue {name!r})")
        try:
            poll_delay_s = None if poll_delay is None else to_ms(poll_delay, name="poll_delay") / 1000
        except ValueError as error:
            raise DefinitionError(f"{error} (queue {name!r})") from None
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "concurrency", concurrency)
        object.__setattr__(self, "key", key or queue_key(name))
        object.__setattr__(self, "poll_delay_s", poll_delay_s)
