"""Folders at the destination of moves."""

import contextlib
import errno
import os
from collections.abc import Callable
from contextlib import AbstractContextManager

from jts_storage.attributes import Attributes, give
from jts_storage.mounts import closing, mount_id
from jts_storage.problem import Problem
from jts_storage.removal import FOLDER, new_temporary_name, rename_without_replacing

Exclusive = Callable[[], AbstractContextManager[None]]
"""Makes the other workers of the run wait meanwhile."""


class Folder:
    """
    A folder at the destination, made when a file first needs it.

    @param parent  None: it is the mount point
    @param like  the folder of the source whose owner and attributes it gets; None: none, it leads to the destination
    @param fd  its descriptor, where it is open already
    """

    def __init__(self, name: str, parent: "Folder | None", like: int | None = None, fd: int | None = None) -> None:
        self.name, self.parent, self.like, self.fd = name, parent, like, fd
        self.has_room_for = 0

    def open(self) -> int | None:
        """Its descriptor; None where there is no such folder."""
        if self.fd is None and self.parent is not None:
            parent = self.parent.open()
            if parent is None:
                return None
            try:
                self.fd = os.open(self.name, FOLDER, dir_fd=parent)
            except FileNotFoundError:
                return None
            if mount_id(self.fd) != mount_id(parent):
                raise Problem(f"something is mounted at the destination's folder {self.name}")
        return self.fd

    def make(self, attributes: Attributes, exclusive: Exclusive, made: list[list[str]]) -> int:
        """Its descriptor. Where there is no such folder, makes it and adds its path to `made`."""
        fd = self.open()
        if fd is not None:
            return fd
        assert self.parent is not None  # what is mounted is there
        parent = self.parent.make(attributes, exclusive, made)
        with exclusive():
            if self.open() is None:
                self.make_in(parent, attributes)
                made.append(self.path())
        fd = self.open()
        assert fd is not None
        return fd

    def make_in(self, parent: int, attributes: Attributes) -> None:
        """Makes it under a temporary name, so that a kill or a failure leaves none with the wrong owner."""
        if self.like is None:
            # A later run would not find a temporary name here.
            os.mkdir(self.name, 0o755, dir_fd=parent)
            os.fsync(parent)
            return
        attributes.probe(parent)
        temporary = new_temporary_name()
        os.mkdir(temporary, 0o700, dir_fd=parent)
        try:
            with closing(os.open(temporary, FOLDER, dir_fd=parent)) as made:
                # With its ACL: that may deny what the mode allows.
                give(made, attributes.wanted(self.like, os.fstat(self.like)), self.like)
            rename_folder(parent, temporary, self.name)
        except BaseException:
            with contextlib.suppress(OSError):
                os.rmdir(temporary, dir_fd=parent)
            raise
        os.fsync(parent)

    def names(self) -> list[str]:
        """The names of the folders from the destination down to this one."""
        return [] if self.like is None or self.parent is None else [*self.parent.names(), self.name]

    def path(self) -> list[str]:
        """The names of the folders from the mount point down to this one."""
        return [] if self.parent is None else [*self.parent.path(), self.name]

    def __enter__(self) -> "Folder":
        return self

    def __exit__(self, *_: object) -> None:
        if self.fd is not None:
            os.close(self.fd)


def rename_folder(parent: int, old: str, new: str) -> None:
    try:
        rename_without_replacing(parent, old, new)
    except FileExistsError:
        # Somebody else made it meanwhile.
        os.rmdir(old, dir_fd=parent)
    except OSError as problem:
        # NFS: folders cannot be linked, and rename(2) only replaces an empty folder.
        if problem.errno not in (errno.EPERM, errno.EISDIR, errno.ENOTSUP):
            raise
        os.rename(old, new, src_dir_fd=parent, dst_dir_fd=parent)


def remove_empty(mount: int, path: list[str]) -> None:
    """Removes a folder if it is empty; follows no link. `path`: the names from the mount point down."""
    with contextlib.suppress(OSError), contextlib.ExitStack() as opened:
        fd = mount
        for name in path[:-1]:
            fd = opened.enter_context(closing(os.open(name, FOLDER, dir_fd=fd)))
        os.rmdir(path[-1], dir_fd=fd)
