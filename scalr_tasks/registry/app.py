"""A registry as an engine sees it: frozen, resolved, ready to run.

Both engines take an `App`: `compile.py` for plain arq, `worker/` for ours.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from scalr_tasks.attempt.call import Middleware
from scalr_tasks.envelope import WIRE_VERSION
from scalr_tasks.registry.declaration import Declaration
from scalr_tasks.registry.lifespan import LifespanHost
from scalr_tasks.registry.queue import Queue
from scalr_tasks.settings import Settings


@dataclass(frozen=True, slots=True)
class App:
    """Everything that runs the jobs of one registry."""

    name: str
    queues: Mapping[str, Queue]
    declarations: Mapping[str, Declaration]
    lifespan: LifespanHost
    middleware: tuple[Middleware, ...]
    settings: Callable[[], Settings]
    read_pickle: bool = False
    """Whether jobs that plain arq has pickled are read."""

    @property
    def known(self) -> dict[str, int]:
        """Every task that this code can run -> the newest version of it that this code knows.

        The empty name stands for the wire: a job of a newer wire version does not even tell its task.
        """
        return {"": WIRE_VERSION} | {name: declaration.version for name, declaration in self.declarations.items()}
