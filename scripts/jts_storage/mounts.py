"""What is mounted, from the kernel's table alone: looking at the paths would hang with a NAS."""

import contextlib
import os
import re
import select
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from jts_storage.problem import Problem


@dataclass(frozen=True)
class Mounted:
    """A line of /proc/self/mountinfo, see proc(5)."""

    id: int
    parent: int
    device: str
    root: str
    point: str
    type: str
    source: str
    options: tuple[str, ...]
    """Of the mount, then of the filesystem."""


def mounted(table: Iterable[bytes]) -> Iterator[Mounted]:
    """In the order of the table: of those at one point the last is on top."""
    for line in table:
        words = [
            os.fsdecode(re.sub(rb"\\([0-7]{3})", lambda octal: bytes([int(octal[1], 8)]), one)) for one in line.split()
        ]
        number, parent, device, root, point, options = words[:6]
        kind, source, more = words[words.index("-") + 1 :]
        yield Mounted(
            int(number), int(parent), device, root, point, kind, source, (*options.split(","), *more.split(","))
        )


class Mount:
    """A mount point that is a mount of its own, not of the root disk; held open, so that nothing goes elsewhere."""

    def __init__(self, point: str) -> None:
        self.point = point
        self.id: int | None = None
        self.proved = False
        self.table = open("/proc/self/mountinfo", "rb")  # noqa: SIM115 -- until the end
        self.changes = select.poll()
        self.changes.register(self.table, select.POLLPRI | select.POLLERR)
        self.fd = -1
        self.prove()
        self.fd = os.open(point, os.O_RDONLY | os.O_DIRECTORY)
        # Where a parent folder is mounted over, the path leads elsewhere.
        if mount_id(self.fd) != self.id:
            raise Problem(f"{point} is hidden by another mount")

    def prove(self) -> None:
        """@raises Problem unless what is mounted here is what was mounted here at first."""
        # proc(5): the kernel tells by poll(2) that something was mounted or unmounted since.
        if not self.changes.poll(0) and self.proved:
            return
        self.proved = False
        self.table.seek(0)
        devices: dict[int, str] = {}
        mounts: dict[str, Mounted] = {}
        for one in mounted(self.table):
            devices[one.id] = one.device
            mounts[one.point] = one
        found = mounts.get(self.point)
        # A folder that is bound to itself is no mount: systemd binds what a unit may write to and isn't mounted.
        if found is None or found.device == devices.get(found.parent):
            raise Problem(f"nothing is mounted at {self.point}")
        if found.device == mounts["/"].device:
            raise Problem(f"{self.point} shows the root filesystem")
        if self.id not in (None, found.id):
            raise Problem(f"something else was mounted at {self.point} meanwhile")
        self.id = found.id
        self.proved = True


def mount_id(fd: int) -> int:
    """Tells mounts apart where st_dev doesn't: bind mounts have that of their source, btrfs one for each subvolume."""
    with closing(os.open(f"/proc/self/fdinfo/{fd}", os.O_RDONLY)) as info:
        return int(os.read(info, 4096).split(b"mnt_id:", 1)[1].split(maxsplit=1)[0])


@contextlib.contextmanager
def closing(fd: int) -> Iterator[int]:
    try:
        yield fd
    finally:
        os.close(fd)
