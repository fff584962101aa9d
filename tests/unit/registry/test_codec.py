"""`codec.py`: what plain arq hands over and gets back; that arq itself takes it is shown in `tests/arq/`."""

from typing import Any

import pytest

from scalr_tasks import JobExpiredError, Registry, TaskFailedError, UnknownTaskError
from scalr_tasks.envelope import ResultRecord, read, write_error, write_result
from scalr_tasks.policy import ErrorRecord
from scalr_tasks.registry.codec import ArqCodec


@pytest.fixture
def codec() -> ArqCodec:
    registry = Registry[Any, str]("shop")

    @registry.task(ctx=False)
    async def send(invoice_id: int, subject: str = "") -> int:
        return invoice_id

    return ArqCodec(registry.snapshot().declarations)


def job(task: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
    return {"f": task, "a": args, "k": kwargs, "t": None, "et": 1_000}


def ended(kind: Any, body: bytes) -> bytes:
    return write_result(
        ResultRecord(
            kind=kind, task="send", job_id="inv-1", body=body, queue="arq:queue:default", nonce="n", attempt=2,
            enqueued_at_ms=1, started_at_ms=2, finished_at_ms=3, reason="failed",
        )
    )  # fmt: skip


def test_positions_become_names_on_the_wire(codec: ArqCodec) -> None:
    envelope = read(codec.serialize(job("send", 1, subject="x")))

    assert (envelope.task, envelope.arguments) == ("send", b'{"invoice_id":1,"subject":"x"}')


def test_a_task_that_nobody_declared_is_refused_before_anything_is_written(codec: ArqCodec) -> None:
    with pytest.raises(UnknownTaskError, match="no task named 'sent' is registered; did you mean 'send'"):
        codec.serialize(job("sent"))


def test_a_result_is_read_as_the_declared_type(codec: ArqCodec) -> None:
    assert codec.deserialize(ended("done", b"7"))["r"] == 7


def test_a_job_that_expired_reads_as_its_error(codec: ArqCodec) -> None:
    error = codec.deserialize(ended("expired", write_error(ErrorRecord("JobExpiredError", "late"))))["r"]

    assert isinstance(error, JobExpiredError)
    assert str(error).startswith("job inv-1 was not started before its expires")


def test_a_job_that_failed_reads_as_its_error_and_no_foreign_class(codec: ArqCodec) -> None:
    error = codec.deserialize(ended("failed", write_error(ErrorRecord("SMTPError", "421"))))["r"]

    assert isinstance(error, TaskFailedError)
    assert str(error).startswith("job inv-1 of task 'send' is dead after 2 attempts: SMTPError: 421")


def test_arguments_hide_their_values_from_arqs_log(codec: ArqCodec) -> None:
    arguments = codec.deserialize(codec.serialize(job("send", 471142)))["k"]

    assert arguments == {"invoice_id": 471142}
    assert repr(arguments) == "{'invoice_id': …}"
