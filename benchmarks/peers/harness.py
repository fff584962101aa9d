"""Runs one library at a time against a private Redis and asks it the same questions as every other.

Each peer has a virtual environment of its own, made once from the package index and kept outside this repository
(`SCALR_TASKS_BENCH_CACHE`, default `~/.cache/scalr-tasks-bench`). A worker runs in a session of its own, so that its
whole tree is counted, and is ended, together.
"""

import hashlib
import json
import mmap
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from redis import Redis

from scalr_tasks.testing.server import RedisServer

ADAPTERS = Path(__file__).parent / "adapters"
CACHE = Path(os.environ.get("SCALR_TASKS_BENCH_CACHE", "~/.cache/scalr-tasks-bench")).expanduser()
SLOTS = 120_000
READY_S = 20.0
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Peer:
    """One row of the tables."""

    key: str
    label: str
    adapter: str
    requirements: tuple[str, ...] = ()
    """Empty: the environment that runs the harness."""
    environment: dict[str, str] = field(default_factory=dict)
    gap_s: float = 0.02
    """Longest pause between two jobs of an idle worker; at least its poll, so that no phase of it is favoured."""

    @property
    def python(self) -> str:
        return str(self.folder / "bin" / "python") if self.requirements else sys.executable

    @property
    def folder(self) -> Path:
        pins = " ".join((*self.requirements, sys.version.split()[0]))
        return CACHE / f"{self.adapter}-{hashlib.sha256(pins.encode()).hexdigest()[:10]}"

    @property
    def version(self) -> str:
        """The library and its client of Redis."""
        silent = ("uvloop", "hiredis", "typing-extensions", "packaging")
        return ", ".join(
            pin.replace("[redis]", "").replace("==", " ") for pin in self.requirements if not pin.startswith(silent)
        )


_FAST = ("hiredis==3.5.0", "uvloop==0.23.0")
_ARQ = ("arq==0.28.0", "redis==5.3.1", *_FAST)
_TASKIQ = ("taskiq==0.13.0", "taskiq-redis==1.2.4", "redis==8.1.0", *_FAST)

OURS = Peer("ours", "scalr_tasks", "ours")
OURS_SYNC = Peer("ours_sync", "scalr_tasks, enqueue_sync", "ours_sync")
ARQ = Peer("arq", "arq", "with_arq", _ARQ, gap_s=0.5)
HUEY = Peer("huey", "Huey, 8 threads", "with_huey", ("huey==3.5.4", "redis==8.1.0", "hiredis==3.5.0"))
STREAQ = Peer("streaq", "streaQ", "with_streaq", ("streaq==7.2.0", "coredis==6.9.0", "uvloop==0.23.0"))
SAQ = Peer("saq", "SAQ", "with_saq", ("saq[redis]==0.26.4", "typing-extensions==4.15.0", "redis==7.4.1", *_FAST))
PEERS = (
    OURS,
    ARQ,
    Peer("arq5", "arq, 5 ms poll", "with_arq", _ARQ, {"BENCH_POLL": "0.005"}),
    STREAQ,
    SAQ,
    Peer("taskiq", "taskiq, list", "with_taskiq", _TASKIQ),
    Peer("taskiq_stream", "taskiq, stream", "with_taskiq", _TASKIQ, {"BENCH_STREAM": "1"}),
    Peer("rq", "RQ, SimpleWorker", "with_rq", ("rq==3.0.0", "redis==8.1.0", "hiredis==3.5.0")),
    HUEY,
    Peer("dramatiq", "Dramatiq, 8 threads", "with_dramatiq", ("dramatiq==2.2.1", "redis==8.1.0", "hiredis==3.5.0")),
    Peer(
        "celery",
        "Celery, 8 threads",
        "with_celery",
        ("celery[redis]==5.7.0", "redis==8.1.0", "packaging==26.3", "hiredis==3.5.0"),
    ),
)


class LostError(Exception):
    """A library did not answer; its cell stays empty and the reason is told."""


class OutOfTimeError(LostError):
    """It went on for too long."""


def install(peer: Peer) -> None:
    """Make a peer's environment, unless it is there."""
    if not peer.requirements or (peer.folder / ".complete").exists():
        return
    print(f"installing {peer.version} (once)", file=sys.stderr)
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(peer.folder)], check=True)
    pip = [peer.python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *peer.requirements]
    done = subprocess.run(pip, check=False, capture_output=True, text=True)
    if done.returncode:
        raise LostError(f"pip could not install {peer.version}: {done.stderr.strip().splitlines()[-1]}")
    (peer.folder / ".complete").touch()


class Bench:
    """A private Redis, the stamps, and what is asked of each library.

    with Bench() as bench:
        bench.ask(ARQ, "one", jobs=2000)
    """

    def __enter__(self) -> Self:
        self.server = RedisServer(environ={"PATH": os.environ.get("PATH", "")}).start()
        self.redis: Any = Redis.from_url(self.server.url)
        self._folder = tempfile.TemporaryDirectory(prefix="scalr-tasks-bench-")
        self._path = Path(self._folder.name) / "stamps"
        self._path.write_bytes(bytes(8 * SLOTS))
        self._file = self._path.open("r+b")
        self._map = mmap.mmap(self._file.fileno(), 0)
        self.stamps = memoryview(self._map).cast("d")
        return self

    def __exit__(self, *_: object) -> None:
        self.redis.close()
        self.server.stop()
        self._folder.cleanup()

    # -- one library -----------------------------------------------------------------------

    def reset(self) -> None:
        """Empty Redis and the stamps."""
        self.redis.flushall()
        self._map[:] = bytes(8 * SLOTS)

    def ask(self, peer: Peer, question: str, *, results: bool = True, timeout_s: float = 120, **options: Any) -> Any:
        """Ask a library's client; the stamps start empty, Redis stays as it is.

        Raises:
            LostError: it failed; the last line of what it said is the text.
        """
        self._map[:] = bytes(8 * SLOTS)
        command = [peer.python, str(ADAPTERS / f"{peer.adapter}.py"), "ask", question, json.dumps(options)]
        try:
            done = subprocess.run(
                command,
                cwd=ADAPTERS,
                env=self._environment(peer, results=results),
                capture_output=True,
                text=True,
                timeout=timeout_s,
                check=True,
            )
        except subprocess.TimeoutExpired as error:
            raise LostError(f"{question}: no answer in {timeout_s:g} s") from error
        except subprocess.CalledProcessError as error:
            raise LostError(f"{question}: {_last_line(error.stderr)}") from error
        return json.loads(done.stdout.splitlines()[-1])

    @contextmanager
    def worker(self, peer: Peer, *, results: bool = True) -> Iterator["Work"]:
        """Run a worker of a library; its whole tree ends with the block."""
        command = [peer.python, str(ADAPTERS / f"{peer.adapter}.py"), "work"]
        with tempfile.TemporaryFile() as said:
            process = subprocess.Popen(
                command,
                cwd=ADAPTERS,
                env=self._environment(peer, results=results),
                stdout=said,
                stderr=said,
                start_new_session=True,
            )
            work = Work(process, said)
            try:
                yield work
            finally:
                work.end()

    def _environment(self, peer: Peer, *, results: bool) -> dict[str, str]:
        return {
            **os.environ,
            "BENCH_URL": self.server.url,
            "BENCH_STAMPS": str(self._path),
            "BENCH_RESULTS": "1" if results else "0",
            **peer.environment,
        }

    # -- questions to a worker ---------------------------------------------------------------

    def idle(self, peer: Peer, *, samples: int, seconds: float) -> dict[str, Any]:
        """Cold start, memory of an idle worker, pickup and round trip."""
        self.reset()
        self.ask(peer, "fill", jobs=1)
        started = time.monotonic()
        with self.worker(peer) as work:
            self.until_first(work)
            found: dict[str, Any] = {"cold_ms": (self.stamps[0] - started) * 1000}
            time.sleep(0.3)  # what the start still loads
            found["rss_mib"] = work.rss_mib()
            found["pickup"] = self.ask(peer, "pickup", jobs=samples, seconds=seconds, gap_s=peer.gap_s)
            found["roundtrip"] = self.ask(peer, "roundtrip", jobs=samples, seconds=seconds, gap_s=peer.gap_s)
        return found

    def drain(self, peer: Peer, jobs: int, *, results: bool, seconds: float) -> dict[str, float]:
        """Work off a full queue, for at most so long; the start of the worker is not counted."""
        self.reset()
        empty = self.redis.info("memory")["used_memory"]
        self.ask(peer, "fill", results=results, jobs=jobs)
        held = self.redis.info("memory")["used_memory"] - empty
        self._map[:] = bytes(8 * SLOTS)
        self.redis.config_resetstat()
        with self.worker(peer, results=results) as work:
            self.until_first(work)
            worker_cpu, redis_cpu, before = work.cpu_s(), self._redis_cpu_s(), self._done(jobs)
            commands = self._commands()
            self._until_done(work, jobs, seconds)
            time.sleep(0.02)  # the last ones are still being finished
            done = self._done(jobs)
            worker_cpu, redis_cpu = work.cpu_s() - worker_cpu, self._redis_cpu_s() - redis_cpu
            commands = self._commands() - commands
        times = sorted(at for at in self.stamps[:jobs] if at)
        counted = max(1, done - before)
        return {
            "jobs": done,
            "per_s": (len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 else 0.0,
            "worker_cpu_us": worker_cpu / counted * 1e6,
            "redis_cpu_us": redis_cpu / counted * 1e6,
            "commands": commands / counted,
            "bytes": held / jobs,
        }

    def until_first(self, work: "Work") -> None:
        """Wait until the worker has run a job.

        Raises:
            LostError: it ended, or none ran in 20 s.
        """
        self._wait(work, lambda: self._map[:].strip(b"\0") != b"", READY_S, step_s=0.002)

    def _until_done(self, work: "Work", jobs: int, seconds: float) -> None:
        with suppress(OutOfTimeError):
            self._wait(work, lambda: self._done(jobs) == jobs, seconds, step_s=0.01)

    def _wait(self, work: "Work", condition: Callable[[], bool], seconds: float, *, step_s: float) -> None:
        until = time.monotonic() + seconds
        while not condition():
            if work.process.poll() is not None:
                raise LostError(f"the worker ended: {work.last_line()}")
            if time.monotonic() > until:
                raise OutOfTimeError(f"not one job ran in {seconds:g} s: {work.last_line()}")
            time.sleep(step_s)

    def _done(self, jobs: int) -> int:
        return jobs - self.stamps[:jobs].tolist().count(0.0)

    def _redis_cpu_s(self) -> float:
        cpu = self.redis.info("cpu")
        return float(cpu["used_cpu_user"] + cpu["used_cpu_sys"])

    def _commands(self) -> int:
        stats = self.redis.info("commandstats")
        ours = {"cmdstat_info", "cmdstat_config|resetstat", "cmdstat_config"}
        return sum(row["calls"] for name, row in stats.items() if name not in ours)


class Work:
    """A worker's processes: everything in its session."""

    def __init__(self, process: subprocess.Popen[bytes], said: Any) -> None:
        self.process = process
        self._said = said

    def cpu_s(self) -> float:
        """CPU of the tree, user and system, of ended children too."""
        return sum(sum(int(row[at]) for at in (11, 12, 13, 14)) for row in self._rows()) / TICKS

    def rss_mib(self) -> float:
        """Resident memory of the tree."""
        return sum(int(row[21]) for row in self._rows()) * PAGE / 2**20

    def last_line(self) -> str:
        """What it said last."""
        self._said.seek(0)
        return _last_line(self._said.read().decode(errors="replace"))

    def end(self) -> None:
        """End the whole session."""
        for signum, wait_s in ((signal.SIGTERM, 1.0), (signal.SIGKILL, 5.0)):
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signum)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(wait_s)
                if signum == signal.SIGTERM:
                    continue  # a child may have stayed
        self.process.wait()

    def _rows(self) -> list[list[str]]:
        rows = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):
                row = stat.read_text().rpartition(")")[2].split()
                if int(row[3]) == self.process.pid:
                    rows.append(row)
        return rows


def _last_line(text: str) -> str:
    """Return the last line that names an error, else the last one; frames that a library draws around it are left out."""
    lines = [line.strip(" │|╭╮╰╯─+-") for line in (text or "").splitlines()]
    lines = [line for line in lines if line]
    named = [line for line in lines if "Error" in line]
    return (named or lines or ["it said nothing"])[-1][:200]
