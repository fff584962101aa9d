"""Every Redis key, its type and who writes it; no other file spells one.

arq's own, so that plain arq workers and clients work beside us:

    arq:queue:<queue>          zset    job id -> due, epoch ms
    arq:job:<id>               string  the job's bytes, without a TTL
    arq:in-progress:<id>       string  a worker's claim, with a TTL
    arq:retry:<id>             string  arq's own count of starts
    arq:result:<id>            string  how the job ended, TTL = keep_result
    arq:abort                  zset    ids of running jobs to abort -> asked at, epoch ms

Ours:

    scalr:run:<id>             hash    attempts (that count), starts (without an end), started_at ms (the first),
                                       parked_at ms (the first); there only between the first start and the end
    scalr:tombstone:<id>       string  nonce of a job that ended with keep_result=0, TTL 60 s
    scalr:dead                 zset    job id -> died at, epoch ms
    scalr:dead:<id>            hash    a dead job's record (`DeadJob`)
    scalr:dead-of:<queue key>  zset    job id -> died at: the dead jobs of one queue
    scalr:parked               zset    job id -> first parked at, epoch ms
    scalr:parked:<id>          hash    a parked job's record (`ParkedJob`)
    scalr:parked-of:<queue key>:<task>  zset  job id -> parked at: what a worker of that queue that knows the task takes back
    scalr:ended:<id>           channel a message for each end of the job, for `Job.result`
    scalr:wake:<queue key>     list    one token for the idle workers of the queue, TTL 60 s
    scalr:idle:<queue key>     string  there while a worker of ours may wait for a token, TTL 60 s
    scalr:listener:<queue key>  string  the worker that listens for producers who leave no token, TTL 6 s
    scalr:step:<worker>        string  a worker's last request and its answer, for a repeat, TTL 60 s
    scalr:ticked:<queue key>:<task>  string  the newest tick of a cron task that became a job, epoch ms, TTL 30 days
    scalr:worker:<worker id>   string  a worker's heartbeat, JSON (`health.py`), TTL 12 s
    scalr:workers              zset    worker id -> last beat, epoch ms
    scalr:queues               zset    queue key -> last beat of a worker that serves it, epoch ms

The scripts in `lua/` build keys from ids with the same prefixes; a test
compares them with this file. arq keeps job keys without hash tags, so Redis
Cluster is not supported.
"""

from typing import Final

JOB: Final = "arq:job:"
IN_PROGRESS: Final = "arq:in-progress:"
RETRY: Final = "arq:retry:"
RESULT: Final = "arq:result:"
ABORT: Final = "arq:abort"
QUEUE: Final = "arq:queue:"

RUN: Final = "scalr:run:"
TOMBSTONE: Final = "scalr:tombstone:"
DEAD: Final = "scalr:dead"
DEAD_RECORD: Final = "scalr:dead:"
DEAD_OF: Final = "scalr:dead-of:"
PARKED: Final = "scalr:parked"
PARKED_RECORD: Final = "scalr:parked:"
PARKED_OF: Final = "scalr:parked-of:"
ENDED: Final = "scalr:ended:"
WAKE: Final = "scalr:wake:"
IDLE: Final = "scalr:idle:"
STEP: Final = "scalr:step:"
TICKED: Final = "scalr:ticked:"
LISTENER: Final = "scalr:listener:"
WORKER: Final = "scalr:worker:"
WORKERS: Final = "scalr:workers"
QUEUES: Final = "scalr:queues"

TOMBSTONE_MS: Final = 60_000
"""How long the end of a job with `keep_result=0` is remembered for a repeated enqueue."""


def queue_key(queue: str) -> str:
    """Return the key of a queue that is not mapped to a foreign one."""
    return QUEUE + queue


def queue_of(key: str) -> str:
    """Return the name of the queue that a key holds; a foreign key is its own name.

    >>> queue_of("arq:queue:bulk"), queue_of("arq:queue")
    ('bulk', 'arq:queue')
    """
    return key.removeprefix(QUEUE) or key
