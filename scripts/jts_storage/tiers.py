"""Whether a mount is the declared one, and how full it is."""

import contextlib
import math
import os
import re
import subprocess
from dataclasses import dataclass

from jts_storage.bounded import bounded, output_of
from jts_storage.log import log
from jts_storage.mounts import Mounted, mounted
from jts_storage.problem import Problem
from jts_storage.settings import Cold, Settings, Warm

# How long systemd may take to mount what is not mounted; it goes on after that.
MOUNT_SECONDS = 20


@dataclass(frozen=True)
class Usage:
    """How full a filesystem is: bytes, and percent, rounded up as df(1) does."""

    used: int
    total: int
    available: int
    """What is free for users other than root."""
    percent: int
    inodes_percent: int


def mount_at(point: str) -> Mounted | None:
    """
    What is mounted at exactly that point, only by the kernel's table. A folder that is bound to itself does not count:
    systemd binds the folders that a unit may write to.
    """
    devices: dict[int, str] = {}
    found: Mounted | None = None
    with open("/proc/self/mountinfo", "rb") as table:
        for one in mounted(table):
            devices[one.id] = one.device
            if one.point == point and not one.is_automount:
                found = one
    return None if found is None or found.device == devices.get(found.parent) else found


def hider_of(point: str) -> Mounted | None:
    """What was mounted later over a folder above a mount, so that its path leads elsewhere."""
    hider: Mounted | None = None
    with open("/proc/self/mountinfo", "rb") as table:
        for one in mounted(table):
            if one.point == point:
                hider = None
            elif point.startswith(f"{one.point}/"):
                hider = one
    return hider


def bring_back(point: str) -> None:
    """
    Has systemd mount what fstab says of that point, where nothing is mounted there: because it waits for the first
    access, or because it tried at boot and gave up, such as with a NAS that was up later than this host. What somebody
    unmounted stays so.
    """
    if mount_at(point) is not None:
        return
    with contextlib.suppress(Problem):
        for kind in ("automount", "mount"):
            unit = _asked("systemd-escape", "--path", f"--suffix={kind}", "--", point)
            if _asked("systemctl", "is-failed", "--", unit) == "failed":
                log("info", f"nothing is mounted at {point}: {unit} has failed, and is started again")
                _asked("systemctl", "start", "--", unit)
                break
        with open("/proc/self/mountinfo", "rb") as table:
            waits = any(one.point == point and one.is_automount for one in mounted(table))
        if waits and mount_at(point) is None:
            # What lies in it: a look at the mount point itself is no access.
            bounded(os.access, f"{point}/.", os.F_OK, seconds=MOUNT_SECONDS)


def _asked(*command: str) -> str:
    return output_of(command, MOUNT_SECONDS, stderr=subprocess.DEVNULL, any_status=True).strip()


def prove_mount(point: str, source: str = "", label: str = "") -> Mounted:
    """
    What is mounted there.

    @param source  what must be mounted there; empty: anything
    @param label  the label that the filesystem must have; empty: any
    @raises Problem where that is not so
    """
    live = mount_at(point)
    if live is None:
        raise Problem(f"nothing is mounted at {point}")
    hider = hider_of(point)
    if hider is not None:
        raise Problem(f"{point} is hidden: {hider.source} was mounted later over {hider.point}")
    root = mount_at("/")
    if root is None:
        raise Problem("the mounts cannot be read")
    if live.device == root.device:
        raise Problem(f"{point} shows the root filesystem")
    if source and _plain(live.source) != _plain(source):
        raise Problem(f"{live.source} is mounted at {point} instead of {source}")
    if label:
        command = ["blkid", "--probe", "--match-tag", "LABEL", "--output", "value", "--", live.source]
        try:
            shown = output_of(command, 10).rstrip("\n")
        except Problem:
            raise Problem(f"the label of {live.source}, mounted at {point} as {live.type}, cannot be read") from None
        if shown != label:
            raise Problem(f"{live.source}, mounted at {point}, has the label '{shown}' instead of '{label}'")
    return live


def _plain(source: str) -> str:
    """SERVER:EXPORT in one of its spellings, so that two can be compared."""
    server, colon, path = source.partition(":/")
    return f"{server.lower()}{colon}{re.sub('/+', '/', path).strip('/')}" if colon else source


def prove_warm(warm: Warm) -> Mounted:
    """The warm tier's mount. @raises Problem unless the declared filesystem is mounted"""
    return prove_mount(warm.mount_point, label=warm.label)


def prove_cold(cold: Cold) -> Mounted:
    """The cold tier's mount, which is brought back first. @raises Problem unless the declared export is mounted"""
    bring_back(cold.mount_point)
    return prove_mount(cold.mount_point, source=cold.source)


def require_cold(settings: Settings, kind: str = "") -> Cold:
    """
    The export of the cold tier that archives of a kind go to.

    @param kind  default: those that no other export holds
    @raises Problem where it is not mounted, does not answer, or this host has none
    """
    cold = settings.cold_for(kind)
    if cold is None:
        raise Problem("this host has no cold tier")
    require_answer(cold, settings)
    return cold


def require_answer(cold: Cold, settings: Settings) -> None:
    """@raises Problem where that export is not mounted, or does not answer"""
    prove_cold(cold)
    try:
        usage_of(cold.mount_point, settings.probe_seconds)
    except Problem:
        raise Problem(f"{cold.mount_point} does not answer") from None


def require_cold_of(settings: Settings, path: str) -> Cold:
    """The export of the cold tier that a path is on. @raises Problem where it is not mounted, or does not answer"""
    cold = settings.cold_of(path)
    if cold is None:
        raise Problem(f"{path} is not on the cold tier")
    require_answer(cold, settings)
    return cold


def usage_of(point: str, seconds: float) -> Usage:
    """
    How full the filesystem there is, by statvfs(3): df(1) looks at other mounts too, and hangs with them.

    @raises NoAnswer where it does not answer within that many seconds
    @raises Problem where it answers with an error
    """

    def look() -> tuple[int, ...]:
        seen = os.statvfs(point)
        return seen.f_blocks, seen.f_bfree, seen.f_bavail, seen.f_frsize, seen.f_files, seen.f_ffree

    blocks, free, available, size, files, free_files = bounded(look, seconds=seconds)
    used = blocks - free
    return Usage(
        used=used * size,
        total=blocks * size,
        available=available * size,
        percent=_percent(used, used + available),
        inodes_percent=_percent(files - free_files, files),
    )


def is_above(point: str, percent: float, seconds: float) -> bool:
    """Whether the filesystem there is fuller than that; False where it does not answer within that many seconds."""
    try:
        return usage_of(point, seconds).percent > percent
    except Problem:
        return False


def _percent(used: int, total: int) -> int:
    return math.ceil(used * 100 / total) if total > 0 else 0
