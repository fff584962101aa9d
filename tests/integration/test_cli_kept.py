"""`dead` and `parked` on a real Redis: list, show, put back, delete."""

import pytest
from redis.asyncio import Redis

from scalr_tasks import JobState
from scalr_tasks.broker.redis import RedisBroker
from tests.support.cli import run_beside
from tests.support.jobs import QUEUE_KEY, QUEUES, dead_of, finish, new_job, now_ms, snapshot

BULK = "arq:queue:bulk"


@pytest.fixture(autouse=True)
def environment(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", redis_url)


@pytest.fixture
async def dead(broker: RedisBroker, redis: Redis) -> None:
    """Three dead jobs: two of `add`, one of them on `bulk` and an hour old, and one of `send`."""
    for job_id, options in (
        ("old", {"queue_key": BULK}),
        ("first", {}),
        ("second", {"task": "send"}),
    ):
        job = new_job(job_id, **options)
        await broker.enqueue([job])
        await broker.bury(dead_of(job))
        await finish(redis, job)
    hour_ago = await now_ms(redis) - 3_600_000
    await redis.zadd("scalr:dead", {"old": hour_ago})
    await redis.hset("scalr:dead:old", "died_at", str(hour_ago))


@pytest.fixture
async def parked(broker: RedisBroker) -> None:
    """Two parked jobs: one of `add`, one whose bytes do not tell."""
    await broker.enqueue([new_job("later"), new_job("odd", queue_key=BULK)])
    await broker.park("later", QUEUE_KEY, reason="newer task version", task="add", version=2)
    await broker.park("odd", BULK, reason="unreadable", task="", version=0)


async def ids(*words: str) -> list[str]:
    return sorted(job["job"] for job in (await run_beside(*words, "--json")).document)


# -- list and show -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ([], ["first", "old", "second"]),
        (["--task", "add"], ["first", "old"]),
        (["--queue", "bulk"], ["old"]),
        (["--queue", "arq:queue:bulk"], ["old"]),
        (["--since", "30m"], ["first", "second"]),
        (["--since", "2h", "--task", "send"], ["second"]),
        (["--since", "2999-01-01T00:00:00Z"], []),
        (["--limit", "1"], ["second"]),
    ],
)
async def test_dead_jobs_are_listed_by_filter(dead: None, options: list[str], found: list[str]) -> None:
    assert await ids("dead", "list", *options) == found


async def test_no_dead_jobs_is_said(redis: Redis) -> None:
    listed = await run_beside("dead", "list")

    assert (listed.status, listed.out) == (0, "no dead jobs\n")


@pytest.mark.parametrize(
    ("since", "says"),
    [
        ("yesterday", "expected 90s, 30m, 7h, 2d"),
        ("2026-03-01T08:00:00", "needs its zone"),
        ("9" * 30 + "d", "expected"),
    ],
)
async def test_a_time_that_cannot_be_read_is_wrong_usage(since: str, says: str) -> None:
    listed = await run_beside("dead", "list", "--since", since)

    assert listed.status == 2
    assert says in listed.err


async def test_a_dead_job_is_shown_with_its_traceback_and_arguments_only_on_request(dead: None) -> None:
    shown, whole = await run_beside("dead", "show", "first"), await run_beside("dead", "show", "first", "--args")

    assert shown.status == 0
    assert "error     ValueError: no such invoice" in shown.out
    assert shown.out.splitlines()[-1] == "  Traceback ..."
    assert "invoice_id" not in shown.out
    assert 'arguments  {"invoice_id":1}' in whole.out


async def test_parked_jobs_are_listed_and_shown_with_the_reason(parked: None) -> None:
    shown = await run_beside("parked", "show", "odd")

    assert await ids("parked", "list") == ["later", "odd"]
    assert await ids("parked", "list", "--queue", "bulk") == ["odd"]
    assert await ids("parked", "list", "--task", "add") == ["later"]
    assert "reason   unreadable" in shown.out
    assert "invoice_id" not in shown.out


@pytest.mark.parametrize("verb", ["dead", "parked"])
async def test_showing_a_job_that_is_not_there_exits_3_with_the_nearest_id(dead: None, parked: None, verb: str) -> None:
    near = {"dead": "second", "parked": "later"}[verb]

    shown = await run_beside(verb, "show", near[:-1])

    assert shown.status == 3
    assert f"no job '{near[:-1]}' is {verb}; did you mean '{near}'?" in shown.err


async def test_what_is_kept_cannot_forge_a_line(broker: RedisBroker, redis: Redis) -> None:
    job = new_job("a\x1b[2J\nb", task="x\ny\x1b[1A")
    await broker.enqueue([job])
    await broker.bury(dead_of(job))
    await redis.hset(f"scalr:dead:{job.job_id}", mapping={"error_traceback": "a\x1b[2J\nb", "error_type": "E\r"})

    listed, shown = await run_beside("dead", "list"), await run_beside("dead", "show", job.job_id)
    retried = await run_beside("dead", "retry", "--all", "--yes")

    assert len(listed.out.splitlines()) == 2
    assert not set(listed.out + shown.out + retried.out + retried.err) & set("\x1b\r")


@pytest.fixture
async def foreign(redis: Redis) -> None:
    """A dead and a parked record that somebody else wrote, among our own."""
    for kind in ("dead", "parked"):
        await redis.hset(f"scalr:{kind}:x", mapping={"task": "add", "payload": "x"})
        await redis.zadd(f"scalr:{kind}", {"x": 1})


@pytest.mark.parametrize(("kind", "found"), [("dead", ["first", "old", "second"]), ("parked", ["later", "odd"])])
async def test_a_record_that_a_foreign_hand_wrote_is_not_listed_and_hides_no_other(
    dead: None, parked: None, foreign: None, kind: str, found: list[str]
) -> None:
    assert await ids(kind, "list") == found


@pytest.mark.parametrize("words", [["dead", "retry"], ["dead", "show"], ["parked", "requeue"], ["parked", "show"]])
async def test_a_record_that_a_foreign_hand_wrote_is_no_job_that_could_be_shown_or_put_back(
    foreign: None, redis: Redis, words: list[str]
) -> None:
    before = await snapshot(redis)

    shown = await run_beside(*words, "x")

    assert shown.status == 3
    assert f"no job 'x' is {words[0]}" in shown.err
    assert await snapshot(redis) == before


# -- putting back ------------------------------------------------------------------------


async def test_named_dead_jobs_are_put_back_without_a_question(dead: None, broker: RedisBroker) -> None:
    retried = await run_beside("dead", "retry", "first", "first", "second")

    assert (retried.status, retried.out) == (0, "first is back on its queue\nsecond is back on its queue\n")
    assert (await broker.info("first", QUEUES)).state is JobState.QUEUED
    assert await ids("dead", "list") == ["old"]


async def test_one_of_several_that_is_not_dead_does_not_keep_the_others_back(dead: None) -> None:
    retried = await run_beside("dead", "retry", "firts", "first", "--json")

    assert retried.status == 3
    assert [(job["job"], job["done"]) for job in retried.document["jobs"]] == [("firts", False), ("first", True)]
    assert "did you mean 'first'?" in retried.document["jobs"][0]["error"]


async def test_a_dead_job_whose_id_is_taken_is_not_put_back_and_the_exit_status_is_1(
    dead: None, broker: RedisBroker
) -> None:
    await broker.enqueue([new_job("first")])

    retried = await run_beside("dead", "retry", "first")

    assert retried.status == 1
    assert "JobIdConflictError [ST205]" in retried.err


async def test_chosen_jobs_are_counted_and_asked_about(dead: None) -> None:
    retried = await run_beside("dead", "retry", "--task", "add", stdin="y\n")

    assert retried.status == 0
    assert "2 dead jobs match; retry them? [y/N]" in retried.err
    assert await ids("dead", "list") == ["second"]


@pytest.mark.parametrize(("typed", "status"), [("n\n", 1), ("", 2)])
async def test_without_a_yes_nothing_is_changed(dead: None, redis: Redis, typed: str, status: int) -> None:
    before = await snapshot(redis)

    purged = await run_beside("dead", "purge", "--all", stdin=typed)

    assert purged.status == status
    assert await snapshot(redis) == before


@pytest.mark.parametrize("verb", [["dead", "retry"], ["dead", "purge"], ["parked", "requeue"], ["parked", "purge"]])
async def test_a_dry_run_changes_nothing_and_names_the_jobs(
    dead: None, parked: None, redis: Redis, verb: list[str]
) -> None:
    before = await snapshot(redis)

    dry = await run_beside(*verb, "--all", "--dry-run")

    assert dry.status == 0
    assert all(line.startswith("would ") for line in dry.out.splitlines())
    assert len(dry.out.splitlines()) == (3 if verb[0] == "dead" else 2)
    assert await snapshot(redis) == before


@pytest.mark.parametrize("words", [[], ["first", "--all"], ["first", "--task", "add"]])
@pytest.mark.parametrize("verb", [["dead", "retry"], ["dead", "purge"], ["parked", "requeue"], ["parked", "purge"]])
async def test_choosing_nothing_or_twice_is_wrong_usage(dead: None, verb: list[str], words: list[str]) -> None:
    refused = await run_beside(*verb, *words, "--yes")

    assert refused.status == 2
    assert "choose them with --task, --queue, --since or --all" in refused.err


async def test_a_filter_that_nothing_matches_asks_nothing(dead: None) -> None:
    retried = await run_beside("dead", "retry", "--task", "nobody")

    assert (retried.status, retried.out, retried.err) == (0, "no dead jobs match\n", "")


async def test_a_parked_job_is_put_back_as_it_was(parked: None, broker: RedisBroker) -> None:
    requeued = await run_beside("parked", "requeue", "--queue", "bulk", "--yes")

    assert requeued.out == "odd is back on its queue\n"
    assert (await broker.info("odd", [BULK])).state is JobState.QUEUED


# -- deleting ----------------------------------------------------------------------------


async def test_purged_jobs_leave_nothing_behind(dead: None, parked: None, redis: Redis) -> None:
    first = await run_beside("dead", "purge", "--all", "--yes")
    second = await run_beside("parked", "purge", "later", "odd")

    assert (first.status, second.status) == (0, 0)
    assert second.out == "later is deleted\nodd is deleted\n"
    assert await snapshot(redis) == {}


async def test_a_parked_job_whose_last_attempt_still_ends_is_not_deleted(parked: None, redis: Redis) -> None:
    await redis.set("arq:in-progress:later", b"1")

    purged = await run_beside("parked", "purge", "later")

    assert purged.status == 1
    assert "the last attempt of job 'later' still ends; try again in a moment" in purged.err
