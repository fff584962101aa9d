"""The part of `check` that asks the workers of this container; it loads the standard library only."""

from scalr_tasks.cli.findings import Line
from scalr_tasks.registry.pulse import ANSWER_S, FOLDER_VARIABLE, HAS_SOCKETS, ask, socket_folder


def self_lines() -> list[Line]:
    """Return one line for each worker process whose socket is here; one error where there is none."""
    if not HAS_SOCKETS:
        return [Line("self", "error", "this system has no unix sockets; use `scalr-tasks check MODULE` instead")]
    folder = socket_folder()
    pulses = ask(folder)
    if not pulses:
        text = (
            f"no worker has a socket in {folder}; start one as this user and in this folder, "
            f"or name the same place for both in {FOLDER_VARIABLE}"
        )
        return [Line("self", "error", text)]
    return [
        Line("self", "ok", f"worker pid {pulse.pid} answers")
        if pulse.answers
        else Line(
            "self", "error", f"worker pid {pulse.pid} did not answer for {ANSWER_S:g} s: its event loop is blocked"
        )
        for pulse in pulses
    ]
