"""`scalr_tasks/settings.py`."""

import re
from datetime import timedelta
from typing import Any

import pytest

from scalr_tasks.address import RedisAddress
from scalr_tasks.errors import ScalrTasksWarning, SettingsError
from scalr_tasks.settings import FOREIGN_NAMES, VARIABLES, Settings
from tests.architecture.source import ROOT, repository_files


def test_the_environment_may_be_empty() -> None:
    assert Settings.from_env({}) == Settings()


@pytest.mark.parametrize(
    ("environ", "given", "host"),
    [
        ({}, {}, "localhost"),
        ({"REDIS_URL": "redis://shared"}, {}, "shared"),
        ({"REDIS_URL": "redis://shared", "SCALR_TASKS_REDIS_URL": "redis://ours"}, {}, "ours"),
        ({"REDIS_URL": "redis://shared", "SCALR_TASKS_REDIS_URL": "redis://ours"}, {"redis": "redis://given"}, "given"),
        ({"REDIS_URL": "redis://shared"}, {"redis": None}, "shared"),
        ({"REDIS_URL": "redis://shared", "SCALR_TASKS_REDIS_URL": ""}, {}, "shared"),
        ({"REDIS_URL": "  redis://shared \n"}, {}, "shared"),
    ],
)
def test_what_is_nearer_wins(environ: dict[str, str], given: dict[str, Any], host: str) -> None:
    assert Settings.from_env(environ, **given).redis.host == host


@pytest.mark.parametrize(
    ("variable", "text", "name", "value"),
    [
        ("SCALR_TASKS_CONNECT_TIMEOUT", "2.5", "connect_timeout_s", 2.5),
        ("SCALR_TASKS_ENQUEUE_TIMEOUT", "500ms", "enqueue_timeout_s", 0.5),
        ("SCALR_TASKS_MAX_CONNECTIONS", "50", "max_connections", 50),
        ("SCALR_TASKS_RESULT_POLL", "2s", "result_poll_s", 2.0),
        ("SCALR_TASKS_SHUTDOWN_GRACE", "2m", "shutdown_grace_s", 120.0),
        ("SCALR_TASKS_UPKEEP_INTERVAL", "5", "upkeep_interval_s", 5.0),
        ("SCALR_TASKS_STUCK_GRACE", "5", "stuck_grace_s", 5.0),
        ("SCALR_TASKS_DEAD_TTL", "3600", "dead_ttl", timedelta(hours=1)),
        ("SCALR_TASKS_DEAD_TTL", "30d", "dead_ttl", timedelta(days=30)),
        ("SCALR_TASKS_DEAD_TTL", "12h", "dead_ttl", timedelta(hours=12)),
        ("SCALR_TASKS_LOG", "JSON", "log", "json"),
        ("SCALR_TASKS_LOG_LEVEL", "DEBUG", "log_level", "debug"),
    ],
)
def test_a_variable_sets_its_setting(variable: str, text: str, name: str, value: object) -> None:
    assert getattr(Settings.from_env({variable: text}), name) == value


def test_every_setting_has_its_variable_and_the_variable_stands_in_its_text() -> None:
    assert set(VARIABLES.values()) == set(Settings.model_fields)
    for variable, name in VARIABLES.items():
        assert variable in (Settings.model_fields[name].description or "")


@pytest.mark.parametrize(
    ("environ", "text"),
    [
        ({"REDIS_URL": "reddis://a"}, "REDIS_URL has an unknown scheme; did you mean 'redis'?"),
        ({"SCALR_TASKS_REDIS_URL": "redis://"}, "SCALR_TASKS_REDIS_URL names no host; "),
        ({"SCALR_TASKS_ENQUEUE_TIMEOUT": "31"}, "SCALR_TASKS_ENQUEUE_TIMEOUT should be less than or equal to 30"),
        ({"SCALR_TASKS_ENQUEUE_TIMEOUT": "0"}, "SCALR_TASKS_ENQUEUE_TIMEOUT should be greater than 0"),
        (
            {"SCALR_TASKS_CONNECT_TIMEOUT": "soon"},
            "SCALR_TASKS_CONNECT_TIMEOUT should be seconds, or a number with ms, ",
        ),
        ({"SCALR_TASKS_MAX_CONNECTIONS": "0"}, "SCALR_TASKS_MAX_CONNECTIONS should be greater than or equal to 1"),
        ({"SCALR_TASKS_MAX_CONNECTIONS": "many"}, "SCALR_TASKS_MAX_CONNECTIONS should be a valid integer"),
        ({"SCALR_TASKS_DEAD_TTL": "3w"}, "SCALR_TASKS_DEAD_TTL should be seconds, or a number with ms, s, m, h or d"),
        ({"SCALR_TASKS_DEAD_TTL": "0"}, "SCALR_TASKS_DEAD_TTL should be more than 0 seconds and at most 100 years"),
        ({"SCALR_TASKS_LOG": "xml"}, "SCALR_TASKS_LOG should be 'auto', 'text' or 'json'"),
        ({"SCALR_TASKS_LOG_LEVEL": "loud"}, "SCALR_TASKS_LOG_LEVEL should be 'debug', 'info', 'warning' or 'error'"),
    ],
)
def test_a_wrong_variable_is_named_with_the_way_out(environ: dict[str, str], text: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(text)) as caught:
        Settings.from_env(environ)

    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"lug": "json"}, "lug is not a setting; did you mean 'log'?"),
        ({"redis": 7}, "redis should be a URL or a RedisAddress"),
        ({"redis": "cache:6379"}, "redis is no URL; expected one like redis://localhost:6379/0"),
        ({"connect_timeout_s": float("nan")}, "connect_timeout_s should be a finite number"),
        ({"connect_timeout_s": True}, "connect_timeout_s should be seconds, or a number with ms, s, m, h or d"),
        ({"dead_ttl": timedelta(days=-1)}, "dead_ttl should be more than 0 seconds and at most 100 years"),
        ({"dead_ttl": float("inf")}, "dead_ttl should be more than 0 seconds and at most 100 years"),
    ],
)
def test_a_wrong_argument_is_named_with_the_way_out(given: dict[str, Any], text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings(**given)

    assert str(caught.value) == text


def test_an_address_a_url_and_a_timedelta_are_taken_as_they_are() -> None:
    settings = Settings(
        redis=RedisAddress(host="cache"),
        shutdown_grace_s=timedelta(minutes=1),  # type: ignore[arg-type]  # the wider input of the validator
    )

    assert settings.redis.host == "cache"
    assert settings.shutdown_grace_s == 60


def test_settings_never_show_a_password() -> None:
    settings = Settings.from_env({"REDIS_URL": "redis://app:s3cr3t@cache/1"})

    assert "s3cr3t" not in repr(settings) + str(settings)
    assert settings.redis.password is not None


def test_a_wrong_url_shows_its_password_nowhere_in_the_traceback_either() -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_env({"REDIS_URL": "redis://app:s3cr3t@cache:port"})

    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_settings_are_frozen_and_may_be_a_key() -> None:
    settings = Settings()

    with pytest.raises(ValueError, match="frozen"):
        settings.log = "json"
    assert hash(settings) == hash(Settings())


def test_a_misspelled_variable_is_warned_of_with_the_nearest() -> None:
    with pytest.warns(
        ScalrTasksWarning, match=r"SCALR_TASKS_DEED_TTL is not a setting .*; did you mean 'SCALR_TASKS_DEAD_TTL'"
    ):
        Settings.from_env({"SCALR_TASKS_DEED_TTL": "1"})


def test_the_value_of_a_misspelled_variable_is_not_shown() -> None:
    with pytest.warns(ScalrTasksWarning, match="SCALR_TASKS_REDIS_ULR") as warned:
        Settings.from_env({"SCALR_TASKS_REDIS_ULR": "redis://:s3cr3t@cache"})

    assert "s3cr3t" not in str(warned[0].message)


def test_variables_of_others_are_not_warned_of() -> None:
    Settings.from_env(dict.fromkeys(FOREIGN_NAMES, "x") | {"PATH": "/bin", "CELERY_BROKER_URL": "redis://a"})


def test_every_variable_that_is_spelled_in_the_repository_is_known() -> None:
    name = re.compile(r"\bSCALR_TASKS_[A-Z_]*[A-Z]\b(?!_)")
    misspelled_on_purpose = {"SCALR_TASKS_DEED_TTL", "SCALR_TASKS_REDIS_ULR"}
    spelled = {
        found
        for path in repository_files()
        if path.suffix in {".py", ".md", ".toml"} or path.name in {"Makefile", "run"}
        for found in name.findall(path.read_text("utf-8"))
    }

    assert spelled - misspelled_on_purpose - set(VARIABLES) - FOREIGN_NAMES == set()
    assert (ROOT / "scalr_tasks").is_dir()
