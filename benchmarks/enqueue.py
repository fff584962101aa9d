"""What an enqueue costs, ours beside plain arq's client and others, all in one interleaved run.

python benchmarks/enqueue.py [--full] [--write] [--json]

Each client runs in a process of its own, against one private Redis; ours validates, and so do we measure it. Best of the
rounds. `--write` keeps the run and writes it into `docs/performance.md`. Exit status 1 where a goal is missed.
"""

import argparse
import sys
from dataclasses import asdict
from typing import Any

from peers import report
from peers.harness import ARQ, HUEY, OURS, OURS_SYNC, PEERS, SAQ, STREAQ, Bench, LostError, Peer, install

QUESTIONS = ("one", "inflight", "bulk")
HEAD = [
    "client",
    "one at a time /s",
    "100 in flight /s",
    "bulk of 1,000 /s",
    "client CPU µs, one · in flight · bulk",
    "bytes a job",
]
ARQ_POLL_MS = 500
SHORT = (OURS, OURS_SYNC, ARQ, STREAQ, SAQ, HUEY)


def measure(bench: Bench, peer: Peer, jobs: int, best: dict[str, Any]) -> None:
    for question in QUESTIONS:
        bench.reset()
        answer = bench.ask(peer, question, jobs=jobs * (5 if question == "bulk" else 1))
        if answer is None:
            continue
        known = best.setdefault(question, answer)
        known["per_s"] = max(known["per_s"], answer["per_s"])
        known["client_cpu_us"] = min(known["client_cpu_us"], answer["client_cpu_us"])


def bytes_a_job(bench: Bench, peer: Peer, jobs: int = 2000) -> float:
    bench.reset()
    before = bench.redis.info("memory")["used_memory"]
    bench.ask(peer, "fill", jobs=jobs)
    # INFO shows what is allocated; the buffers of the client that just left are not the jobs'.
    bench.redis.ping()
    return (bench.redis.info("memory")["used_memory"] - before) / jobs


def result_back_ms(bench: Bench, samples: int) -> float | None:
    bench.reset()
    with bench.worker(OURS) as work:
        bench.ask(OURS, "fill", jobs=1)
        bench.until_first(work)
        answer = bench.ask(OURS, "roundtrip", jobs=samples, seconds=10, gap_s=0.02)
    return report.quantile(answer["back_ms"], 0.5)


def goals(best: dict[str, dict[str, Any]], held: dict[str, float], back_ms: float | None) -> list[report.Goal]:
    def rate(peer: Peer, question: str) -> float | None:
        return best.get(peer.key, {}).get(question, {}).get("per_s")

    arq = rate(ARQ, "one")
    return [
        report.at_least("one at a time", 1, rate(OURS, "one"), arq, "arq's enqueue_job"),
        report.at_least("100 in flight", 3, rate(OURS, "inflight"), rate(ARQ, "inflight"), "arq, 100 in flight"),
        report.at_least("bulk of 1,000 in one call", 10, rate(OURS, "bulk"), arq, "arq's enqueue_job"),
        report.at_least("enqueue_sync", 0.8, rate(OURS_SYNC, "one"), rate(HUEY, "one"), "Huey's enqueue"),
        report.below("Redis memory of a queued job of one int", 360, held.get(OURS.key), "bytes"),
        report.below("from the end of a job to its result, p50", ARQ_POLL_MS / 100, back_ms, "ms"),
    ]


def cells(label: str, found: dict[str, Any], held: float | None) -> list[str]:
    rates = [report.number(found.get(question, {}).get("per_s")) for question in QUESTIONS]
    cpu = " · ".join(report.number(found.get(question, {}).get("client_cpu_us")) for question in QUESTIONS)
    return [label, *rates, cpu, report.number(held)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="every client, more jobs and rounds")
    parser.add_argument("--write", action="store_true", help="write docs/performance.md")
    parser.add_argument("--json", action="store_true", help="print the run as JSON too")
    given = parser.parse_args()
    rounds, jobs = (5, 5000) if given.full else (3, 2000)
    asked = (OURS, OURS_SYNC, *PEERS[1:]) if given.full else SHORT
    best: dict[str, dict[str, Any]] = {}
    held: dict[str, float] = {}
    lost: dict[str, str] = {}
    back_ms = None
    with Bench() as bench:
        on = report.circumstances(bench.redis.info("server")["redis_version"])
        for number in range(rounds):
            for peer in asked:
                if peer.label in lost or peer.key == "arq5":
                    continue
                try:
                    install(peer)
                    measure(bench, peer, jobs, best.setdefault(peer.key, {}))
                    if number == 0:
                        held[peer.key] = bytes_a_job(bench, peer)
                except LostError as error:
                    lost[peer.label] = str(error)
        try:
            back_ms = result_back_ms(bench, 50 if given.full else 20)
        except LostError as error:
            lost["result of a finished job"] = str(error)
    rows = [cells(peer.label, best[peer.key], held.get(peer.key)) for peer in asked if best.get(peer.key)]
    found = {
        "on": on,
        "size": "full" if given.full else "quick",
        "rows": best,
        "tables": [{"head": HEAD, "rows": rows}],
        "goals": [asdict(goal) for goal in goals(best, held, back_ms)],
        "lost": lost,
    }
    if given.write:
        report.save("enqueue", found)
    return report.tell(found, as_json=given.json)


if __name__ == "__main__":
    sys.exit(main())
