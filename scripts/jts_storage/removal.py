"""
Takes files away: only what nobody uses, and only the file that was looked at. Between a look at a name and the call
that acts on it, another program may have put another file there, as logrotate does. So the name is first taken to a
private one, which no other program uses, and looked at again. A kill in between leaves enough to put it back.
"""

import contextlib
import ctypes
import errno
import fcntl
import hashlib
import itertools
import os
import time
from collections.abc import Callable, Iterator

from jts_storage.log import log
from jts_storage.problem import Problem, Skip

# No link is followed below the roots: the services own these folders, and could lead root anywhere.
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK

LEAVING = ".jts-leaving-"
# The whole name, where the private one has no room for it.
NAME_ATTRIBUTE = "trusted.jts-storage.name"
NAME_BYTES = 255
# When it was recalled, in seconds since 1970: it is as old as that.
RECALLED_ATTRIBUTE = "trusted.jts-storage.recalled"
# Where the copy is, or is about to be, of a file whose name was taken: in company, the next run may find it elsewhere.
TARGET_ATTRIBUTE = "trusted.jts-storage.target"
OUR_ATTRIBUTES = (NAME_ATTRIBUTE, RECALLED_ATTRIBUTE, TARGET_ATTRIBUTE)
RENAME_NOREPLACE = 1
LIBC = ctypes.CDLL(None, use_errno=True)


_STARTED = int.from_bytes(os.urandom(2))
_counted = itertools.count()


def new_temporary_name() -> str:
    """Of this process alone, also after a fork."""
    return f".jts-moving-{os.getpid():06x}{_STARTED:04x}{next(_counted):06x}"


def rename_without_replacing(folder: int, old: str, new: str, is_private: bool = False) -> None:
    """
    @param is_private  nobody else uses the new name
    @raises FileExistsError where the new name is taken
    """
    if LIBC.renameat2(folder, os.fsencode(old), folder, os.fsencode(new), RENAME_NOREPLACE) == 0:
        return
    number = ctypes.get_errno()
    # NFS has no such renaming.
    if number not in (errno.EINVAL, errno.ENOSYS):
        raise OSError(number, os.strerror(number), old)
    if is_private:
        # Not by links: it would rename the old name of a file that is open to .nfsXXXX, in place of removing it.
        with contextlib.suppress(FileNotFoundError):
            os.stat(new, dir_fd=folder, follow_symlinks=False)
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), new)
        os.rename(old, new, src_dir_fd=folder, dst_dir_fd=folder)
        return
    # Links replace nothing; a kill between the two leaves both names of one file.
    os.link(old, new, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
    os.unlink(old, dir_fd=folder)


def private_name_of(name: str) -> str:
    private = LEAVING + name
    if len(os.fsencode(private)) > NAME_BYTES:
        return LEAVING + hashlib.sha256(os.fsencode(name)).hexdigest()
    return private


def take_name(fd: int, folder: int, name: str) -> str:
    """
    Takes the name of an open file to a private one, which it returns. Whether it was still this file's must be looked
    at then.
    @raises FileNotFoundError where nothing has the name any more
    """
    private = private_name_of(name)
    if private != LEAVING + name:
        try:
            os.setxattr(fd, NAME_ATTRIBUTE, os.fsencode(name))
        except OSError as problem:
            raise Problem(
                f"its name is too long to be taken away safely, and no attribute can keep it: {problem.strerror}. "
                "Do: give it a shorter one"
            ) from None
    try:
        rename_without_replacing(folder, name, private, is_private=True)
    except FileExistsError:
        raise Problem(f"{private} is in its way. Do: look what it is, and rename it") from None
    return private


def put_back(folder: int, private: str, name: str | None = None) -> str:
    """
    Gives a file its name back, and returns that; where another file has it by now, one beside it that says when.
    @param name  the name, where it is known
    """
    if name is None:
        name = name_of(folder, private)
    wanted = name
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    for number in range(1000):
        try:
            rename_without_replacing(folder, private, wanted)
            if wanted != name:
                log("warning", f"{name!r} was put back as {wanted!r}: another file has its name by now")
            return wanted
        except FileExistsError:
            ending = f"~{stamp}" + (f"-{number}" if number else "")
            wanted = os.fsdecode(os.fsencode(name)[: NAME_BYTES - len(ending)]) + ending
    raise Problem(f"{private} cannot be put back as {name}. Do: look what has that name, and rename it")


def name_of(folder: int, private: str) -> str:
    """The name that a private one stands for."""
    # By its path, since a file that isn't readable, or a link, needn't be opened.
    path = f"/proc/self/fd/{folder}/{private}"
    with contextlib.suppress(OSError):
        kept = os.getxattr(path, NAME_ATTRIBUTE, follow_symlinks=False)
        # It may be an older one's.
        if private == LEAVING + hashlib.sha256(kept).hexdigest():
            return os.fsdecode(kept)
    return private.removeprefix(LEAVING)


def target_of(file: int | str) -> str | None:
    """Where the copy is of a file, open or by its path, that a killed run was about to take away."""
    try:
        return os.fsdecode(os.getxattr(file, TARGET_ATTRIBUTE))
    except OSError:
        return None


def take_away(
    fd: int,
    folder: int,
    name: str,
    seen: os.stat_result,
    before: Callable[[], object] = lambda: None,
    undo: Callable[[], object] = lambda: None,
    is_held: bool = True,
) -> None:
    """
    Takes away a file that is open, and whose lease is held (`alone`). Another file may have come under its name since
    it was looked at, and somebody may wait to open this one: then all stays.
    @param before  called when nothing stands in the way any more
    @param undo  called where it stays after all
    @raises Skip where it stays
    """
    try:
        private = take_name(fd, folder, name)
    except FileNotFoundError:
        raise Skip("changed meanwhile") from None
    is_about_to_go = False
    try:
        require_taken(fd, folder, private, seen, is_held)
        before()
        is_about_to_go = True
        os.unlink(private, dir_fd=folder)
    except (Skip, OSError):
        put_back(folder, private, name)
        if is_about_to_go:
            undo()
        raise


def withdraw(fd: int, folder: int, name: str) -> None:
    """Takes a name away where it is still the open file's, which is ours."""
    private = take_name(fd, folder, name)
    if os.path.samestat(os.fstat(fd), os.stat(private, dir_fd=folder, follow_symlinks=False)):
        os.unlink(private, dir_fd=folder)
    else:
        put_back(folder, private, name)


@contextlib.contextmanager
def alone(fd: int) -> Iterator[None]:
    """
    Holds a write lease, which the kernel grants only while nobody else has the file open or mapped, in any namespace.
    Unlike a look through /proc/*/fd it leaves no gap until we let go, and never touches a path that could hang.
    """
    hold(fd)
    try:
        yield
    finally:
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)


def hold(fd: int) -> None:
    """Takes that lease, which goes with the last descriptor."""
    try:
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_WRLCK)
    except OSError as problem:
        if problem.errno == errno.EAGAIN:
            raise Skip("open") from None
        raise Problem(f"cannot prove that nobody has it open: {problem.strerror}") from None


def require_taken(fd: int, folder: int, private: str, seen: os.stat_result, is_held: bool = True) -> None:
    """@raises Skip unless the private name is the file's, as it was seen, and nobody waits to open it"""
    require_unchanged(seen, os.stat(private, dir_fd=folder, follow_symlinks=False), renamed=True)
    if is_held:
        require_held(fd)


def require_held(fd: int) -> None:
    """@raises Skip where somebody waits to open the file"""
    if fcntl.fcntl(fd, fcntl.F_GETLEASE) != fcntl.F_WRLCK:
        raise Skip("open")


def open_seen(name: str, flags: int, folder: int) -> int:
    """Opens what was looked at just now; others may have taken it away."""
    try:
        return os.open(name, flags, dir_fd=folder)
    except FileNotFoundError:
        raise Skip("vanished") from None


def require_unchanged(before: os.stat_result, now: os.stat_result, renamed: bool = False) -> None:
    def identity(of: os.stat_result) -> tuple[int, ...]:
        # To rename is a change, see inode(7).
        changed = 0 if renamed else of.st_ctime_ns
        return of.st_dev, of.st_ino, of.st_size, of.st_mtime_ns, changed, of.st_nlink

    if identity(before) != identity(now):
        raise Skip("changed meanwhile")
