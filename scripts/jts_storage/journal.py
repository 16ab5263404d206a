"""The journal of moves."""

import contextlib
import errno
import json
import os
import threading
import time
from typing import Any

from jts_storage.log import log

JOURNAL_BYTES = 8 << 20
TAIL_BYTES = 1 << 20


class Journal:
    """
    A line of JSON for each move: time, action, from, to, bytes, sha256. Bounded, and no move waits for it or fails with
    it: it is for people, and which tier has a file is what the tiers say.
    """

    def __init__(self, path: str | None) -> None:
        self.path, self.fd = path, -1
        self.lock = threading.Lock()

    def add(self, action: str, told: dict[str, Any]) -> None:
        with self.lock:
            self.write(action, told)

    def write(self, action: str, told: dict[str, Any]) -> None:
        if self.path is None:
            return
        line = (
            json.dumps({"time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "action": action, **told}).encode()
            + b"\n"
        )
        try:
            if self.fd < 0:
                os.makedirs(os.path.dirname(self.path), mode=0o755, exist_ok=True)
                self.open()
                self.mend()
            size = os.fstat(self.fd).st_size
            if size > 0 and size + len(line) > JOURNAL_BYTES:
                self.close()
                os.rename(self.path, self.path + ".1")
                self.open()
                size = 0
            if os.write(self.fd, line) != len(line):
                os.ftruncate(self.fd, size)
                raise OSError(errno.ENOSPC, "there is no room for a line")
        except OSError as problem:
            log("warning", f"moves go on without the journal {self.path}: {problem.strerror}")
            self.path = None

    def open(self) -> None:
        assert self.path is not None
        self.fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)

    def mend(self) -> None:
        """Takes off the line that a kill or a loss of power tore."""
        size = os.fstat(self.fd).st_size
        tail = os.pread(self.fd, TAIL_BYTES, max(0, size - TAIL_BYTES))
        torn = len(tail) - (tail.rfind(b"\n") + 1)
        if torn:
            os.ftruncate(self.fd, size - torn)

    def close(self) -> None:
        if self.fd >= 0:
            with contextlib.suppress(OSError):
                os.fdatasync(self.fd)
            os.close(self.fd)
            self.fd = -1
