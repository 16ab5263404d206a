"""
Removes a file only if nobody uses it, and only the file that was checked. Between the check of a name and the call that
acts on it, another program may have put another file there, as logrotate does. So the file is first renamed to a
private name, which no other program uses, and checked again. After a kill in between, the next run can rename it back.
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

# No link is followed: the services own these folders, and a link of theirs could lead root anywhere.
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK

LEAVING = ".jts-leaving-"
# The file's own name, where it is too long to be a part of the private one.
NAME_ATTRIBUTE = "trusted.jts-storage.name"
NAME_BYTES = 255
# When the file was recalled, in seconds since 1970: its age counts from then on.
RECALLED_ATTRIBUTE = "trusted.jts-storage.recalled"
# On a file with a private name: the path at which its copy is, or soon will be. Another program may rename the folder
# of the file, so that the next run could not tell this path.
TARGET_ATTRIBUTE = "trusted.jts-storage.target"
OUR_ATTRIBUTES = (NAME_ATTRIBUTE, RECALLED_ATTRIBUTE, TARGET_ATTRIBUTE)
RENAME_NOREPLACE = 1
LIBC = ctypes.CDLL(None, use_errno=True)


_STARTED = int.from_bytes(os.urandom(2))
_counted = itertools.count()


def new_temporary_name() -> str:
    """A name that no other process makes, also after a fork."""
    return f".jts-moving-{os.getpid():06x}{_STARTED:04x}{next(_counted):06x}"


def rename_without_replacing(folder: int, old: str, new: str, is_private: bool = False) -> None:
    """
    Renames a file in its folder.

    @param is_private  nobody else uses the new name; default: False
    @raises FileExistsError where the new name is taken
    """
    if LIBC.renameat2(folder, os.fsencode(old), folder, os.fsencode(new), RENAME_NOREPLACE) == 0:
        return
    number = ctypes.get_errno()
    # NFS does not have this call.
    if number not in (errno.EINVAL, errno.ENOSYS):
        raise OSError(number, os.strerror(number), old)
    if is_private:
        # Not by links: NFS would rename the old name of an open file to .nfsXXXX instead of removing it.
        with contextlib.suppress(FileNotFoundError):
            os.stat(new, dir_fd=folder, follow_symlinks=False)
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), new)
        os.rename(old, new, src_dir_fd=folder, dst_dir_fd=folder)
        return
    # link(2) replaces nothing; a kill between the two calls leaves the file with both names.
    os.link(old, new, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
    os.unlink(old, dir_fd=folder)


def private_name_of(name: str) -> str:
    """The name that a file has while it is being removed; a hash stands for a name that is too long."""
    private = LEAVING + name
    if len(os.fsencode(private)) > NAME_BYTES:
        return LEAVING + hashlib.sha256(os.fsencode(name)).hexdigest()
    return private


def take_name(fd: int, folder: int, name: str) -> str:
    """
    Renames what has this name to a private name, which it returns. The caller must then check that it is the open file.

    @raises FileNotFoundError where nothing has the name any more
    @raises Problem where it cannot be renamed safely
    """
    private = private_name_of(name)
    if private != LEAVING + name:
        try:
            os.setxattr(fd, NAME_ATTRIBUTE, os.fsencode(name))
        except OSError as problem:
            raise Problem(
                f"its name is too long to be removed safely, and no attribute can keep it: {problem.strerror}",
                "give it a shorter one",
            ) from None
    try:
        rename_without_replacing(folder, name, private, is_private=True)
    except FileExistsError:
        raise Problem(f"{private} is in its way", "look what it is, and rename it") from None
    return private


def put_back(folder: int, private: str, name: str | None = None) -> str:
    """
    Gives a file its name back. Where another file has that name by now, it gets the name NAME~TIME.

    @param name  its own name; default: what the private name, or its attribute, says
    @returns the name that it has then
    @raises Problem where it cannot be renamed
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
            wanted = shortened(name, ending) + ending
    raise Problem(f"{private} cannot be put back as {name}", "look what has that name, and rename it")


def shortened(name: str, ending: str) -> str:
    """The name, or as much of it as leaves room for that ending."""
    return os.fsdecode(os.fsencode(name)[: NAME_BYTES - len(ending)])


def name_of(folder: int, private: str) -> str:
    """The name that a private one stands for."""
    # By its path, so that it works for links, and for files that cannot be opened.
    path = f"/proc/self/fd/{folder}/{private}"
    with contextlib.suppress(OSError):
        kept = os.getxattr(path, NAME_ATTRIBUTE, follow_symlinks=False)
        # The attribute may be left from an earlier name.
        if private == LEAVING + hashlib.sha256(kept).hexdigest():
            return os.fsdecode(kept)
    return private.removeprefix(LEAVING)


def target_of(file: int | str) -> str | None:
    """
    The path at which a killed run put, or was about to put, the copy of a file.

    @param file  its descriptor or path
    """
    try:
        return os.fsdecode(os.getxattr(file, TARGET_ATTRIBUTE))
    except OSError:
        return None


def take_away(
    fd: int,
    folder: int,
    name: str,
    seen: os.stat_result,
    *,
    before: Callable[[], object] = lambda: None,
    undo: Callable[[], object] = lambda: None,
    is_held: bool = True,
) -> None:
    """
    Removes an open file whose lease is held (see `leased`). It stays where another file has its name since it was
    checked, or somebody waits to open it.

    @param seen  what stat(2) said of the file when it was checked
    @param before  called when nothing stands in the way any more
    @param undo  called after `before` where the file stays after all
    @param is_held  whether the lease is held; False where its filesystem has no leases. Default: True
    @raises Skip where it stays
    """
    try:
        private = take_name(fd, folder, name)
    except FileNotFoundError:
        raise Skip("changed meanwhile") from None
    was_before_called = False
    try:
        require_taken(fd, folder, private, seen, is_held=is_held)
        before()
        was_before_called = True
        os.unlink(private, dir_fd=folder)
    except (Skip, OSError):
        put_back(folder, private, name)
        if was_before_called:
            undo()
        raise


def withdraw(fd: int, folder: int, name: str) -> None:
    """Removes a name of an open file that we made, unless another file has that name by now."""
    private = take_name(fd, folder, name)
    if os.path.samestat(os.fstat(fd), os.stat(private, dir_fd=folder, follow_symlinks=False)):
        os.unlink(private, dir_fd=folder)
    else:
        put_back(folder, private, name)


@contextlib.contextmanager
def leased(fd: int) -> Iterator[None]:
    """
    Holds a write lease, see fcntl(2). The kernel grants it only while nobody else has the file open or mapped, in any
    namespace. Unlike a look through /proc/*/fd, it leaves no gap until we release it, and touches no path that could
    hang.
    """
    take_lease(fd)
    try:
        yield
    finally:
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)


def take_lease(fd: int) -> None:
    """
    Takes that lease; it ends when the last copy of the descriptor is closed.

    @raises Skip where somebody else has the file open
    @raises Problem where its filesystem has no leases
    """
    try:
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_WRLCK)
    except OSError as problem:
        if problem.errno == errno.EAGAIN:
            raise Skip("open") from None
        raise Problem(f"cannot prove that nobody has it open: {problem.strerror}") from None


def require_taken(fd: int, folder: int, private: str, seen: os.stat_result, *, is_held: bool = True) -> None:
    """@raises Skip unless the private name is that of the file, unchanged, and nobody waits to open it"""
    require_unchanged(seen, os.stat(private, dir_fd=folder, follow_symlinks=False), renamed=True)
    if is_held:
        require_held(fd)


def require_held(fd: int) -> None:
    """@raises Skip where somebody waits to open the file"""
    if fcntl.fcntl(fd, fcntl.F_GETLEASE) != fcntl.F_WRLCK:
        raise Skip("open")


def open_seen(name: str, flags: int, folder: int) -> int:
    """Opens what was there a moment ago. @raises Skip where somebody has removed it"""
    try:
        return os.open(name, flags, dir_fd=folder)
    except FileNotFoundError:
        raise Skip("vanished") from None


def require_unchanged(before: os.stat_result, now: os.stat_result, renamed: bool = False) -> None:
    """@raises Skip unless both are of the same file, which nobody has changed; `renamed`: but for its name"""

    def identity(seen: os.stat_result) -> tuple[int, ...]:
        # Renaming sets the time of change, see inode(7).
        changed = 0 if renamed else seen.st_ctime_ns
        return seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns, changed, seen.st_nlink

    if identity(before) != identity(now):
        raise Skip("changed meanwhile")
