"""scalr_tasks from a thread without an event loop: `enqueue_sync`."""

import side
from ours import body


class OursSync(side.Adapter):
    in_flight = False

    async def enqueue(self, index):
        return body.enqueue_sync(index=index)


def main():
    """As `side.main` does it, but without an event loop, which `enqueue_sync` refuses."""
    import json  # noqa: PLC0415
    import sys  # noqa: PLC0415

    coroutine = side._ask(OursSync(), sys.argv[2], json.loads(sys.argv[3]))  # noqa: SLF001
    try:
        coroutine.send(None)  # nothing in it ever waits
    except StopIteration as done:
        print(json.dumps(done.value), flush=True)


if __name__ == "__main__":
    main()
