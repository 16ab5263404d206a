"""
Snapshots of warm, which is btrfs: read-only, in WARM/.jts-snapshots/STAMP, where only root can look. Cleanup makes one
before it deletes, so that what it deletes can come back.

What leaves warm after a snapshot was made takes its room until that snapshot is gone, and with it all older ones that
have it. So they are only ever deleted from the oldest on. Nothing is deleted that we did not make: a name that is not a
stamp, a folder, a snapshot that can be written to.
"""

import calendar
import contextlib
import json
import os
import stat
import time
from collections.abc import Sequence
from typing import Any

from jts_storage.archives import STAMP, STAMP_FORMAT, stamp_of
from jts_storage.bounded import output_of
from jts_storage.files import make_state_folder, write_whole
from jts_storage.log import log
from jts_storage.problem import HERE, Problem, reason_of, with_remedy
from jts_storage.program import Run, human
from jts_storage.settings import Warm
from jts_storage.tiers import is_above, prove_warm, usage_of

FOLDER = ".jts-snapshots"
# The root of a subvolume has this inode number, see btrfs-subvolume(8).
SUBVOLUME_INODE = 256
DAY_SECONDS = 86400
# How long btrfs may take to make one, to delete some, and to compare two.
MAKE_SECONDS, DELETE_SECONDS, COMPARE_SECONDS = 600, 1800, 600
# The extents that the snapshot $2 has and $1 does not: btrfs finds them by its trees, and reads no data.
COMPARE = """
set -o pipefail
btrfs send --quiet --no-data -p "$1" "$2" | btrfs receive --dump |
  awk '$1 == "update_extent" { sub(/.* len=/, ""); bytes += $0 } END { printf "%.0f\\n", bytes }'
"""


def folder_of(warm: Warm) -> str:
    return f"{warm.mount_point}/{FOLDER}"


def stamps_on(warm: Warm) -> list[str]:
    """
    The stamps of our snapshots, the oldest first; none where warm is not mounted.

    @raises Problem where their folder is not one of root's
    """
    folder = folder_of(warm)
    try:
        seen = os.lstat(folder)
    except FileNotFoundError:
        return []
    is_on_warm = seen.st_dev == os.lstat(warm.mount_point).st_dev
    if not stat.S_ISDIR(seen.st_mode) or not is_on_warm or seen.st_uid != 0 or stat.S_IMODE(seen.st_mode) & 0o022:
        raise Problem(f"{folder} is not a folder that only root can write to", f"ls -ld {folder}; move it away")
    return sorted(name for name in os.listdir(folder) if is_ours(folder, name, seen.st_dev))


def is_ours(folder: str, name: str, device: int) -> bool:
    path = f"{folder}/{name}"
    seen = os.lstat(path)
    is_subvolume = stat.S_ISDIR(seen.st_mode) and seen.st_ino == SUBVOLUME_INODE and seen.st_dev != device
    # To write to one that is read-only is refused even to root.
    return is_subvolume and made_at(name) is not None and not os.access(path, os.W_OK)


def made_at(name: str) -> int | None:
    """The time of a stamp, in seconds since 1970; None: it is not a stamp."""
    if STAMP.fullmatch(name) is None:
        return None
    try:
        return calendar.timegm(time.strptime(name, STAMP_FORMAT))
    except ValueError:
        return None


def in_snapshots(warm: Warm, paths: Sequence[str]) -> list[str]:
    """Where our snapshots have what is, or was, at those paths of warm; of each path, the newest first."""
    stamps, point = stamps_on(warm)[::-1], f"{warm.mount_point}/"
    inside = [path.removeprefix(point) for path in paths if path.startswith(point)]
    places = [f"{folder_of(warm)}/{stamp}/{path}" for path in inside for stamp in stamps]
    return [place for place in places if os.path.lexists(place)]


def read_held(state_folder: str) -> dict[str, int]:
    """
    Stamp → how many bytes become free at most once that snapshot and all older ones are deleted, before compression.
    It is measured when the next one is made; until then it is what the run deleted that made it. Empty: nothing is
    known.
    """
    try:
        with open(f"{state_folder}/warm-snapshots.json", encoding="utf-8") as file:
            return {str(stamp): int(held) for stamp, held in json.load(file)["heldBytes"].items()}
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return {}


class Snapshots:
    """What one run does with the snapshots of warm."""

    def __init__(self, run: Run, warm: Warm, commands: list[str]) -> None:
        self.run = run
        self.warm = warm
        # What it runs is added to them; a dry run only does that.
        self.commands = commands
        self.folder = folder_of(warm)
        self.held = read_held(run.settings.state_folder)
        self.made: str | None = None
        self.deleted: list[dict[str, str]] = []
        self.freed = 0

    @property
    def report(self) -> dict[str, Any]:
        return {"made": self.made, "deleted": self.deleted, "freedBytes": self.freed}

    def make(self) -> None:
        """@raises Problem where there is none then"""
        if self.run.dry_run:
            return
        command = self.command_now()
        path = command[-1]
        try:
            live = prove_warm(self.warm)
            if live.type != "btrfs":
                raise Problem(f"it is {live.type}, not btrfs")
            with contextlib.suppress(FileExistsError):
                os.mkdir(self.folder, 0o700)
            before = stamps_on(self.warm)
            output_of(command, MAKE_SECONDS)
        except (Problem, OSError) as problem:
            raise Problem(
                f"no snapshot of warm could be made: {reason_of(problem)}",
                f"btrfs filesystem usage {self.warm.mount_point}; {HERE}/tiered-storage.sh migrate, which makes room; "
                "to delete without a snapshot: leave automation.warmSnapshotsKeptDays out, and pulumi up",
            ) from None
        log("info", f"made the snapshot {path}")
        self.made = path
        self.commands.append(" ".join(command))
        if before:
            self.measure(before[-1], os.path.basename(path))

    def command_now(self) -> list[str]:
        """The command that makes one; its last word is the path."""
        now = time.time()
        # That second may have one already.
        while os.path.lexists(path := f"{self.folder}/{stamp_of(now)}"):
            now += 1
        return ["btrfs", "subvolume", "snapshot", "-r", self.warm.mount_point, path]

    def measure(self, older: str, newer: str) -> None:
        """Finds what only the older one of two snapshots has."""
        command = ["bash", "-c", COMPARE, "compare", f"{self.folder}/{newer}", f"{self.folder}/{older}"]
        try:
            self.held[older] = int(output_of(command, COMPARE_SECONDS))
        except (Problem, ValueError):
            log("warning", f"how much the snapshot {older} of warm holds is not known: btrfs could not compare it")

    def keep(self, deleted: Sequence[int], *, is_all: bool) -> None:
        """
        Keeps the snapshot that this run made, unless the run then deleted nothing.

        @param deleted  the sizes of what it deleted, in bytes
        @param is_all  whether that is all; False: it may have deleted more
        """
        if self.run.dry_run and deleted:
            self.commands.append(" ".join(self.command_now()))
        if self.made is None:
            return
        if deleted or not is_all:
            self.held[os.path.basename(self.made)] = sum(deleted)
            self.write_held()
        elif self.delete([os.path.basename(self.made)]) is not None:
            log("info", f"deleted the snapshot {self.made}, since nothing was deleted after it was made")
            self.made = None

    def expire(self, kept_days: float) -> None:
        """Deletes those that were kept long enough."""
        cutoff = time.time() - kept_days * DAY_SECONDS
        # One with the stamp of a clock that was ahead stays until its days are over.
        if old := [stamp for stamp in stamps_on(self.warm) if (made_at(stamp) or 0) < cutoff]:
            self.delete_for(f"kept for {kept_days:g} days", old)

    def release(self, *, spare_newest: bool) -> None:
        """Deletes them from the oldest on, while warm is above its high mark, until it is below its low mark."""
        automation = self.run.settings.automation
        mark = automation.warm_high_percent
        while is_above(self.warm.mount_point, mark, self.run.settings.probe_seconds):
            try:
                stamps = stamps_on(self.warm)[: -1 if spare_newest else None]
            except (Problem, OSError) as problem:
                self.run.fail(f"no snapshots of warm are deleted: {reason_of(problem)}")
                return
            if not stamps or not self.delete_for(f"warm is above {mark:g} %", stamps[:1]):
                return
            mark = automation.warm_low_percent

    def delete_for(self, why: str, stamps: list[str]) -> bool:
        """Deletes some, and reports it; returns whether usage is true then."""
        freed = self.delete(stamps)
        if freed is None:
            return False
        paths = [f"{self.folder}/{stamp}" for stamp in stamps]
        self.freed += freed
        self.deleted += [{"path": path, "reason": why} for path in paths]
        log("info", f"deleted {len(paths)} snapshots ({why}), {human(freed)} became free: {', '.join(paths)}")
        return True

    def delete(self, stamps: list[str]) -> int | None:
        """
        Deletes some, and waits for their room.

        @returns how many bytes became free; None: they are not all gone, and the run has failed, or is dry
        """
        point = self.warm.mount_point
        paths = [f"{self.folder}/{stamp}" for stamp in stamps]
        command = ["btrfs", "subvolume", "delete", "--commit-after", *paths]
        self.commands.append(" ".join(command))
        if self.run.dry_run:
            return None
        try:
            # Another filesystem may have been mounted there meanwhile.
            prove_warm(self.warm)
            before = usage_of(point, self.run.settings.probe_seconds).used
            output_of(command, DELETE_SECONDS)
            for stamp in stamps:
                self.held.pop(stamp, None)
            self.write_held()
            # btrfs removes what only they had in the background, and reports its room as free after that.
            output_of(["btrfs", "subvolume", "sync", point], DELETE_SECONDS)
            output_of(["sync", "--file-system", point], 60)
            return max(0, before - usage_of(point, self.run.settings.probe_seconds).used)
        except Problem as problem:
            remedy = f"btrfs subvolume list -d {point}; dmesg --level=err,warn; the next run goes on"
            self.run.fail(f"not deleted, or their room is not free yet: {', '.join(paths)}: {problem}", remedy)
            return None

    def write_held(self) -> None:
        folder = self.run.settings.state_folder
        try:
            make_state_folder(folder)
            write_whole(f"{folder}/warm-snapshots.json", f"{json.dumps({'version': 1, 'heldBytes': self.held})}\n")
        except Problem as problem:
            log("warning", with_remedy(str(problem), f"df {folder}"))
