"""`context.py`: what a job is given; in a running job it is tested in `test_call.py`."""

import pytest

from scalr_tasks.attempt.context import current_context
from scalr_tasks.errors import ContextUnavailableError


def test_there_is_no_current_context_where_no_job_runs() -> None:
    with pytest.raises(
        ContextUnavailableError,
        match=r"^current_context\(\) is not available: no job is running here; it is there inside a task",
    ):
        current_context()
