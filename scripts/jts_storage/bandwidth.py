"""
The limit of what all our programs on this host, and all their streams, write to the NAS and read from it together.

They share one file, which holds a time: when all that was let pass so far will have passed, at the rate of the limit.
Whoever has bytes to send locks the file, adds to that time, and waits until it is their turn. Nobody waits with the
lock, and the kernel frees that of a process that is killed. Where the file is lost or damaged, the limit starts afresh.
"""

import contextlib
import fcntl
import hashlib
import os
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence

from jts_storage.files import open_lock
from jts_storage.settings import Settings

MIB = 1 << 20
PIECE_BYTES = 1 << 20
# So much of the time in which nobody sent anything may be made up for.
BURST_SECONDS = 1.0
# No queue is that long: the file is damaged.
LONGEST_SECONDS = 600.0
# How often whoever waits says that it is still there.
TICK_SECONDS = 0.2


class Pace:
    """
    Lets bytes pass at the rate of the limit.

    @param file  the file that all who have this limit share
    @param mib_per_second  the limit; None: none
    """

    def __init__(self, file: str = "", mib_per_second: int | None = None) -> None:
        self.file, self.mib_per_second = file, mib_per_second

    @property
    def is_limited(self) -> bool:
        return self.mib_per_second is not None

    def let_pass(self, size: int, tick: Callable[[], object] = lambda: None) -> None:
        """
        Waits until so many bytes may be sent or read. To be called before that.

        @param tick  called now and then meanwhile
        @raises Problem where the file cannot be opened
        """
        if self.mib_per_second is None:
            return
        while size > 0:
            piece = min(size, PIECE_BYTES)
            size -= piece
            turn = self._turn_of(piece / (self.mib_per_second * MIB))
            while (left := turn - time.monotonic()) > 0:
                tick()
                time.sleep(min(left, TICK_SECONDS))

    def _turn_of(self, seconds: float) -> float:
        """The time, by the monotonic clock, from which on those bytes may pass that take so many seconds."""
        # Opened each time, so that no process goes on with a file that was removed.
        fd = open_lock(self.file)
        try:
            # Of lockf(3): processes that were forked do not share it.
            fcntl.lockf(fd, fcntl.LOCK_EX)
            now, read = time.monotonic(), os.pread(fd, 8, 0)
            turn: float = struct.unpack("d", read)[0] if len(read) == 8 else now
            if not turn <= now + LONGEST_SECONDS:
                turn = now
            turn = max(turn, now - BURST_SECONDS)
            os.pwrite(fd, struct.pack("d", turn + seconds), 0)
        finally:
            os.close(fd)
        return turn

    def write_out(self, fd: int) -> None:
        """
        Where there is a limit, starts to write to the device what was written to the file. Else the kernel would wait,
        and then send all of it at once.
        """
        if self.is_limited:
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)

    @contextlib.contextmanager
    def reading(self, fd: int) -> Iterator[int]:
        """A descriptor from which a command reads the rest of an open file: with a limit, a pipe."""
        if not self.is_limited:
            yield fd
            return
        reading, writing = os.pipe()
        failed: list[Exception] = []

        def feed() -> None:
            try:
                for piece in self.pieces(fd):
                    view = memoryview(piece)
                    while view:
                        view = view[os.write(writing, view) :]
            except BrokenPipeError:
                # The command has read enough.
                pass
            except Exception as problem:
                failed.append(problem)
            finally:
                os.close(writing)

        feeder = threading.Thread(target=feed, daemon=True)
        feeder.start()
        try:
            yield reading
        finally:
            os.close(reading)
            feeder.join()
        if failed:
            raise failed[0]

    def pieces(self, fd: int) -> Iterator[bytes]:
        """The rest of an open file."""
        while True:
            self.let_pass(min(PIECE_BYTES, max(0, os.fstat(fd).st_size - os.lseek(fd, 0, os.SEEK_CUR))))
            piece = os.read(fd, PIECE_BYTES)
            if not piece:
                return
            yield piece

    def sha256_of(self, fd: int) -> str:
        """The SHA-256 of the rest of an open file."""
        digest = hashlib.sha256()
        for piece in self.pieces(fd):
            digest.update(piece)
        return digest.hexdigest()


UNLIMITED = Pace()
# The mount points of the cold tier, and the pace of what is on them together. A program sets them once.
_limited: tuple[Sequence[str], Pace] = (), UNLIMITED


def limit(points: Sequence[str], mib_per_second: int, lock: str) -> None:
    """
    Limits what this program writes to some filesystems, and reads from them, together.

    @param points  their mount points
    @param lock  a lock's file of ours: the file that is shared is beside it
    """
    global _limited  # noqa: PLW0603 -- as a program's other limits, in bounded.py
    _limited = points, Pace(f"{os.path.dirname(os.path.abspath(lock))}/jts-storage-bandwidth", mib_per_second)


def limit_of(settings: Settings) -> int | None:
    """MiB per second to and from all exports of the cold tier together; None: no limit."""
    transfers = settings.automation.transfers
    return None if transfers is None else transfers.bandwidth_mi_b_per_second or None


def limit_cold(settings: Settings, lock: str) -> None:
    """Limits what this program writes to the exports of the cold tier, and reads from them, as the settings say."""
    mib_per_second = limit_of(settings)
    if mib_per_second is not None:
        limit([one.mount_point for one in settings.colds().values()], mib_per_second, lock)


def pace_of(path: str) -> Pace:
    """The pace of a file or folder: on the cold tier, that of the limit."""
    points, pace = _limited
    return pace if any(f"{path}/".startswith(f"{point}/") for point in points) else UNLIMITED
