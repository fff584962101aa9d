"""What a task's own code uses: context, signals, errors."""
from datetime import datetime, timedelta
from typing import Any, assert_type

from scalr_tasks import (
    ArgumentProblem, Context, GiveUp, InvalidArgumentsError, Retry, ScalrTasksError, Snooze, TaskFailedError, UnknownQueueError,
    current_context, declare, task,
)
from scalr_tasks import Contxt  # E
import scalr_tasks


@task
async def send(ctx: Context, invoice_id: int) -> None:
    assert_type(ctx.state, object)
    assert_type(ctx.job_id, str)
    assert_type(ctx.attempt, int)
    assert_type(ctx.enqueued_at, datetime)
    assert_type(ctx.deadline, datetime)
    assert_type(ctx["job_id"], Any)
    assert_type(current_context(), Context[object])
    ctx.log.info("sent: invoice=%d", invoice_id)
    ctx.job_id = "x"  # E
    ctx.job_try  # E
    if invoice_id == 1:
        raise Retry(delay=30)
    if invoice_id == 2:
        raise Snooze(timedelta(seconds=30))
    if invoice_id == 3:
        raise Snooze()  # E
    if invoice_id == 4:
        raise Retry("30")  # E
    raise GiveUp("gone")


@declare(queue="bulk")
async def count(a: int) -> int: raise NotImplementedError
@declare  # E@def
async def no_parentheses(a: int) -> int: raise NotImplementedError
@count.implement
def count_here(ctx: Context, a: int) -> int: return a
@count.implement  # E@def
def no_context(a: int) -> int: return a


async def errors() -> None:
    try:
        await send.enqueue(1)
    except InvalidArgumentsError as error:
        assert_type(error.problems, tuple[ArgumentProblem, ...])
        assert_type(error.problems[0].suggestion, str | None)
    except TaskFailedError as error:
        assert_type(error.attempts, int)
    except UnknownQueueError as error:
        assert_type(error.code, str)
    except ScalrTasksError as error:
        error.nope  # E
    await scalr_tasks.close()
    scalr_tasks.close()  # E
    scalr_tasks.enqueue_mny  # E
    assert_type(count_here(1), int)
