"""The queues of one registry: declared ones, or open, where a name declares its queue."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from scalr_tasks.errors import DefinitionError, UnknownQueueError
from scalr_tasks.registry.queue import Queue


class Queues:
    """Looks queues up by name or object.

    Args:
        registry: name of the registry, for errors.
        declared: the queues; names stand for `Queue(name)`.
        is_open: whether a task declares the queue that it names.
    """

    def __init__(self, registry: str, declared: Iterable[Queue | str], *, is_open: bool) -> None:
        self._registry = registry
        self._is_open = is_open
        self._by_name: dict[str, Queue] = {}
        self._implied: set[str] = set()
        for each in declared:
            queue = Queue(each) if isinstance(each, str) else each
            if not isinstance(queue, Queue):
                raise DefinitionError(
                    f"expected queues to be Queue objects or names, got {type(queue).__name__} (registry {registry!r})"
                )
            if queue.name in self._by_name:
                raise DefinitionError(
                    f"queue {queue.name!r} is declared twice (registry {registry!r})", way_out="keep one"
                )
            self._refuse_shared_key(queue)
            self._by_name[queue.name] = queue

    @property
    def by_name(self) -> Mapping[str, Queue]:
        """Every queue, by name."""
        return MappingProxyType(self._by_name)

    def find(self, wanted: Queue | str, *, task: str | None = None, where: str | None = None) -> Queue:
        """Return a declared queue.

        Raises:
            UnknownQueueError: it is not declared.
            DefinitionError: a queue of that name is declared with other options.
        """
        name = wanted.name if isinstance(wanted, Queue) else wanted
        known = self._by_name.get(name)
        if known is None:
            raise UnknownQueueError(name, self._by_name, registry=self._registry, task=task, where=where)
        if isinstance(wanted, Queue) and wanted != known:
            raise DefinitionError(
                f"queue {name!r} of registry {self._registry!r} is declared with other options",
                task=task,
                where=where,
                way_out="use one Queue object for both",
            )
        return known

    def declare(self, wanted: object, *, task: str, where: str) -> Queue:
        """Return the queue that a task names, and declare it where the registry is open.

        Raises:
            UnknownQueueError: it is not declared, and the registry is not open.
            DefinitionError: its name cannot be used, or it is declared with other options.
        """
        if not isinstance(wanted, (Queue, str)):
            problem = f"expected queue to be a Queue or its name, got {type(wanted).__name__}"
            raise DefinitionError(problem, task=task, where=where)
        name = wanted.name if isinstance(wanted, Queue) else wanted
        if self._is_open and isinstance(wanted, Queue) and name in self._implied:
            self._implied.discard(name)  # a bare name came first; now its options are known
            del self._by_name[name]
        if self._is_open and name not in self._by_name:
            if isinstance(wanted, str):
                self._implied.add(name)
                wanted = Queue(name)
            self._refuse_shared_key(wanted)
            self._by_name[name] = wanted
        return self.find(wanted, task=task, where=where)

    def _refuse_shared_key(self, queue: Queue) -> None:
        for other in self._by_name.values():
            if other.key == queue.key:
                raise DefinitionError(
                    f"queues {other.name!r} and {queue.name!r} share the key {queue.key!r} (registry {self._registry!r})",
                    way_out="give one of them another key",
                )
