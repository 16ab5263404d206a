"""Small files that are read and written as a whole, the files of locks, and what is flushed to a device."""

import contextlib
import ctypes
import fcntl
import os
import stat
import tempfile
from collections.abc import Collection

from jts_storage.problem import Problem

LIBC = ctypes.CDLL(None, use_errno=True)


def first_line(path: str) -> str:
    """The first line of a regular file; empty where there is no such file. A link is not followed."""
    try:
        with open(
            os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), encoding="utf-8", errors="replace"
        ) as file:
            return file.readline().rstrip("\n") if stat.S_ISREG(os.fstat(file.fileno()).st_mode) else ""
    except OSError:
        return ""


def write_whole(path: str, content: str) -> None:
    """
    Writes a file in one step, so that no reader sees half of it; its folder must exist. Replaces a link, and does not
    follow it.

    @raises Problem where it cannot be written
    """
    folder, name = os.path.split(path)
    temporary = ""
    try:
        fd, temporary = tempfile.mkstemp(prefix=f".{name}.", dir=folder)
        with open(fd, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(content)
            os.fchmod(fd, 0o644)
            file.flush()
            os.fdatasync(fd)
        os.rename(temporary, path)
    except OSError as problem:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise Problem(f"cannot write {path}: {problem.strerror}") from None


def make_state_folder(folder: str) -> None:
    """
    Makes the folder where it is missing, readable for all, whatever the umask is.

    @raises Problem where it cannot be made
    """
    try:
        if not os.path.isdir(folder):
            os.makedirs(folder)
            os.chmod(folder, 0o755)
    except OSError as problem:
        raise Problem(f"cannot make {folder}: {problem.strerror}") from None


def open_lock(path: str) -> int:
    """
    The descriptor of a lock's file, which only root can read: whoever can read it can hold the lock.

    @raises Problem where it cannot be opened
    """
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        os.fchmod(fd, 0o600)
    except OSError as problem:
        raise Problem(f"cannot open the lock {path}: {problem.strerror}", "run this as root") from None
    return fd


def try_lock(fd: int) -> bool:
    """Takes a lock, see flock(2), unless another process holds it. It is held until the last copy of fd is closed."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def flush(fds: Collection[int]) -> bool:
    """
    Writes all of the filesystem that these open files are on to its device at once. False where that failed: then
    fsync(2) reports which files. Since Linux 5.8, syncfs(2) fails where any file of the filesystem could not be
    written.
    """
    return all(LIBC.syncfs(fd) == 0 for fd in list(fds)[:1])
