from datetime import UTC, datetime
from pathlib import Path

import pytest

from scalr_tasks.clock import SYSTEM_CLOCK
from tests.support.cli import run

SHOP = '''
from scalr_tasks import Context, Queue, Registry

registry = Registry("shop", queues=[Queue("default"), Queue("bulk")])


@registry.task(queue="bulk", retries=2, timeout=90)
async def send(ctx: Context, invoice_id: int, note: str = "") -> None:
    """Send an invoice."""


@registry.task(cron="0 3 * * *", timezone="Europe/Vienna")
async def clean(ctx: Context) -> None: ...
'''


@pytest.fixture(autouse=True)
def shop(folder: Path) -> None:
    (folder / "listed_shop.py").write_text(SHOP)


def test_tasks_are_listed_with_signature_queue_and_rules(folder: Path) -> None:
    listed = run("tasks", "listed_shop")

    assert listed.status == 0
    (line,) = [line for line in listed.out.splitlines() if line.startswith("send(")]
    assert line.split("  ")[0] == "send(invoice_id: int, note: str = '')"
    assert line.split()[-4:] == ["bulk", "2", "90s", "1"]


def test_cron_tasks_are_listed_with_their_next_runs(folder: Path) -> None:
    listed = run("tasks", "listed_shop")

    (line,) = [line for line in listed.out.splitlines() if line.startswith("clean ")]
    assert "0 3 * * * Europe/Vienna" in line
    assert len(line.split("  ")) >= 5


def test_the_json_document_has_the_whole_declaration(folder: Path) -> None:
    listed = run("tasks", "listed_shop", "--json")

    send, clean = listed.document
    assert (send["name"], send["registry"], send["queue"], send["retries"]) == ("send", "shop", "bulk", 2)
    assert (send["timeout_s"], send["cron"], send["doc"]) == (90, None, "Send an invoice.")
    runs = [datetime.fromisoformat(run) for run in clean["cron"]["next_runs"]]
    now = datetime.fromtimestamp(SYSTEM_CLOCK.now_ms() / 1000, UTC)
    assert len(runs) == 5
    assert runs == sorted(runs)
    assert runs[0] > now
    assert {run.minute for run in runs} == {0}


def test_a_broken_declaration_exits_2(folder: Path) -> None:
    (folder / "bad_shop.py").write_text(SHOP.replace("retries=2", "retries=-2"))

    listed = run("tasks", "bad_shop")

    assert listed.status == 2
    assert "DefinitionError [ST110]: expected retries to be 0 or more, got -2" in listed.err
