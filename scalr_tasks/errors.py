"""Every error of the package, drawn as a tree.

    ScalrTasksError
    ├── DefinitionError            ST110  a declaration that cannot work
    │   ├── DuplicateTaskError     ST111  two tasks of one name
    │   ├── RegistryFrozenError    ST112  declared after the settings were compiled
    │   └── MissingImplementationError ST113  declared, and no implementation
    ├── CallError
    │   ├── UnknownTaskError       ST101  no task of that name
    │   ├── InvalidArgumentsError  ST102  an argument does not fit
    │   ├── NotSerialisableError   ST103  a value cannot be written as JSON
    │   ├── UnknownQueueError      ST104  a queue that was not declared
    │   ├── OptionError            ST105  an option of `using` that cannot work
    │   ├── StateUnavailableError  ST106  `ctx.state` without a lifespan
    │   ├── RunningLoopError       ST107  a blocking call inside an event loop
    │   ├── MixedRegistriesError   ST108  calls of two registries in one batch
    │   └── ContextUnavailableError ST109 asked for a running job where none is
    ├── JobError
    │   ├── TaskFailedError        ST201  the job is dead
    │   ├── JobAbortedError        ST202  the job was aborted
    │   ├── JobExpiredError        ST203  the job was not started in time
    │   ├── ResultNotKeptError     ST204  there is no result to read
    │   ├── JobIdConflictError     ST205  another job has the id
    │   ├── JobNotFoundError       ST206  no job of that id is there
    │   ├── InvalidResultError     ST207  the result does not fit the declared type
    │   └── BatchError             ST208  a part of `enqueue_many` was not sent
    ├── BrokerError
    │   ├── BrokerUnavailableError ST301  Redis did not answer
    │   ├── BrokerRefusedError     ST302  Redis answered with an error
    │   └── SettingsError          ST303  a setting that cannot work
    ├── ModuleError                ST401  a module without tasks, or none at all
    └── KitError                   ST501  a test asked the test kit for what cannot work

One grammar: what was wrong, where, the way out, the nearest name. A text
never holds an argument's value or a secret, and never ends with a full stop.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from scalr_tasks.names import did_you_mean


def _sentence(*parts: str) -> str:
    return "; ".join(part for part in parts if part)


class ScalrTasksError(Exception):
    """Root of the errors that this package raises."""

    code: ClassVar[str] = "ST000"
    """Stable name of the kind of error; the classes below get theirs as `code=` in their first line."""

    def __init_subclass__(cls, code: str | None = None, **options: object) -> None:
        super().__init_subclass__(**options)
        if code is not None:
            cls.code = code

    def __reduce__(self) -> tuple[object, ...]:
        # Exceptions are rebuilt from `args` otherwise, which is the text and not what `__init__` takes.
        return _rebuilt, (type(self), self.args, self.__dict__)


def _rebuilt(kind: type[ScalrTasksError], args: tuple[object, ...], fields: dict[str, object]) -> ScalrTasksError:
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(fields)
    return error


class ScalrTasksWarning(UserWarning):
    """Something that works and is probably not what was meant; `Registry.check` lists it too."""


class DefinitionError(ScalrTasksError, code="ST110"):
    """A declaration that cannot work; raised while the module is imported."""

    def __init__(self, problem: str, *, task: str | None = None, where: str | None = None, way_out: str = "") -> None:
        self.problem = problem
        self.task = task
        self.where = where
        self.way_out = way_out
        place = f"task {task!r}" if task else ""
        if where:
            place = f"{place} at {where}" if place else f"at {where}"
        super().__init__(_sentence(f"{problem} ({place})" if place else problem, way_out))


class DuplicateTaskError(DefinitionError, code="ST111"):
    """Two tasks of one registry have the same name."""

    def __init__(self, task: str, *, where: str, first: str) -> None:
        self.first = first
        super().__init__(
            f"the name is taken by the task declared at {first}",
            task=task,
            where=where,
            way_out="give one of them another name with name=",
        )


class RegistryFrozenError(DefinitionError, code="ST112"):
    """A task was declared after the registry had been compiled."""

    def __init__(self, registry: str, *, task: str, where: str) -> None:
        self.registry = registry
        super().__init__(
            f"registry {registry!r} is compiled and takes no more tasks",
            task=task,
            where=where,
            way_out="import every module with tasks before worker_settings() or compile()",
        )


class MissingImplementationError(DefinitionError, code="ST113"):
    """A task was declared with `declare`, and nothing implements it."""

    def __init__(self, task: str, *, where: str) -> None:
        super().__init__(
            "declared without an implementation",
            task=task,
            where=where,
            way_out=f"put @{task}.implement over the function, in a module that the worker imports",
        )


class CallError(ScalrTasksError):
    """A call that cannot be made; nothing was written."""


class UnknownTaskError(CallError, LookupError, code="ST101"):
    """No task of that name is registered."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        self.name = name
        self.known: tuple[str, ...] = tuple(sorted(known))
        super().__init__(
            _sentence(
                f"no task named {name!r} is registered",
                did_you_mean(name, self.known) or "is the module that declares it imported?",
            )
        )


@dataclass(frozen=True, slots=True)
class ArgumentProblem:
    """What is wrong with one argument; never its value."""

    argument: str
    """Path of the argument: `invoice_id`, or `lines.0.price` inside a value."""
    problem: str
    """What is wrong, in words."""
    suggestion: str | None = None
    """The parameter that was probably meant."""

    def __str__(self) -> str:
        """Return the problem on one line."""
        text = f"{self.argument}: {self.problem}"
        return f"{text}, did you mean {self.suggestion!r}?" if self.suggestion else text


class InvalidArgumentsError(CallError, TypeError, code="ST102"):
    """The arguments do not fit the task's signature."""

    def __init__(self, task: str, problems: Sequence[ArgumentProblem], *, signature: str = "") -> None:
        self.task = task
        self.problems: tuple[ArgumentProblem, ...] = tuple(problems)
        self.signature = signature
        found = "; ".join(str(problem) for problem in self.problems)
        super().__init__(_sentence(f"{task}: {found}", f"expected {signature}" if signature else ""))


class NotSerialisableError(CallError, TypeError, code="ST103"):
    """A value has no JSON form."""

    def __init__(self, task: str, what: str, problem: str) -> None:
        self.task = task
        self.what = what
        self.problem = problem
        super().__init__(f"{task}: {what} cannot be written as JSON: {problem}; pass an id or a path instead")


class UnknownQueueError(CallError, DefinitionError, LookupError, code="ST104"):
    """A queue that the registry did not declare; in the default one a task declares the queue that it names."""

    def __init__(
        self, queue: str, known: Iterable[str], *, registry: str, task: str | None = None, where: str | None = None
    ) -> None:
        self.queue = queue
        self.known: tuple[str, ...] = tuple(sorted(known))
        self.registry = registry
        how = f'@task(queue="{queue}")' if registry == "default" else f'Registry(..., queues=[Queue("{queue}")])'
        DefinitionError.__init__(
            self,
            f"registry {registry!r} declares no queue {queue!r}",
            task=task,
            where=where,
            way_out=_sentence(did_you_mean(queue, self.known), f"declare it: {how}"),
        )


class OptionError(CallError, ValueError, code="ST105"):
    """An option of a call that cannot work."""

    def __init__(self, option: str, problem: str, *, task: str | None = None, way_out: str = "") -> None:
        self.option = option
        self.problem = problem
        self.task = task
        place = f" (task {task!r})" if task else ""
        super().__init__(_sentence(f"{option} {problem}{place}", way_out))


class StateUnavailableError(CallError, RuntimeError, code="ST106"):
    """`ctx.state` was read where no lifespan is running."""

    def __init__(self, registry: str) -> None:
        self.registry = registry
        super().__init__(
            f"no lifespan of registry {registry!r} is running here, so there is no state; "
            "run the call under `async with registry.running():`"
        )


class RunningLoopError(CallError, RuntimeError, code="ST107"):
    """A blocking call was made inside a running event loop."""

    def __init__(self, method: str, instead: str) -> None:
        self.method = method
        self.instead = instead
        super().__init__(f"{method} would block the running event loop; await {instead}")


class MixedRegistriesError(CallError, ValueError, code="ST108"):
    """Calls of two registries were given to one `enqueue_many`."""

    def __init__(self, registries: Iterable[str]) -> None:
        self.registries: tuple[str, ...] = tuple(sorted(registries))
        super().__init__(
            f"enqueue_many got calls of several registries ({', '.join(self.registries)}); "
            "send the calls of each registry with its own enqueue_many"
        )


class ContextUnavailableError(CallError, RuntimeError, code="ST109"):
    """Something of a running job was asked for where no job is running."""

    def __init__(self, what: str, problem: str) -> None:
        self.what = what
        self.problem = problem
        super().__init__(f"{what} is not available: {problem}; it is there inside a task that a worker runs")


class JobError(ScalrTasksError):
    """What a job has to say instead of a result."""

    def __init__(self, job_id: str, message: str) -> None:
        self.job_id = job_id
        super().__init__(message)


class TaskFailedError(JobError, code="ST201"):
    """The job failed for good and is kept as dead."""

    def __init__(
        self, job_id: str, *, task: str, reason: str, error_type: str, message: str, traceback: str = "", attempts: int
    ) -> None:
        self.task = task
        self.reason = reason
        """Why it is dead: `failed`, `gave_up`, `invalid_arguments`, `bad_result`, `worker_lost`, `parked`."""
        self.error_type = error_type
        self.message = message
        self.traceback = traceback
        self.attempts = attempts
        tries = f"{attempts} attempt{'' if attempts == 1 else 's'}"
        super().__init__(
            job_id,
            f"job {job_id} of task {task!r} is dead after {tries}: {error_type}: {message}; "
            f"retry it with `scalr-tasks dead retry {job_id}`",
        )


class JobAbortedError(JobError, code="ST202"):
    """The job was aborted."""

    def __init__(self, job_id: str) -> None:
        super().__init__(job_id, f"job {job_id} was aborted")


class JobExpiredError(JobError, code="ST203"):
    """The job was not started before it expired."""

    def __init__(self, job_id: str) -> None:
        super().__init__(job_id, f"job {job_id} was not started before its expires; is its queue worked fast enough?")


class ResultNotKeptError(JobError, LookupError, code="ST204"):
    """There is no result to read."""

    def __init__(self, job_id: str) -> None:
        super().__init__(
            job_id,
            f"no result of job {job_id} is kept: it ended with keep_result=0, its result's time is over, "
            "or there was never a job of that id",
        )


class JobIdConflictError(JobError, ValueError, code="ST205"):
    """Another job has the id."""

    def __init__(self, job_id: str, *, task: str, holder: str | None) -> None:
        self.task = task
        self.holder = holder
        owner = f"a job of task {holder!r}" if holder else "a job that this code cannot read"
        super().__init__(job_id, f"job id {job_id!r} of task {task!r} is taken by {owner}; choose another job_id")


class JobNotFoundError(JobError, LookupError, code="ST206"):
    """No job of that id is where it was looked for."""

    def __init__(self, job_id: str, *, where: str, near: str | None = None) -> None:
        self.where = where
        self.near = near
        super().__init__(job_id, _sentence(f"no job {job_id!r} is {where}", f"did you mean {near!r}?" if near else ""))


class InvalidResultError(JobError, TypeError, code="ST207"):
    """The kept result does not fit the result type that this code declares."""

    def __init__(self, job_id: str, *, task: str, problem: str) -> None:
        self.task = task
        self.problem = problem
        super().__init__(
            job_id, f"result of job {job_id} does not fit the result type of task {task!r}: {problem}; did it change?"
        )


class BatchError(JobError, code="ST208"):
    """A part of an `enqueue_many` was sent and the rest was not."""

    def __init__(self, sent_job_ids: Sequence[str], *, unsent: int, cause: BaseException) -> None:
        self.sent_job_ids: tuple[str, ...] = tuple(sent_job_ids)
        self.unsent = unsent
        super().__init__(
            "",
            f"{len(self.sent_job_ids)} jobs were sent and at least {unsent} were not: {cause}; "
            "the ids of those sent are in .sent_job_ids",
        )


class BrokerError(ScalrTasksError):
    """Something between this process and Redis."""


class BrokerUnavailableError(BrokerError, ConnectionError, code="ST301"):
    """Redis did not answer in time; the call may be repeated."""

    def __init__(self, url: str, problem: str, *, after_s: float | None = None) -> None:
        self.url = url
        """Address without a password."""
        self.problem = problem
        waited = f" for {after_s:g} s" if after_s else ""
        super().__init__(f"{url} did not answer{waited}: {problem}; is Redis running, and is REDIS_URL right?")


class BrokerRefusedError(BrokerError, code="ST302"):
    """Redis answered with an error."""

    def __init__(self, url: str, problem: str, *, way_out: str = "") -> None:
        self.url = url
        self.problem = problem
        super().__init__(_sentence(f"{url} refused: {problem}", way_out))


class SettingsError(BrokerError, ValueError, code="ST303"):
    """A setting that cannot work."""

    def __init__(self, setting: str, problem: str, *, way_out: str = "") -> None:
        self.setting = setting
        self.problem = problem
        self.way_out = way_out
        super().__init__(_sentence(f"{setting} {problem}", way_out))


class ModuleError(ScalrTasksError, LookupError, code="ST401"):
    """A module that gives no registry to work with."""

    def __init__(self, module: str, problem: str, *, way_out: str = "") -> None:
        self.module = module
        self.problem = problem
        super().__init__(_sentence(f"{module}: {problem}", way_out))


class KitError(ScalrTasksError, ValueError, code="ST501"):
    """A test asked the test kit for what cannot work."""

    def __init__(self, problem: str, *, way_out: str = "") -> None:
        self.problem = problem
        self.way_out = way_out
        super().__init__(_sentence(problem, way_out))
