"""Small files that are read and written whole."""

import contextlib
import os
import stat
import tempfile

from jts_storage.problem import Problem


def first_line(path: str) -> str:
    """Empty where there is no such regular file. A link is not followed."""
    try:
        with open(
            os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), encoding="utf-8", errors="replace"
        ) as file:
            return file.readline().rstrip("\n") if stat.S_ISREG(os.fstat(file.fileno()).st_mode) else ""
    except OSError:
        return ""


def write_whole(path: str, content: str) -> None:
    """
    In one step, so that no reader sees half of it; its folder is there. A link in its place is replaced, not followed.

    @raises Problem where it can't be written
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
    Whoever writes there first makes it, under whatever umask.

    @raises Problem where it can't be made
    """
    try:
        if not os.path.isdir(folder):
            os.makedirs(folder)
            os.chmod(folder, 0o755)
    except OSError as problem:
        raise Problem(f"cannot make {folder}: {problem.strerror}") from None
