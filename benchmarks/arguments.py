"""What validated JSON costs beside arq's unvalidated pickle: `python benchmarks/arguments.py`.

Every figure is a ratio of two times of one run, so that it says something on
any machine. Exit status 1 where a goal is missed.
"""

import json
import pickle
import sys
import timeit
from collections.abc import Callable
from datetime import date
from typing import Annotated, Any

from pydantic import BaseModel, Field

from scalr_tasks import Context, Registry, Settings

ROUNDS = 9
CALLS = 20_000

registry = Registry("benchmark", settings=Settings(redis="redis://localhost:6379/0"))


class Line(BaseModel):
    """One line of an invoice."""

    item: str
    count: int
    price: float


class Invoice(BaseModel):
    """A nested value of ten lines."""

    number: int
    lines: list[Line]


@registry.task
async def scalars(
    ctx: Context,
    invoice_id: int,
    subject: str = "",
    copies: Annotated[int, Field(gt=0)] = 1,
    due: date | None = None,
) -> None:
    """Four scalars, as most tasks have."""


@registry.task
async def nested(ctx: Context, invoice: Invoice) -> None:
    """A model of ten lines."""


def us(function: Callable[[], Any]) -> float:
    """Return the best time of one call, in microseconds."""
    return min(timeit.repeat(function, number=CALLS, repeat=ROUNDS)) / CALLS * 1e6


def arq_job(name: str, kwargs: dict[str, Any]) -> dict[str, Any]:
    """Return what arq pickles for a job."""
    return {"t": None, "f": name, "a": (), "k": kwargs, "et": 1_767_225_600_000}


def main() -> int:
    """Measure, print, and tell whether every goal is met."""
    kwargs = {"invoice_id": 71, "subject": "Your invoice", "copies": 2, "due": date(2026, 1, 31)}
    codec = scalars.declaration.arguments
    raw, pickled = codec.write((), kwargs), pickle.dumps(arq_job("scalars", kwargs))
    values = tuple(kwargs.values())
    write, by_position = us(lambda: codec.write((), kwargs)), us(lambda: codec.write(values, {}))
    read = us(lambda: codec.read(raw))
    dump, load = us(lambda: pickle.dumps(arq_job("scalars", kwargs))), us(lambda: pickle.loads(pickled))

    invoice = Invoice(number=1, lines=[Line(item=f"item {n}", count=n, price=n * 1.5) for n in range(10)])
    big = nested.declaration.arguments
    big_raw, big_pickled = big.write((), {"invoice": invoice}), pickle.dumps(arq_job("nested", {"invoice": invoice}))
    big_write = us(lambda: big.write((), {"invoice": invoice})) / us(
        lambda: pickle.dumps(arq_job("nested", {"invoice": invoice}))
    )
    big_read = us(lambda: big.read(big_raw)) / us(lambda: pickle.loads(big_pickled))

    rows = [
        ("four scalars: validate and write, beside pickle", write / dump, 0.7),
        ("four scalars: read and validate, beside pickle", read / load, 0.5),
        ("four scalars: by position, beside by name, us", by_position - write, 0.7),
        ("nested model: validate, write and read back, beside pickle", big_write, None),
        ("nested model: read and validate, beside pickle", big_read, None),
    ]
    for text, measured, goal in rows:
        aim = "" if goal is None else f"   goal {goal} {'met' if measured <= goal else 'MISSED'}"
        print(f"{measured:6.2f}  {text}{aim}")
    print(f"bytes: {len(raw)} for {json.loads(raw)}, {len(pickled)} as arq's pickle")
    return int(any(goal is not None and measured > goal for _, measured, goal in rows))


if __name__ == "__main__":
    sys.exit(main())
