"""What a worker does with jobs, ours beside ten peers, every one asked the same in one interleaved run.

python benchmarks/engine.py [--full] [--only arq --only huey] [--write] [--json]

The body of a job is a timestamp. Drain: a full queue is worked off, the start of the worker not counted. Pickup: from the
call of enqueue to the start of the body, of an idle worker. Rates are the best of the rounds, CPU the least, times those
of all rounds together. `--write` keeps the run and writes it into `docs/performance.md`. Exit status 1 where a goal is
missed.
"""

import argparse
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

from peers import report
from peers.harness import PEERS, Bench, LostError, Peer, install

CALIBRATION_JOBS = 300


@dataclass(frozen=True)
class Size:
    name: str
    rounds: int
    jobs: int
    """Most jobs of one drain."""
    drain_s: float
    """How long one drain should take; a slow library gets fewer jobs."""
    samples: int
    sample_s: float


QUICK = Size("quick", rounds=1, jobs=20_000, drain_s=1.0, samples=40, sample_s=1.0)
FULL = Size("full", rounds=3, jobs=20_000, drain_s=20.0, samples=200, sample_s=15.0)

DRAIN_HEAD = [
    "worker",
    "drain /s",
    "without results /s",
    "worker CPU µs a job",
    "Redis CPU µs a job",
    "Redis commands a job",
]
IDLE_HEAD = ["worker", "pickup p50 ms", "p99", "round trip p50 ms", "p99", "idle MiB", "cold start ms"]


class Found:
    """Everything that was measured of one library."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.kept: list[dict[str, float]] = []
        self.dropped: list[dict[str, float]] = []
        self.idle: list[dict[str, Any]] = []

    def row(self) -> dict[str, Any]:
        """Return its figures."""
        pickup = [ms for one in self.idle for ms in one["pickup"]["ms"]]
        trip = [ms for one in self.idle for ms in one["roundtrip"]["ms"]]
        return {
            "key": self.peer.key,
            "label": self.peer.label,
            "version": self.peer.version,
            "drain": _of(max, self.kept, "per_s"),
            "drain_off": _of(max, self.dropped, "per_s"),
            "drained_jobs": _of(max, self.kept, "jobs"),
            "worker_cpu_us": _of(min, self.kept, "worker_cpu_us"),
            "redis_cpu_us": _of(min, self.kept, "redis_cpu_us"),
            "commands": _of(min, self.kept, "commands"),
            "pickup_p50_ms": report.quantile(pickup, 0.5),
            "pickup_p99_ms": report.quantile(pickup, 0.99),
            "trip_p50_ms": report.quantile(trip, 0.5),
            "trip_p99_ms": report.quantile(trip, 0.99),
            "samples": len(pickup),
            "lost": sum(one[question]["lost"] for one in self.idle for question in ("pickup", "roundtrip")),
            "rss_mib": _of(min, self.idle, "rss_mib"),
            "cold_ms": _of(min, self.idle, "cold_ms"),
        }


def _of(choose: Callable[[Iterable[float]], float], rows: list[dict[str, Any]], name: str) -> float | None:
    return choose(row[name] for row in rows) if rows else None


def run(bench: Bench, peers: list[Peer], size: Size) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Ask every library, in turns."""
    found = {peer.key: Found(peer) for peer in peers}
    jobs: dict[str, int] = {}
    lost: dict[str, str] = {}
    for number in range(size.rounds + 1):
        for peer in peers:
            if peer.label in lost:
                continue
            try:
                if number == 0:
                    install(peer)
                    rate = bench.drain(peer, CALIBRATION_JOBS, results=True, seconds=1)["per_s"]
                    jobs[peer.key] = max(CALIBRATION_JOBS, min(size.jobs, int(rate * size.drain_s)))
                    continue
                _round(bench, found[peer.key], jobs, size, first=number == 1)
            except LostError as error:
                lost[peer.label] = str(error)
    return [one.row() for one in found.values() if one.kept or one.idle], lost


def _round(bench: Bench, found: Found, jobs: dict[str, int], size: Size, *, first: bool) -> None:
    peer = found.peer
    if first or size is FULL:
        found.idle.append(bench.idle(peer, samples=size.samples, seconds=size.sample_s))
    for results, kept in ((True, found.kept), (False, found.dropped)):
        drained = bench.drain(peer, jobs[peer.key], results=results, seconds=size.drain_s * 2)
        kept.append(drained)
        if drained["jobs"] == jobs[peer.key]:  # a short calibration says little of a fast one
            jobs[peer.key] = max(jobs[peer.key], min(size.jobs, int(drained["per_s"] * size.drain_s)))


def goals(rows: list[dict[str, Any]]) -> list[report.Goal]:
    """Return the goals; they need ours and at least one peer."""
    by_key = {row["key"]: row for row in rows}
    peers = [row for row in rows if row["key"] != "ours"]

    def ours(name: str) -> float | None:
        value: float | None = by_key.get("ours", {}).get(name)
        return value

    def of(key: str, name: str) -> float | None:
        value: float | None = by_key.get(key, {}).get(name)
        return value

    def best(choose: Callable[[Iterable[float]], float], name: str) -> float | None:
        values = [row[name] for row in peers if row[name]]
        return choose(values) if values else None

    return [
        report.at_least("drain, results kept", 8, ours("drain"), best(max, "drain"), "the best peer"),
        report.at_least("drain, results kept", 60, ours("drain"), of("arq", "drain"), "arq"),
        report.at_least("drain, results kept", 12, ours("drain"), of("arq5", "drain"), "arq, 5 ms poll"),
        report.at_least("drain, no results", 10, ours("drain_off"), best(max, "drain_off"), "the best peer"),
        report.at_most("worker CPU a job", 1 / 12, ours("worker_cpu_us"), best(min, "worker_cpu_us"), "the best peer"),
        report.at_most("Redis CPU a job", 1 / 3, ours("redis_cpu_us"), best(min, "redis_cpu_us"), "the best peer"),
        report.at_most("pickup p50", 1, ours("pickup_p50_ms"), best(min, "pickup_p50_ms"), "the best peer"),
        report.at_most("pickup p99", 1, ours("pickup_p99_ms"), best(min, "pickup_p99_ms"), "the best peer"),
        report.at_most("pickup p99", 1.5, ours("pickup_p99_ms"), ours("pickup_p50_ms"), "its own p50"),
        report.at_most("round trip p50", 0.5, ours("trip_p50_ms"), best(min, "trip_p50_ms"), "the best peer"),
        report.at_most("idle memory", 1.25, ours("rss_mib"), of("arq", "rss_mib"), "arq"),
        report.at_most("cold start", 1.25, ours("cold_ms"), of("arq", "cold_ms"), "arq"),
    ]


def tables(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what is printed."""

    def cells(row: dict[str, Any], *names: str) -> list[str]:
        return [row["label"], *(report.number(row[name]) for name in names)]

    drain = ("drain", "drain_off", "worker_cpu_us", "redis_cpu_us", "commands")
    idle = ("pickup_p50_ms", "pickup_p99_ms", "trip_p50_ms", "trip_p99_ms", "rss_mib", "cold_ms")
    versions = [[row["label"], row["version"]] for row in rows if row["version"]]
    return [
        {"head": DRAIN_HEAD, "rows": [cells(row, *drain) for row in rows]},
        {"head": IDLE_HEAD, "rows": [cells(row, *idle) for row in rows]},
        {"head": ["worker", "versions"], "rows": versions},
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="20,000 jobs a drain, three rounds; takes half an hour")
    parser.add_argument("--only", action="append", choices=[peer.key for peer in PEERS], help="ask these only")
    parser.add_argument("--write", action="store_true", help="write docs/performance.md and its plot")
    parser.add_argument("--json", action="store_true", help="print the run as JSON too")
    given = parser.parse_args()
    size = FULL if given.full else QUICK
    with Bench() as bench:
        on = report.circumstances(bench.redis.info("server")["redis_version"])
        rows, lost = run(bench, [peer for peer in PEERS if not given.only or peer.key in given.only], size)
    found = {
        "on": on,
        "size": size.name,
        "rows": rows,
        "tables": tables(rows),
        "goals": [asdict(goal) for goal in goals(rows)],
        "lost": lost,
    }
    if given.write:
        report.save("engine", found)
    return report.tell(found, as_json=given.json)


if __name__ == "__main__":
    sys.exit(main())
