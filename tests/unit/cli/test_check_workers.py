import pytest

from scalr_tasks.broker.health import LivingWorker, Overview, QueueCounts, WorkedQueue, WorkerSelf
from scalr_tasks.cli.banner import ServerFacts
from scalr_tasks.cli.check_workers import known_queue_lines, server_lines, worker_lines

URL = "redis://cache:6379/0"


def overview(*workers: tuple[int, str], ready: int = 0) -> Overview:
    """An overview in which worker processes (pid, queue) live."""
    return Overview(
        now_ms=10_000,
        workers=tuple(
            LivingWorker(f"w-{number}", 8_000, WorkerSelf("box", pid, "0.1.0", 5, (WorkedQueue(queue, queue, 10, 0),)))
            for number, (pid, queue) in enumerate(workers)
        ),
        queues=(QueueCounts("bulk", ready, None, 0, 0, 0),),
    )


@pytest.mark.parametrize(
    ("version", "policy", "levels"),
    [
        ("7.2.4", "noeviction", ["ok"]),
        ("6.2.0", "noeviction", ["ok"]),
        ("7.2.4", "allkeys-lru", ["ok", "warning"]),
        ("6.0.16", "noeviction", ["error"]),
        ("?", "?", ["ok", "warning"]),
        ("unstable", "noeviction", ["ok"]),
    ],
)
def test_an_old_server_is_an_error_and_one_that_may_drop_jobs_a_warning(
    version: str, policy: str, levels: list[str]
) -> None:
    assert [line.level for line in server_lines(URL, ServerFacts(version, policy, 0.4))] == levels


def test_a_policy_that_drops_jobs_is_named_with_the_way_out() -> None:
    warning = server_lines(URL, ServerFacts("7.2.4", "allkeys-lru", 0.4))[1]

    assert "maxmemory-policy is allkeys-lru" in warning.text
    assert "set noeviction" in warning.text


def test_the_workers_of_one_process_are_one_line() -> None:
    lines = worker_lines(overview((7, "bulk"), (7, "default"), (8, "mail")))

    assert [line.text for line in lines] == [
        "worker box pid 7 beat 2s ago on bulk, default",
        "worker box pid 8 beat 2s ago on mail",
    ]


@pytest.mark.parametrize(
    ("seen", "texts"),
    [
        (overview(ready=5), ["queue bulk has 5 jobs and no worker"]),
        (overview(ready=1), ["queue bulk has 1 job and no worker"]),
        (overview(), []),
        (overview((7, "bulk"), ready=5), []),
    ],
)
def test_a_known_queue_with_jobs_and_no_worker_is_a_warning(seen: Overview, texts: list[str]) -> None:
    lines = known_queue_lines(seen)

    assert [line.text for line in lines] == texts
    assert {line.level for line in lines} <= {"warning"}
