"""Proof that a mount is the one that is declared, and how full it is."""

import math
import os
from dataclasses import dataclass

from jts_storage.bounded import bounded, output_of
from jts_storage.mounts import Mounted, mounted
from jts_storage.problem import Problem
from jts_storage.settings import Cold, Settings, Warm


@dataclass(frozen=True)
class Usage:
    """How full a filesystem is: bytes, and per cent, rounded up as df(1) does."""

    used: int
    total: int
    available: int
    """To those who aren't root as well."""
    percent: int
    inodes_percent: int


def mount_at(point: str) -> Mounted | None:
    """
    What is mounted at exactly that point, by the kernel's table alone. A folder that is bound to itself is no mount:
    systemd binds what a unit may write to and isn't mounted.
    """
    devices: dict[int, str] = {}
    found: Mounted | None = None
    with open("/proc/self/mountinfo", "rb") as table:
        for one in mounted(table):
            devices[one.id] = one.device
            if one.point == point:
                found = one
    return None if found is None or found.device == devices.get(found.parent) else found


def prove_mount(point: str, source: str = "", label: str = "") -> Mounted:
    """
    What is mounted there, which must be that source and have that label; empty: any.

    @raises Problem where it isn't
    """
    live = mount_at(point)
    if live is None:
        raise Problem(f"nothing is mounted at {point}")
    root = mount_at("/")
    if root is None:
        raise Problem("the mounts cannot be read")
    if live.device == root.device:
        raise Problem(f"{point} shows the root filesystem")
    if source and live.source != source:
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


def prove_warm(warm: Warm) -> Mounted:
    """@raises Problem unless the warm tier's filesystem is mounted"""
    return prove_mount(warm.mount_point, label=warm.label)


def prove_cold(cold: Cold) -> Mounted:
    """@raises Problem unless the cold tier's export is mounted"""
    return prove_mount(cold.mount_point, source=cold.source)


def require_cold(settings: Settings) -> Cold:
    """
    The cold tier, which is mounted and answers.

    @raises Problem where it isn't, or this host has none
    """
    if settings.cold is None:
        raise Problem("this host has no cold tier")
    prove_cold(settings.cold)
    try:
        usage_of(settings.cold.mount_point, settings.probe_seconds)
    except Problem:
        raise Problem(f"{settings.cold.mount_point} does not answer") from None
    return settings.cold


def usage_of(point: str, seconds: float) -> Usage:
    """
    Of the filesystem there, by statvfs(3) alone: df(1) looks at other mounts too, and hangs with them.

    @raises NoAnswer where it takes longer than that many seconds, Problem where it can't be told
    """

    def look() -> tuple[int, ...]:
        seen = os.statvfs(point)
        return seen.f_blocks, seen.f_bfree, seen.f_bavail, seen.f_frsize, seen.f_files, seen.f_ffree

    blocks, free, available, size, files, free_files = bounded(look, seconds=seconds)
    used = blocks - free
    percent = _percent(used, used + available)
    return Usage(used * size, blocks * size, available * size, percent, _percent(files - free_files, files))


def _percent(used: int, of: int) -> int:
    return math.ceil(used * 100 / of) if of > 0 else 0
