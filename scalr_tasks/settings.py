"""What an operator may set: one frozen model, and how it is read from the environment.

What is given to `from_env` as an argument wins over `SCALR_TASKS_*`, which
wins over `REDIS_URL`, which wins over the default. A variable that is set to
nothing counts as not set. No text and no `repr` holds a password.

Reads next: `address.py` for the URLs, `broker/client.py` for the connections.
"""

import os
import re
import warnings
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, SecretStr, ValidationError

from scalr_tasks.address import RedisAddress
from scalr_tasks.errors import ScalrTasksWarning, SettingsError
from scalr_tasks.names import did_you_mean

PREFIX: Final = "SCALR_TASKS_"
"""Every environment variable of ours starts so."""

FOREIGN_NAMES: Final = frozenset(
    {
        "SCALR_TASKS_TEST_REDIS_URL",
        "SCALR_TASKS_TEST_REDIS_BINARY",
        "SCALR_TASKS_SOCKET_DIR",
        "SCALR_TASKS_BENCH_CACHE",
    }
)
"""Variables with our prefix that others read: the test kit and what stands around it."""

_LONGEST_S: Final = 100 * 365 * 86_400
_UNITS_S: Final = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}


def _seconds(value: object) -> object:
    """Turn `1.5`, `"90"`, `"30d"` or a `timedelta` into seconds; leave the rest to pydantic."""
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, bool):
        raise ValueError("should be seconds, or a number with ms, s, m, h or d")
    if isinstance(value, str):
        match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?", value.strip(), re.ASCII)
        if match is None:
            raise ValueError("should be seconds, or a number with ms, s, m, h or d")
        return float(match[1]) * _UNITS_S[match[2] or "s"]
    return value


def _span(value: object) -> object:
    seconds = _seconds(value)
    if not isinstance(seconds, (int, float)):
        return seconds
    if not 0 < seconds <= _LONGEST_S:
        raise ValueError("should be more than 0 seconds and at most 100 years")
    return timedelta(seconds=seconds)


def _address(value: object) -> RedisAddress:
    if isinstance(value, RedisAddress):
        return value
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if not isinstance(value, str):
        raise ValueError("should be a URL or a RedisAddress")
    return RedisAddress.parse(value)


def _lower(value: object) -> object:
    return value.strip().lower() if isinstance(value, str) else value


Seconds = Annotated[float, BeforeValidator(_seconds), Field(allow_inf_nan=False)]
"""Seconds; also takes a `timedelta`, or a text like `90`, `500ms`, `30d`."""


class Settings(BaseModel):
    """How this process reaches Redis, how long it waits, what it keeps and writes.

        settings = Settings.from_env()
        settings = Settings.from_env(redis="redis://cache:6379/0", log="json")

    Raises:
        SettingsError: a value cannot be used, or there is no such setting.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, hide_input_in_errors=True
    )

    redis: Annotated[RedisAddress, PlainValidator(_address)] = RedisAddress()
    """Where Redis is (`SCALR_TASKS_REDIS_URL`, else `REDIS_URL`); also takes a URL. Default `redis://localhost:6379/0`."""

    connect_timeout_s: Annotated[Seconds, Field(gt=0, le=60)] = 1.0
    """How long one connection may take to open, in seconds (`SCALR_TASKS_CONNECT_TIMEOUT`)."""

    enqueue_timeout_s: Annotated[Seconds, Field(gt=0, le=30)] = 5.0
    """How long an enqueue is repeated before `BrokerUnavailableError`, in seconds (`SCALR_TASKS_ENQUEUE_TIMEOUT`).

    At most 30: a job that has ended is remembered for 60 s, and a repeat that came later would run it twice.
    """

    max_connections: Annotated[int, Field(ge=1, le=10_000)] = 20
    """Most connections that one event loop opens (`SCALR_TASKS_MAX_CONNECTIONS`); further commands wait for one."""

    result_poll_s: Annotated[Seconds, Field(ge=0.05, le=60)] = 1.0
    """How often `Job.result` looks for itself, should a push be lost, in seconds (`SCALR_TASKS_RESULT_POLL`)."""

    shutdown_grace_s: Annotated[Seconds, Field(ge=0, le=86_400)] = 60.0
    """How long a worker told to stop lets its jobs run, in seconds (`SCALR_TASKS_SHUTDOWN_GRACE`); 0 gives them back at once."""

    stuck_grace_s: Annotated[Seconds, Field(gt=0, le=3600)] = 30.0
    """How long past its timeout a sync body may hold its thread, in seconds (`SCALR_TASKS_STUCK_GRACE`).

    A thread cannot be stopped, and the job must not run twice at once: after that the worker's process ends.
    """

    upkeep_interval_s: Annotated[Seconds, Field(gt=0, le=3600)] = 30.0
    """How often a worker looks after parked jobs, in seconds (`SCALR_TASKS_UPKEEP_INTERVAL`)."""

    dead_ttl: Annotated[timedelta, BeforeValidator(_span)] = timedelta(days=30)
    """How long dead jobs are kept (`SCALR_TASKS_DEAD_TTL`: seconds, or `30d`, `12h`); also takes seconds."""

    log: Annotated[Literal["auto", "text", "json"], BeforeValidator(_lower)] = "auto"
    """Form of the log lines (`SCALR_TASKS_LOG`); `auto` is text at a terminal, JSON elsewhere."""

    log_level: Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(_lower)] = "info"
    """Least important log lines that are written (`SCALR_TASKS_LOG_LEVEL`)."""

    if not TYPE_CHECKING:  # so that type checkers keep the constructor's own parameters

        def __init__(self, **values: Any) -> None:
            try:
                super().__init__(**values)
            except ValidationError as error:
                raise _settings_error(error) from None

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ, **given: Any) -> Self:
        """Read the environment.

        A `SCALR_TASKS_*` name that is not known is warned of, with the nearest one.

        Args:
            environ: the variables.
            given: settings by name, which win over the variables; None counts as not given.

        Raises:
            SettingsError: a value cannot be used; the text names the variable.
        """
        values = {name: value for name, value in given.items() if value is not None}
        origins: dict[str, str] = {}
        for variable, name in VARIABLES.items():
            if name not in values and environ.get(variable, "").strip():
                values[name] = environ[variable].strip()
                origins[name] = variable
        _warn_of_unknown(environ)
        try:
            return cls(**values)
        except SettingsError as error:
            if error.setting not in origins:
                raise
            raise SettingsError(origins[error.setting], error.problem, way_out=error.way_out) from None


def _variable(name: str) -> str:
    return PREFIX + ("REDIS_URL" if name == "redis" else name.removesuffix("_s").upper())


VARIABLES: Final[dict[str, str]] = {_variable(name): name for name in Settings.model_fields} | {"REDIS_URL": "redis"}
"""Every environment variable that is read -> its setting; of two for one setting the earlier wins."""


def _warn_of_unknown(environ: Mapping[str, str]) -> None:
    for variable in sorted(environ):
        if variable.startswith(PREFIX) and variable not in VARIABLES and variable not in FOREIGN_NAMES:
            hint = did_you_mean(variable, [name for name in VARIABLES if name.startswith(PREFIX)])
            warnings.warn(f"{variable} is not a setting and has no effect; {hint}", ScalrTasksWarning, stacklevel=3)


def _settings_error(error: ValidationError) -> SettingsError:
    found = error.errors(include_url=False)[0]
    setting = str(found["loc"][0]) if found["loc"] else "settings"
    if found["type"] == "extra_forbidden":
        return SettingsError(setting, "is not a setting", way_out=did_you_mean(setting, Settings.model_fields))
    cause = found.get("ctx", {}).get("error")
    if isinstance(cause, SettingsError):
        return SettingsError(setting, cause.problem, way_out=cause.way_out)
    problem = str(cause) if cause is not None else found["msg"].removeprefix("Input ")
    return SettingsError(setting, problem)
