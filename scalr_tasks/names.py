"""What a task, a queue or a job may be called, and the nearest name to a misspelled one.

Pure functions over strings: they return what is wrong and raise nothing, so
that `errors.py` and every layer above may use them.
"""

import re
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

MAX_NAME_CHARS: Final = 128
"""Longest task or queue name."""

MAX_JOB_ID_CHARS: Final = 512
"""Longest job id."""

RESERVED_QUEUES: Final = frozenset({"health-check"})
"""arq appends `:health-check` to a queue key for its own sentinel."""

_NAME: Final = re.compile(r"[A-Za-z0-9_.\-]+")


def name_problem(name: object) -> str | None:
    """Tell why `name` cannot name a task, or None where it can.

    >>> name_problem("send_invoice_email")
    >>> name_problem("send invoice")
    "may hold letters, digits, '_', '-' and '.' only"
    """
    if not isinstance(name, str):
        return f"must be a str, not {type(name).__name__}"
    if not 1 <= len(name) <= MAX_NAME_CHARS:
        return f"must have 1 to {MAX_NAME_CHARS} characters, got {len(name)}"
    if not _NAME.fullmatch(name):
        return "may hold letters, digits, '_', '-' and '.' only"
    return None


def queue_name_problem(name: object) -> str | None:
    """Tell why `name` cannot name a queue, or None where it can."""
    problem = name_problem(name)
    if problem is None and name in RESERVED_QUEUES:
        return "is reserved: arq keeps its health key there"
    return problem


def job_id_problem(job_id: object) -> str | None:
    """Tell why `job_id` cannot be one, or None where it can.

    >>> job_id_problem("inv-1")
    >>> job_id_problem("")
    'should have 1 to 512 characters, got 0'
    """
    if not isinstance(job_id, str):
        return f"should be a str, got {type(job_id).__name__}"
    if not 1 <= len(job_id) <= MAX_JOB_ID_CHARS:
        return f"should have 1 to {MAX_JOB_ID_CHARS} characters, got {len(job_id)}"
    try:
        job_id.encode()
    except UnicodeEncodeError:
        return "should be valid UTF-8"
    return None


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that `name` most likely meant, if one is close.

    >>> nearest("send_invoice_emial", ["send_invoice_email", "rebuild_report"])
    'send_invoice_email'
    """
    folded = {one.casefold(): one for one in sorted(known, reverse=True)}
    matches = get_close_matches(name.casefold(), folded, n=1)
    return folded[matches[0]] if matches else None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return `did you mean 'x'?`, else the list of what is known, else an empty text."""
    names = sorted(known)
    near = nearest(name, names)
    if near is not None:
        return f"did you mean {near!r}?"
    if not names:
        return ""
    shown = ", ".join(names[:10]) + (f", and {len(names) - 10} more" if len(names) > 10 else "")
    return f"known: {shown}"
