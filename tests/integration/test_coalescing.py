"""Callers of one turn of the event loop share a script, and nothing else."""

import asyncio

from redis.asyncio import Redis

from scalr_tasks.broker.base import NewJob, Stored
from scalr_tasks.broker.client import RedisBrokers
from scalr_tasks.broker.keys import JOB
from scalr_tasks.broker.redis import RedisBroker
from scalr_tasks.errors import BrokerRefusedError
from scalr_tasks.settings import Settings
from tests.support.jobs import QUEUE_KEY, head_of, new_job
from tests.support.proxy import CuttingProxy
from tests.support.until import until


async def one(broker: RedisBroker, job: NewJob) -> Stored:
    (answer,) = await broker.enqueue([job])
    return answer


async def scripts_of(redis: Redis) -> int:
    stats = await redis.info("commandstats")
    calls: int = stats.get("cmdstat_evalsha", {}).get("calls", 0)
    return calls


async def test_a_thousand_callers_who_come_back_ten_times_send_ten_scripts(broker: RedisBroker, redis: Redis) -> None:
    await one(broker, new_job("warm"))
    await redis.config_resetstat()

    for _ in range(10):
        await asyncio.gather(*(one(broker, new_job()) for _ in range(1000)))

    assert await scripts_of(redis) == 10
    assert await redis.zcard(QUEUE_KEY) == 10_001


async def test_callers_of_one_turn_are_stored_in_the_order_in_which_they_called(
    broker: RedisBroker, redis: Redis
) -> None:
    jobs = [new_job(f"job-{number:03}", arguments=b'{"n":%d}' % number) for number in range(100)]

    answers = await asyncio.gather(*(one(broker, job) for job in jobs))

    assert [answer.job_id for answer in answers] == [job.job_id for job in jobs]
    stored = [await redis.get(JOB + job.job_id) for job in jobs]
    assert [raw.partition(b"\n")[2] for raw in stored] == [job.arguments for job in jobs]
    assert len({head_of(raw)["et"] for raw in stored}) == 1


async def test_each_caller_is_told_of_its_own_duplicate(broker: RedisBroker) -> None:
    await one(broker, new_job("taken", task="other"))

    answers = await asyncio.gather(
        one(broker, new_job("a")), one(broker, new_job("taken")), one(broker, new_job("a")), one(broker, new_job("b"))
    )

    assert [(answer.created, answer.holder) for answer in answers] == [
        (True, "add"),
        (False, "other"),
        (False, "add"),
        (True, "add"),
    ]


async def test_a_cancelled_caller_takes_no_job_of_the_others_with_it(broker: RedisBroker, redis: Redis) -> None:
    callers = [asyncio.create_task(one(broker, new_job(f"job-{number}"))) for number in range(100)]
    await asyncio.sleep(0)  # every caller has called; nothing was sent

    for caller in callers[::2]:
        caller.cancel()
    await asyncio.wait(callers)

    assert all(caller.cancelled() for caller in callers[::2])
    assert all(caller.result().created for caller in callers[1::2])
    assert await redis.zcard(QUEUE_KEY) == 100


async def test_what_redis_refuses_of_one_caller_is_stored_of_all_others(broker: RedisBroker, redis: Redis) -> None:
    await redis.set("arq:queue:broken", "not a queue")
    jobs = [
        new_job(f"job-{number}", queue_key="arq:queue:broken" if number == 37 else QUEUE_KEY) for number in range(100)
    ]

    answers = await asyncio.gather(*(one(broker, job) for job in jobs), return_exceptions=True)

    refused = [number for number, answer in enumerate(answers) if isinstance(answer, BrokerRefusedError)]
    assert refused == [37]
    assert all(isinstance(answer, Stored) and answer.created for answer in answers[:37] + answers[38:])
    assert await redis.zcard(QUEUE_KEY) == 99
    assert not await redis.exists(JOB + "job-37")


async def test_a_shared_script_whose_reply_is_lost_stores_each_job_once(redis_url: str, redis: Redis) -> None:
    async with CuttingProxy(redis_url) as proxy:
        brokers = RedisBrokers(lambda: Settings(redis=proxy.url))
        broker = brokers.broker()
        await one(broker, new_job("warm"))
        proxy.cut_after(b"EVALSHA")

        answers = await asyncio.gather(*(one(broker, new_job()) for _ in range(100)))
        await brokers.close()

    assert proxy.cuts == 1
    assert all(answer.created for answer in answers)
    assert await redis.zcard(QUEUE_KEY) == 101


async def test_a_script_that_gets_no_reply_delays_no_later_caller(redis_url: str, redis: Redis) -> None:
    async with CuttingProxy(redis_url) as proxy:
        brokers = RedisBrokers(lambda: Settings(redis=proxy.url, enqueue_timeout_s=1))
        broker = brokers.broker()
        await one(broker, new_job("warm"))
        proxy.silent()
        slow = asyncio.create_task(one(broker, new_job("slow")))
        await until(lambda: redis.exists(JOB + "slow"))
        proxy.up()

        later = await one(broker, new_job("later"))

        assert later.created
        assert not slow.done()  # its connection stays silent for half a second more
        slow.cancel()
        await asyncio.wait({slow})
        proxy.down()
        await brokers.close()
