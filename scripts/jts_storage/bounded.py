"""Calls with a time limit: nobody waits for what hangs in the kernel, as it does with a NAS that is away."""

import contextlib
import json
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar, TypeVarTuple

from jts_storage.problem import HERE, Problem

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class NoAnswer(Problem):
    """It took too long."""


class Budget:
    """How long all calls of a run may take together; without an end, each call only has its own limit."""

    def __init__(self) -> None:
        self.end: float | None = None

    def limit(self, seconds: float) -> float:
        """The seconds that one call may take. @raises NoAnswer where no time is left"""
        left = seconds if self.end is None else min(seconds, self.end - time.monotonic())
        if left <= 0:
            raise NoAnswer("the time for all checks is over")
        return left


BUDGET = Budget()
# Descriptors of the locks that this program holds. A child that may hang must not keep them.
LOCKS: list[int] = []


def bounded(look: Callable[[*Ts], T], *arguments: *Ts, seconds: float) -> T:
    """
    What a function returns, called in a process of its own. JSON must be able to hold it.

    @raises NoAnswer where it takes longer
    @raises Problem with the message of what it raised
    """
    child, reading = begin(look, *arguments)
    value: T = answer_of(child, reading, BUDGET.limit(seconds))
    return value


def begin(look: Callable[[*Ts], object], *arguments: *Ts) -> tuple[int, int]:
    """Calls a function in a process of its own: the process, and the descriptor to read the answer from."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        for fd in LOCKS:
            os.close(fd)
        # The parent's handlers would clean up what is the parent's.
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        try:
            result: dict[str, Any] = {"value": look(*arguments)}
        except BaseException as problem:
            result = {"problem": str(problem)}
        answer = f"{json.dumps(result)}\n".encode()
        with contextlib.suppress(OSError):
            while answer:
                answer = answer[os.write(writing, answer) :]
        os._exit(0)
    os.close(writing)
    return child, reading


def answer_of(child: int, reading: int, seconds: float) -> Any:
    """
    What the function of `begin` returned. It is read as one line, since a process that hangs may hold the pipe open.

    @raises NoAnswer where it takes longer
    @raises Problem with the message of what it raised
    """
    answer = b""
    deadline = time.monotonic() + seconds
    with os.fdopen(reading, "rb", buffering=0) as pipe:
        while not answer.endswith(b"\n"):
            if not select.select([pipe], [], [], max(0, deadline - time.monotonic()))[0]:
                os.kill(child, signal.SIGKILL)
                raise NoAnswer(f"no answer within {seconds:g} s", f"{HERE}/storage-health.sh")
            part = pipe.read(65536)
            if not part:
                break
            answer += part
    os.waitpid(child, 0)
    result = json.loads(answer or b'{"problem": "it ended without an answer"}')
    if "problem" in result:
        raise Problem(result["problem"])
    return result["value"]


def output_of(
    command: Sequence[str],
    seconds: float,
    *,
    environment: Mapping[str, str] | None = None,
    stderr: int | None = None,
    any_status: bool = False,
) -> str:
    """
    What a command prints.

    @param environment  variables besides ours
    @param stderr  the descriptor for its standard error; default: ours
    @param any_status  also where it fails; default: False
    @raises NoAnswer where it takes longer: it is killed, and not waited for where a kill does not end it
    @raises Problem where it cannot be run, or fails
    """
    limit = BUDGET.limit(seconds)
    try:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env=None if environment is None else {**os.environ, **environment},
            start_new_session=True,
        )
    except OSError as problem:
        raise Problem(f"{command[0]} cannot be run: {problem.strerror}") from None
    try:
        printed, _ = child.communicate(timeout=limit)
    except BaseException as ended:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(1)
        if isinstance(ended, subprocess.TimeoutExpired):
            raise NoAnswer(f"{command[0]} did not answer within {limit:g} s") from None
        raise
    if child.returncode != 0 and not any_status:
        raise Problem(f"{command[0]} failed with status {child.returncode}")
    return printed.decode("utf-8", "surrogateescape")
