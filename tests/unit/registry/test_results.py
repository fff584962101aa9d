"""`results.py`: a result is validated where it was made and where it is read."""

from datetime import date
from typing import Annotated, Any

import pytest
from pydantic import AfterValidator, BaseModel, JsonValue
from typing_extensions import TypedDict

from scalr_tasks import InvalidResultError, NotSerialisableError
from tests.support.wire import wire_for


class Receipt(BaseModel):
    invoice_id: int
    sent_on: date


def _quoting(value: str) -> str:
    raise ValueError(f"bad {value}")


QUOTING = Annotated[str, AfterValidator(_quoting)]


class LongReceipt(Receipt):
    lines: int = 1


def test_a_result_comes_back_as_its_declared_type() -> None:
    result = wire_for(int, result=Receipt).result
    receipt = Receipt(invoice_id=1, sent_on=date(2026, 1, 31))

    raw = result.write(receipt)

    assert raw == b'{"invoice_id":1,"sent_on":"2026-01-31"}'
    assert result.read(raw, "job") == receipt


def test_no_result_is_null() -> None:
    result = wire_for(int, result=None).result

    assert result.write(None) == b"null"
    assert result.read(b"null", "job") is None


@pytest.mark.parametrize(
    ("hint", "value", "problem"),
    [
        (int, "hunter2", "it should be a valid integer, got str"),
        (None, 1, "it should be None, got int"),
        (list[int], [1, "x"], "1: should be a valid integer, got str"),
        (dict[str, int], {"hunter2": "x"}, "it should be a valid integer, got str"),
        (JsonValue, [[[object()]]], "not a valid JSON value|does not fit"),
        (list[Any], [object()], "it holds an object that has no JSON form"),
        (int, 10**4300, "a whole number of more than 4,300 digits"),
        (Receipt, LongReceipt(invoice_id=1, sent_on=date(2026, 1, 31)), "LongReceipt would come back as Receipt"),
    ],
    ids=lambda part: part if isinstance(part, str) else "",
)
def test_a_result_that_does_not_fit_is_refused_without_its_value(hint: Any, value: Any, problem: str) -> None:
    with pytest.raises(
        NotSerialisableError, match=f"probe: the result cannot be written as JSON: .*{problem}"
    ) as caught:
        wire_for(int, result=hint).result.write(value)

    assert "hunter2" not in str(caught.value)


def test_a_result_that_nests_too_deep_is_refused() -> None:
    value: Any = 1
    for _ in range(65):
        value = [value]

    with pytest.raises(NotSerialisableError, match="it nests deeper than 64 levels"):
        wire_for(int, result=JsonValue).result.write(value)


@pytest.mark.parametrize("raw", [b'"x"', b"{", b"null", b'{"invoice_id":1}'])
def test_a_kept_result_that_does_not_fit_says_so(raw: bytes) -> None:
    with pytest.raises(InvalidResultError, match="result of job job-1 does not fit the result type of task 'probe'"):
        wire_for(int, result=Receipt).result.read(raw, "job-1")


def test_a_key_that_a_result_should_not_have_is_not_shown() -> None:
    class Sizes(TypedDict):
        width: int

    result = wire_for(int, result=Sizes).result

    with pytest.raises(InvalidResultError) as caught:
        result.read(b'{"width":1,"s3cr3t":2}', "inv-1")

    assert "s3cr3t" not in str(caught.value)
    assert "of task 'probe': it has a field that is not declared" in str(caught.value)


def test_half_a_surrogate_pair_in_the_text_of_a_validator_is_refused_without_the_value() -> None:
    result = wire_for(int, result=QUOTING).result

    with pytest.raises(NotSerialisableError) as caught:
        result.write("\ud800s3cr3t")

    assert str(caught.value) == (
        "probe: the result cannot be written as JSON: it is not valid UTF-8; pass an id or a path instead"
    )
    assert caught.value.__cause__ is None
