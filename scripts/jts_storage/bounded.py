"""Calls with a limit in time: what hangs in the kernel, as with a NAS that is away, is not waited for."""

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
    """How long all calls of a run may take together; without one, each has its own limit alone."""

    def __init__(self) -> None:
        self.end: float | None = None

    def limit(self, seconds: float) -> float:
        """@raises NoAnswer where nothing is left"""
        left = seconds if self.end is None else min(seconds, self.end - time.monotonic())
        if left <= 0:
            raise NoAnswer("the time for all looks is over")
        return left


BUDGET = Budget()
# Descriptors that no child which may hang keeps, such as that of a lock.
OURS_ALONE: list[int] = []


def bounded(look: Callable[[*Ts], T], *arguments: *Ts, seconds: float) -> T:
    """
    What a function returns, called in a process of its own. What it returns must be JSON's.

    @raises NoAnswer where it takes longer, and Problem with the words of what it raised
    """
    child, reading = begin(look, *arguments)
    value: T = answer_of(child, reading, BUDGET.limit(seconds))
    return value


def begin(look: Callable[[*Ts], object], *arguments: *Ts) -> tuple[int, int]:
    """Calls a function in a process of its own: its number, and a descriptor that tells what it returns."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        for fd in OURS_ALONE:
            os.close(fd)
        # Nothing of the parent's is to be cleaned up here.
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        try:
            told: dict[str, Any] = {"value": look(*arguments)}
        except BaseException as problem:
            told = {"problem": str(problem)}
        answer = f"{json.dumps(told)}\n".encode()
        with contextlib.suppress(OSError):
            while answer:
                answer = answer[os.write(writing, answer) :]
        os._exit(0)
    os.close(writing)
    return child, reading


def answer_of(child: int, reading: int, seconds: float) -> Any:
    """What `begin` tells. It is one line, since a process that hangs may hold the pipe open."""
    answer = b""
    deadline = time.monotonic() + seconds
    with os.fdopen(reading, "rb", buffering=0) as pipe:
        while not answer.endswith(b"\n"):
            if not select.select([pipe], [], [], max(0, deadline - time.monotonic()))[0]:
                os.kill(child, signal.SIGKILL)
                raise NoAnswer(f"no answer within {seconds:g} s. Do: {HERE}/storage-health.sh")
            part = pipe.read(65536)
            if not part:
                break
            answer += part
    os.waitpid(child, 0)
    told = json.loads(answer or b'{"problem": "it ended without a word"}')
    if "problem" in told:
        raise Problem(told["problem"])
    return told["value"]


def output_of(
    command: Sequence[str],
    seconds: float,
    environment: Mapping[str, str] | None = None,
    stderr: int | None = None,
    any_status: bool = False,
) -> str:
    """
    What a command prints. Its standard error goes where ours does, unless told otherwise.

    @raises NoAnswer where it takes longer: it is killed, and not waited for where even that doesn't reach it
    @raises Problem where it isn't there, or fails; with `any_status` it may
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
