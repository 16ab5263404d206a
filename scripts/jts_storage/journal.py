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
# FILE.1, the newest of them, to FILE.8, with some 25,000 moves each.
FILES_KEPT = 8
TAIL_BYTES = 1 << 20


class Journal:
    """
    A line of JSON for each move: time, action, from, to, bytes, sha256. Its size is limited. Where it cannot be
    written, moves go on without it: it is for people, and the tiers themselves show which one has a file.
    """

    def __init__(self, path: str | None) -> None:
        self.path, self.fd = path, -1

    def add(self, action: str, entry: dict[str, Any]) -> None:
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        line = json.dumps({"time": now, "action": action, **entry}).encode() + b"\n"

        def write() -> None:
            if self.fd < 0:
                self.open()
            # Opened to append, a line is written as a whole, whoever else writes, except where there is no room for it.
            if os.write(self.fd, line) != len(line):
                with contextlib.suppress(OSError):
                    os.write(self.fd, b"\n")
                raise OSError(errno.ENOSPC, "there is no room for a line")

        self.attempt(write)

    def make_room(self) -> None:
        """Renames a journal of 8 MiB to FILE.1, that to FILE.2, and so on. That flushes it, so no file should wait."""

        def roll() -> None:
            if self.size() < JOURNAL_BYTES:
                return
            # Each worker of a run has it open.
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
        """An error ends the journal, but not the move."""
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
        """Removes a last line that a kill or a loss of power has cut off. To be called before anybody writes."""

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
    The journal's entries, the oldest first, of files with that name or path, before or after the move. Wildcards are
    those of fnmatch(3); NAME also finds NAME.zst.
    """
    for file in [*(f"{path}.{number}" for number in range(FILES_KEPT, 0, -1)), path]:
        try:
            fd = os.open(file, os.O_RDONLY | os.O_NOFOLLOW)
        except FileNotFoundError:
            continue
        with open(fd, encoding="utf-8") as stream:
            for line in stream:
                try:
                    entry = json.loads(line)
                    is_wanted = any(_is_named(entry[end], name) for end in ("from", "to"))
                except (ValueError, KeyError, TypeError):
                    # A kill has cut the line off.
                    continue
                if is_wanted:
                    yield entry


def _is_named(path: str, name: str) -> bool:
    shown = path if "/" in name else os.path.basename(path)
    return any(fnmatch.fnmatchcase(one, name) for one in (shown, shown.removesuffix(".zst")))
