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
"""Holds off the other workers of the run."""


class Folder:
    """A folder at the destination, made when a file first needs it, with the owner and mode of its source."""

    def __init__(self, name: str, parent: "Folder | None", like: int | None = None, fd: int | None = None) -> None:
        self.name, self.parent, self.like, self.fd = name, parent, like, fd
        self.has_room_for = 0

    def open(self) -> int | None:
        """Its descriptor; None where it isn't there."""
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
        """Its descriptor, of one that it makes where there is none, and tells in `made`."""
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
        """Makes it under a temporary name: a kill leaves none with the wrong owner, and a failure none at all."""
        if self.like is None:
            # Here a kill could leave something that no later run finds.
            os.mkdir(self.name, 0o755, dir_fd=parent)
            os.fsync(parent)
            return
        attributes.probe(parent)
        temporary = new_temporary_name()
        os.mkdir(temporary, 0o700, dir_fd=parent)
        try:
            with closing(os.open(temporary, FOLDER, dir_fd=parent)) as made:
                # An ACL may shut out whom the mode lets in.
                give(made, attributes.wanted(self.like, os.fstat(self.like)), self.like)
            rename_folder(parent, temporary, self.name)
        except BaseException:
            with contextlib.suppress(OSError):
                os.rmdir(temporary, dir_fd=parent)
            raise
        os.fsync(parent)

    def names(self) -> list[str]:
        """From the destination down; what leads to the destination itself has no source to be like."""
        return [] if self.like is None or self.parent is None else [*self.parent.names(), self.name]

    def path(self) -> list[str]:
        """From the mount down."""
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
        # Somebody made one meanwhile, which is as good.
        os.rmdir(old, dir_fd=parent)
    except OSError as problem:
        # NFS: folders can't be linked, and rename(2) replaces an empty folder alone.
        if problem.errno not in (errno.EPERM, errno.EISDIR, errno.ENOTSUP):
            raise
        os.rename(old, new, src_dir_fd=parent, dst_dir_fd=parent)


def remove_empty(mount: int, path: list[str]) -> None:
    """Removes a folder below what is mounted, where it is empty; follows no link."""
    with contextlib.suppress(OSError), contextlib.ExitStack() as opened:
        fd = mount
        for name in path[:-1]:
            fd = opened.enter_context(closing(os.open(name, FOLDER, dir_fd=fd)))
        os.rmdir(path[-1], dir_fd=fd)
