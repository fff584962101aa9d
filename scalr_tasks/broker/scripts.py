"""The Lua scripts: loaded from the package, named by their sha, run by EVALSHA.

A server that lost its scripts is given the one that it lacks.

Reads next: `lua/enqueue.lua`, whose header is a contract as all of them have.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

from redis import Redis as BlockingRedis
from redis.asyncio import Redis
from redis.exceptions import NoScriptError

from scalr_tasks.broker.exchange import exchange, exchange_blocking

Value = str | bytes | int
"""What a script takes as a key or an argument."""

_USES: Final = re.compile(r"^-- uses: ([a-z, ]+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Script:
    """One Lua script with the parts that its header says it uses."""

    name: str
    text: str
    sha: str


@cache
def script(name: str) -> Script:
    """Return a script by the name of its file.

    >>> script("enqueue").name
    'enqueue'
    """
    folder = files("scalr_tasks.broker") / "lua"
    own = (folder / f"{name}.lua").read_text(encoding="utf-8")
    uses = _USES.search(own)
    parts = [part.strip() for part in uses[1].split(",")] if uses else []
    text = "".join((folder / "parts" / f"{part}.lua").read_text(encoding="utf-8") for part in parts) + own
    return Script(name, text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


async def run(client: Redis, name: str, keys: Sequence[str] = (), args: Sequence[Value] = ()) -> Any:
    """Run a script; a server that does not have it is given it once.

    Raises what redis-py raises.
    """
    found = script(name)
    try:
        return await exchange(client, "EVALSHA", found.sha, len(keys), *keys, *args)
    except NoScriptError:
        await client.script_load(found.text)
        return await exchange(client, "EVALSHA", found.sha, len(keys), *keys, *args)


def run_blocking(client: BlockingRedis, name: str, keys: Sequence[str] = (), args: Sequence[Value] = ()) -> Any:
    """Run a script from a thread without an event loop; as `run` otherwise."""
    found = script(name)
    try:
        return exchange_blocking(client, "EVALSHA", found.sha, len(keys), *keys, *args)
    except NoScriptError:
        client.script_load(found.text)
        return exchange_blocking(client, "EVALSHA", found.sha, len(keys), *keys, *args)
