"""`limits.py`: how much one job may carry."""

import pytest

from scalr_tasks.registry.limits import MAX_DEPTH, too_deep


@pytest.mark.parametrize(
    ("raw", "deep"),
    [
        (b"[" * MAX_DEPTH + b"]" * MAX_DEPTH, False),
        (b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1), True),
        (b"[" + b"[]," * 200 + b"[]]", False),
        (b'{"a":"' + b"[" * 100 + b'"}', False),
        (b'{"a":"\\"' + b"[" * 100 + b'"}', False),
        (b'{"a":' * (MAX_DEPTH + 1) + b"1" + b"}" * (MAX_DEPTH + 1), True),
    ],
)
def test_depth_counts_what_is_open_at_once_outside_texts(raw: bytes, deep: bool) -> None:
    assert too_deep(raw) is deep
