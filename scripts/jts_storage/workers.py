"""Work that several processes share, since Python's threads do not run side by side."""

import contextlib
import ctypes
import json
import os
import selectors
import signal
import sys
import traceback
from collections.abc import Callable
from typing import Any, NoReturn

PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None, use_errno=True)

Send = Callable[[dict[str, Any]], None]


def in_processes(
    count: int, work: Callable[[int, Send], dict[str, Any]], receive: Callable[[int, Any], None]
) -> list[Any]:
    """
    Runs work(0, send) to work(count - 1, send), each in a process of its own, which ends when this one does. Where a
    signal ends one of them, it ends the others and this process too.

    @param receive  called here with the worker's number and what the worker gave to `send`
    @returns what each returned
    """
    parent = os.getpid()
    waiting = selectors.DefaultSelector()
    children: dict[int, int] = {}
    for number in range(count):
        reading, writing = os.pipe()
        sys.stdout.flush()
        child = os.fork()
        if child == 0:
            os.close(reading)
            LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            _work(lambda send, number=number: work(number, send), writing, parent)  # type: ignore[misc]
        os.close(writing)
        children[number] = child
        waiting.register(reading, selectors.EVENT_READ, number)
    returned: dict[int, Any] = {}
    unread = dict.fromkeys(children, b"")
    while waiting.get_map():
        for key, _ in waiting.select():
            read, number = os.read(key.fd, 1 << 20), key.data
            if read:
                *lines, unread[number] = (unread[number] + read).split(b"\n")
                for line in map(json.loads, lines):
                    if "returned" in line:
                        returned[number] = line["returned"]
                    else:
                        receive(number, line)
                continue
            waiting.unregister(key.fd)
            os.close(key.fd)
            _require_end(children, number)
    return [returned[number] for number in sorted(returned)]


def _require_end(children: dict[int, int], number: int) -> None:
    status = os.waitpid(children.pop(number), 0)[1]
    if status == 0:
        return
    for child in children.values():
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        ended_by = os.WTERMSIG(status)
        if ended_by != signal.SIGKILL:
            signal.signal(ended_by, signal.SIG_DFL)
        os.kill(os.getpid(), ended_by)
    raise RuntimeError(f"a worker ended with status {os.waitstatus_to_exitcode(status)}")


def _work(work: Callable[[Send], dict[str, Any]], writing: int, parent: int) -> NoReturn:
    status = 1
    try:
        # The parent may have ended before prctl(2) tied this process to it.
        if os.getppid() == parent:

            def send(message: dict[str, Any]) -> None:
                line = json.dumps(message).encode() + b"\n"
                while line:
                    line = line[os.write(writing, line) :]

            send({"returned": work(send)})
            status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)
