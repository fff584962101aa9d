"""What a test breaks on purpose: the next attempts of a task, its worker, the way to Redis.

Each fault is used up by what it hits. Nothing is patched: the engine and the
broker of the kit ask here before they act.

Reads next: `engine.py`, which dies where it is told to.
"""

from collections import deque
from dataclasses import dataclass, field

from scalr_tasks.clock import Clock
from scalr_tasks.errors import BrokerUnavailableError

DOWN_URL = "the Redis of the test kit"


@dataclass(slots=True)
class Faults:
    """Faults that have not hit yet."""

    clock: Clock
    failures: dict[str, deque[BaseException | type[BaseException]]] = field(default_factory=dict)
    """Task -> what its next attempts raise instead of running."""
    kills: dict[str, int] = field(default_factory=dict)
    """Task -> how many of its next attempts lose their worker."""
    down_until_ms: int = 0
    """Until when Redis does not answer, epoch ms."""

    @property
    def is_down(self) -> bool:
        """Whether Redis does not answer now."""
        return self.clock.now_ms() < self.down_until_ms

    def refuse_if_down(self) -> None:
        """Answer as a broker does whose Redis is away.

        Raises:
            BrokerUnavailableError: `redis_down` holds.
        """
        if self.is_down:
            raise BrokerUnavailableError(DOWN_URL, "the test took it down with redis_down")

    def fail_next(self, task: str, error: BaseException | type[BaseException], times: int) -> None:
        """Let the next `times` attempts of a task raise."""
        self.failures.setdefault(task, deque()).extend([error] * times)

    def next_failure(self, task: str) -> BaseException | None:
        """Use up one failure of a task; None where it has none."""
        waiting = self.failures.get(task)
        if not waiting:
            return None
        error = waiting.popleft()
        return error() if isinstance(error, type) else error

    def next_kill(self, task: str) -> bool:
        """Use up one kill of a task's worker; False where it has none."""
        left = self.kills.get(task, 0)
        if left:
            self.kills[task] = left - 1
        return left > 0
