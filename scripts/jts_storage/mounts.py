"""What is mounted, only by the kernel's table: a look at the paths would hang with a NAS."""

import contextlib
import os
import re
import select
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from jts_storage.problem import Problem


@dataclass(frozen=True)
class Mounted:
    """A line of /proc/self/mountinfo, see proc_pid_mountinfo(5)."""

    id: int
    parent: int
    device: str
    point: str
    type: str
    source: str
    options: tuple[str, ...]
    """Those of the mount, then those of the filesystem."""

    @property
    def is_automount(self) -> bool:
        """
        Whether it is no filesystem: systemd waits there for the first access, and then mounts what is to be there
        (systemd.automount(5)). The kernel calls it systemd-1, by systemd's process.
        """
        return self.type == "autofs" and re.fullmatch(r"systemd-[0-9]+", self.source) is not None


def mounted(table: Iterable[bytes]) -> Iterator[Mounted]:
    """The mounts in the order of the table: of several at one point, the last one is on top."""
    for line in table:
        # At each space: a source may be empty.
        words = [
            os.fsdecode(re.sub(rb"\\([0-7]{3})", lambda octal: bytes([int(octal[1], 8)]), one))
            for one in line.rstrip(b"\n").split(b" ")
        ]
        number, parent, device, _root, point, options = words[:6]
        kind, source, more = words[words.index("-") + 1 :]
        yield Mounted(int(number), int(parent), device, point, kind, source, (*options.split(","), *more.split(",")))


class Mount:
    """
    What is mounted at a point, which is not the root disk. It is held open, so that all files go to this filesystem.

    @raises Problem where nothing is mounted there, or it is the root filesystem
    """

    def __init__(self, point: str) -> None:
        self.point = point
        self.id: int | None = None
        self.proved = False
        self.table = open("/proc/self/mountinfo", "rb")  # noqa: SIM115 -- open until the program ends
        self.changes = select.poll()
        self.changes.register(self.table, select.POLLPRI | select.POLLERR)
        self.fd = -1
        self.prove()
        self.fd = os.open(point, os.O_RDONLY | os.O_DIRECTORY)
        # Where something is mounted over a parent folder, the path leads elsewhere.
        if mount_id(self.fd) != self.id:
            raise Problem(f"{point} is hidden by another mount")

    def prove(self) -> None:
        """@raises Problem unless the mount is still the one that was here at first"""
        # proc(5): the kernel reports by poll(2) that something was mounted or unmounted since.
        if not self.changes.poll(0) and self.proved:
            return
        self.proved = False
        self.table.seek(0)
        devices: dict[int, str] = {}
        mounts: dict[str, Mounted] = {}
        for one in mounted(self.table):
            devices[one.id] = one.device
            if not one.is_automount:
                mounts[one.point] = one
        found = mounts.get(self.point)
        # A folder that is bound to itself does not count: systemd binds the folders that a unit may write to.
        if found is None or found.device == devices.get(found.parent):
            raise Problem(f"nothing is mounted at {self.point}")
        if found.device == mounts["/"].device:
            raise Problem(f"{self.point} shows the root filesystem")
        if self.id not in (None, found.id):
            raise Problem(f"another filesystem was mounted at {self.point} meanwhile")
        self.id = found.id
        self.proved = True


def mount_id(fd: int) -> int:
    """
    The kernel's number of the mount that an open file is on. st_dev is not enough: a bind mount has that of its source,
    and each subvolume of btrfs has its own.
    """
    with closing(os.open(f"/proc/self/fdinfo/{fd}", os.O_RDONLY)) as info:
        return int(os.read(info, 4096).split(b"mnt_id:", 1)[1].split(maxsplit=1)[0])


@contextlib.contextmanager
def closing(fd: int) -> Iterator[int]:
    try:
        yield fd
    finally:
        os.close(fd)
