"""Archives: files NAME-STAMP.ENDING with a checksum beside them, which have their names only once they are whole."""

import contextlib
import datetime
import hashlib
import os
import re
import subprocess
import time
from collections.abc import Callable, Sequence
from typing import IO

from jts_storage.bounded import OURS_ALONE
from jts_storage.problem import Problem

CHUNK_BYTES = 1 << 20
STAMP = re.compile(r"\d{8}T\d{6}Z")
CHECKSUM = ".sha256"


def stamp_of(seconds: float) -> str:
    """As archives have it in their names, which then sort as time does."""
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(seconds))


def pack(commands: Sequence[Sequence[str]], temporary: str) -> str:
    """
    Writes what a pipeline prints to a file that nobody else reads.

    @returns its SHA-256
    @raises Problem where one of them fails, or the file can't be written
    """
    children: list[subprocess.Popen[bytes]] = []
    digest = hashlib.sha256()
    try:
        for command in commands:
            child = subprocess.Popen(
                command,
                stdin=children[-1].stdout if children else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                # Where we are killed, no other run begins while they still use what is packed.
                pass_fds=OURS_ALONE,
            )
            if children:
                # The one before is to be told by SIGPIPE where this one ends.
                _stdout_of(children[-1]).close()
            children.append(child)
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with open(fd, "wb", buffering=0) as file:
            while chunk := _stdout_of(children[-1]).read(CHUNK_BYTES):
                digest.update(chunk)
                view = memoryview(chunk)
                while view:
                    view = view[file.write(view) or 0 :]
    except OSError as problem:
        for child in children:
            child.kill()
        raise Problem(f"{problem.filename or commands[0][0]}: {problem.strerror}") from None
    finally:
        for child in children:
            _stdout_of(child).close()
            child.wait()
    for command, child in zip(commands, children, strict=True):
        if child.returncode != 0:
            raise Problem(f"{command[0]} failed with status {child.returncode}")
    return digest.hexdigest()


def _stdout_of(child: subprocess.Popen[bytes]) -> IO[bytes]:
    assert child.stdout is not None
    return child.stdout


def publish(temporary: str, target: str, sha256: str, reader: Callable[[int], None]) -> None:
    """
    Gives an archive its name, and TARGET.sha256, once it is on the device, reads back from there as it was written, and
    `reader` takes it, which gets an open file. Replaces nothing.

    @raises Problem where neither name is there
    """
    checksum = f"{temporary}{CHECKSUM}"
    try:
        with open(temporary, "rb", buffering=0) as file:
            os.fsync(file.fileno())
            # Out of the page cache, which would only give back what we gave it.
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
                raise Problem(f"{target} reads back differently from what was written: check its device")
            os.lseek(file.fileno(), 0, os.SEEK_SET)
            try:
                reader(file.fileno())
            except Problem as problem:
                raise Problem(f"{target}: {problem}") from None
        with open(checksum, "w", encoding="utf-8") as file_of_sum:
            file_of_sum.write(f"{sha256}  {os.path.basename(target)}\n")
            file_of_sum.flush()
            os.fsync(file_of_sum.fileno())
        # The archive last: one that has its name is whole, and has its checksum.
        os.link(checksum, f"{target}{CHECKSUM}")
        try:
            os.link(temporary, target)
        except OSError:
            os.unlink(f"{target}{CHECKSUM}")
            raise
        remove_temporary(temporary)
        fd = os.open(os.path.dirname(target), os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
    except OSError as problem:
        raise Problem(f"{target}: {problem.strerror}") from None


def remove_temporary(temporary: str) -> None:
    """With its checksum, whatever there is of them."""
    for path in (temporary, f"{temporary}{CHECKSUM}"):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


def read_through(commands: Sequence[Sequence[str]]) -> Callable[[int], None]:
    """A reader that takes what a pipeline takes; what that prints is not kept."""

    def read(fd: int) -> None:
        children: list[subprocess.Popen[bytes]] = []
        for index, command in enumerate(commands):
            is_last = index == len(commands) - 1
            child = subprocess.Popen(
                command,
                stdin=fd if not children else children[-1].stdout,
                stdout=subprocess.DEVNULL if is_last else subprocess.PIPE,
            )
            if children:
                _stdout_of(children[-1]).close()
            children.append(child)
        if [child.wait() for child in children] != [0] * len(children):
            raise Problem(f"it cannot be read as what it should be, by {' | '.join(one[0] for one in commands)}")

    return read


# Both formats tell where they were cut.
read_tar = read_through([["zstd", "--quiet", "--decompress", "--stdout"], ["tar", "--list", "--file=-"]])


def expired(folder: str, name: str, ending: str, days: int, count: int, now: int, weekly: bool = False) -> list[str]:
    """
    Those of NAME-STAMP ENDING that may go: older than so many days, and `count` newer ones are there, so that a clock
    that jumps doesn't take them all. `weekly`: the first of each week stays. What has no checksum is not ours.
    """
    oldest = stamp_of(now - days * 86400)
    stamps = []
    for file in sorted(os.listdir(folder)):
        stamp = file.removeprefix(f"{name}-").removesuffix(ending)
        path = os.path.join(folder, file)
        if (
            file == f"{name}-{stamp}{ending}"
            and STAMP.fullmatch(stamp)
            and os.path.isfile(path)
            and not os.path.islink(path)
            and os.path.isfile(f"{path}{CHECKSUM}")
        ):
            stamps.append(stamp)
    going, last = [], None
    for index, stamp in enumerate(stamps):
        week = _week_of(stamp)
        if weekly and week != last:
            last = week
        elif index + count < len(stamps) and stamp < oldest:
            going.append(f"{name}-{stamp}{ending}")
    return going


def _week_of(stamp: str) -> int:
    return (datetime.date(int(stamp[:4]), int(stamp[4:6]), int(stamp[6:8])).toordinal() + 306) // 7
