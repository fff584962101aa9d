import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.cli import run


def test_without_a_worker_it_fails_and_says_where_it_looked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCALR_TASKS_SOCKET_DIR", str(folder / "sockets"))

    check = run("check", "--self")

    assert check.status == 1
    assert check.out.startswith(f"FAIL no worker has a socket in {folder / 'sockets'}; ")
    assert "SCALR_TASKS_SOCKET_DIR" in check.out


def test_the_probe_loads_neither_arq_nor_redis_nor_pydantic_nor_asyncio(folder: Path) -> None:
    program = (
        "import sys\nfrom scalr_tasks.cli.app import main\n"
        "try:\n    main(['check', '--self'])\n"
        "except SystemExit:\n    print(sorted({'arq', 'redis', 'pydantic', 'asyncio'} & set(sys.modules)))\n"
    )
    env = dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path), SCALR_TASKS_SOCKET_DIR=str(folder / "sockets"))

    probe = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, check=True)

    assert probe.stdout.splitlines()[-1] == "[]"
