"""The journal of moves."""

import contextlib
import errno
import fcntl
import fnmatch
import json
import os
import time
from collections.abc import Callable, Iterator
from typing import Any

from jts_storage.log import log

JOURNAL_BYTES = 8 << 20
# Of some 25,000 moves each: FILE.1 is the newest of them.
FILES_KEPT = 8
TAIL_BYTES = 1 << 20


class Journal:
    """
    A line of JSON for each move: time, action, from, to, bytes, sha256. Bounded, and no move waits for it or fails with
    it: it is for people, and which tier has a file is what the tiers say.
    """

    def __init__(self, path: str | None) -> None:
        self.path, self.fd = path, -1

    def add(self, action: str, told: dict[str, Any]) -> None:
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        line = json.dumps({"time": now, "action": action, **told}).encode() + b"\n"

        def write() -> None:
            if self.fd < 0:
                self.open()
            # Whole, since it is opened to append, whoever else writes; but for where there is no room.
            if os.write(self.fd, line) != len(line):
                with contextlib.suppress(OSError):
                    os.write(self.fd, b"\n")
                raise OSError(errno.ENOSPC, "there is no room for a line")

        self.attempt(write)

    def make_room(self) -> None:
        """At 8 MiB it becomes FILE.1, and that FILE.2, which takes a flush: called where no file waits for it."""

        def roll() -> None:
            if self.size() < JOURNAL_BYTES:
                return
            # The workers of a run have it open, each for itself.
            fcntl.lockf(self.fd, fcntl.LOCK_EX)
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(self.fd), os.stat(f"{self.path}", follow_symlinks=False)):
                    for number in range(FILES_KEPT - 1, 0, -1):
                        with contextlib.suppress(FileNotFoundError):
                            os.rename(f"{self.path}.{number}", f"{self.path}.{number + 1}")
                    os.rename(f"{self.path}", f"{self.path}.1")
            self.close()

        self.attempt(roll)

    def attempt(self, work: Callable[[], None]) -> None:
        """What goes wrong ends the journal, and no move."""
        if self.path is None:
            return
        try:
            work()
        except OSError as problem:
            log("warning", f"moves go on without the journal {self.path}: {problem.strerror}")
            self.path = None

    def size(self) -> int:
        if self.fd < 0:
            self.open()
        return os.fstat(self.fd).st_size

    def open(self) -> None:
        assert self.path is not None
        os.makedirs(os.path.dirname(self.path), mode=0o755, exist_ok=True)
        self.fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)

    def mend(self) -> None:
        """Takes off the line that a kill or a loss of power tore. Before anybody writes."""

        def cut() -> None:
            if os.path.lexists(f"{self.path}"):
                size = self.size()
                tail = os.pread(self.fd, TAIL_BYTES, max(0, size - TAIL_BYTES))
                torn = len(tail) - (tail.rfind(b"\n") + 1)
                if torn:
                    os.ftruncate(self.fd, size - torn)

        self.attempt(cut)

    def close(self) -> None:
        if self.fd >= 0:
            with contextlib.suppress(OSError):
                os.fdatasync(self.fd)
            os.close(self.fd)
            self.fd = -1


def moves_of(path: str, name: str) -> Iterator[dict[str, Any]]:
    """
    What the journal tells, from the oldest on, of files with that name or path, at either end; wildcards are those of
    fnmatch(3). Compressed, NAME.zst is NAME.
    """
    for file in [*(f"{path}.{number}" for number in range(FILES_KEPT, 0, -1)), path]:
        try:
            fd = os.open(file, os.O_RDONLY | os.O_NOFOLLOW)
        except FileNotFoundError:
            continue
        with open(fd, encoding="utf-8") as stream:
            for line in stream:
                try:
                    told = json.loads(line)
                    is_asked_for = any(_is_named(told[end], name) for end in ("from", "to"))
                except (ValueError, KeyError, TypeError):
                    # A kill tore it.
                    continue
                if is_asked_for:
                    yield told


def _is_named(path: str, name: str) -> bool:
    shown = path if "/" in name else os.path.basename(path)
    return any(fnmatch.fnmatchcase(one, name) for one in (shown, shown.removesuffix(".zst")))
