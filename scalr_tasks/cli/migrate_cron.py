"""From arq's `cron(f, hour=3, minute=0)` to a crontab line, where one says the same.

Reads next: `migrate_plan.py`, which asks.
"""

from typing import Final

import libcst as cst

_FIELDS: Final = ("minute", "hour", "day", "month", "weekday")
_DAYS: Final = {"mon": 1, "tues": 2, "wed": 3, "thurs": 4, "fri": 5, "sat": 6, "sun": 0}
"""arq's names of the days -> crontab's numbers."""

KNOWN: Final = frozenset({*_FIELDS, "second", "microsecond", "name", "unique", "timeout", "max_tries", "keep_result"})
"""Keywords of `cron(...)` that have a counterpart, or need none."""


class NoCounterpartError(Exception):
    """What stands there cannot be said in the typed form; the text says why."""


def crontab(given: dict[str, cst.BaseExpression]) -> str:
    """Return the crontab line of the keywords of a `cron(...)` call.

    Raises:
        NoCounterpartError: no line says the same.
    """
    fields = [_field(name, given.get(name)) for name in _FIELDS]
    if fields[2] != "*" and fields[4] != "*":
        raise NoCounterpartError("day= and weekday= together: arq wants both to hold, a crontab line either")
    second = _field("second", given["second"]) if "second" in given else "0"
    if second != "0":
        fields.insert(0, second)
    return " ".join(fields)


def _field(name: str, value: cst.BaseExpression | None) -> str:
    match value:
        case None | cst.Name(value="None"):
            return "*"
        case cst.Set(elements=elements):
            return ",".join(_one(name, element.value) for element in elements)
    return _one(name, value)


def _one(name: str, value: cst.BaseExpression) -> str:
    match value:
        case cst.Integer():
            number = int(value.value, 0)
            return str((number + 1) % 7 if name == "weekday" else number)  # arq's week begins with Monday as 0
        case cst.SimpleString() if name == "weekday" and value.evaluated_value in _DAYS:
            return str(_DAYS[str(value.evaluated_value)])
    raise NoCounterpartError(f"{name}= is no literal")
