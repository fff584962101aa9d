import ast
import importlib.util
import sys
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field

from scalr_tasks import Context, InvalidArgumentsError, Queue, Registry
from scalr_tasks.typecheck.stubgen import Stubs, make_stubs


class Line(BaseModel):
    price: int


registry = Registry[Any, str]("shop-1", queues=[Queue("default"), Queue("bulk", key="old:queue")])


@registry.task(queue="bulk", version=3, expires=timedelta(minutes=1))
async def send(
    ctx: Context, invoice_id: Annotated[int, Field(gt=0)], /, to: str = "x", *, lines: list[Line], **rest: int
) -> Line | None:
    """Send it.

    And more.
    """


@registry.task(name="re-build.all", ctx=False)
def rebuild() -> int: ...


@registry.task(name="registry", ctx=False)
async def registry_() -> None: ...


def loaded(stubs: Stubs, folder: Path) -> ModuleType:
    """The runtime module, imported."""
    path = folder / f"{stubs.module}.py"
    path.write_text(stubs.runtime)
    spec = importlib.util.spec_from_file_location(stubs.module, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_interface_is_a_declared_signature_for_each_task() -> None:
    interface = make_stubs(registry.snapshot()).interface

    assert (
        "@registry.declare()\n"
        "async def send(invoice_id: int, /, to: str = 'x', *, lines: list[pydantic.JsonValue], **rest: int)"
        " -> pydantic.JsonValue | None: ..."
    ) in interface
    assert "@registry.declare(name='re-build.all')\nasync def re_build_all() -> int: ..." in interface
    assert "@registry.declare(name='registry')\nasync def registry_() -> None: ..." in interface
    ast.parse(interface)


def test_both_files_declare_the_same_handles() -> None:
    stubs = make_stubs(registry.snapshot())

    handles = [
        [node.name for node in ast.parse(text).body if isinstance(node, ast.AsyncFunctionDef)]
        for text in (stubs.interface, stubs.runtime)
    ]

    assert handles == [list(stubs.tasks), list(stubs.tasks)]
    assert stubs.tasks == ("send", "re_build_all", "registry_")


def test_a_module_that_callers_share_is_imported_and_not_replaced() -> None:
    stubs = make_stubs(registry.snapshot(), module="shop", share=[__name__])

    assert stubs.module == "shop"
    assert f"lines: list[{__name__}.Line]" in stubs.interface
    assert f"import {__name__}\n" in stubs.interface


def test_the_runtime_module_declares_what_the_worker_has(tmp_path: Path) -> None:
    stubs = make_stubs(registry.snapshot())

    module = loaded(stubs, tmp_path)

    made, own = module.send.declaration, registry.tasks["send"].declaration
    assert (made.name, made.version, made.queue) == (own.name, own.version, own.queue)
    assert made.policy.expires_ms == own.policy.expires_ms
    assert module.registry.queues["bulk"].key == "old:queue"
    assert module.send.call(1, lines=[{"price": 1}]).new.arguments == b'{"invoice_id":1,"lines":[{"price":1}]}'
    assert stubs.module not in sys.modules


def test_limits_hold_in_the_callers_process_too(tmp_path: Path) -> None:
    module = loaded(make_stubs(registry.snapshot()), tmp_path)

    with pytest.raises(InvalidArgumentsError, match="invoice_id"):
        module.send.call(0, lines=[])
