"""How much one job may carry. Redis keeps every byte in memory, and a worker reads them all at once."""

import re
from typing import Final

MAX_ARGUMENTS_BYTES: Final = 1_000_000
"""Largest arguments of one job, as JSON."""

MAX_DEPTH: Final = 64
"""Deepest nesting of lists and objects in one job's arguments."""

READ_BACK_BYTES: Final = 4_000
"""Longer JSON is read back before it is stored: it may hold a number of more digits than Python reads."""

_TEXTS: Final = re.compile(rb'"(?:[^"\\]|\\.)*"')


def too_deep(raw: bytes) -> bool:
    """Tell whether the lists and objects of a JSON text nest deeper than is allowed.

    >>> too_deep(b'{"a":[[1],"[["]}')
    False
    """
    if raw.count(b"[") + raw.count(b"{") <= MAX_DEPTH:
        return False
    depth = 0
    for byte in _TEXTS.sub(b"", raw):
        if byte in b"[{":
            depth += 1
            if depth > MAX_DEPTH:
                return True
        elif byte in b"]}":
            depth -= 1
    return False
