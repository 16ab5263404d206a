"""Deletes what has been in a folder for some days: regular files that nobody uses, and folders that were empty so long.

A file's age counts from the later of its times of modification and of change (inode(7)): from when it was last written,
or when it was put here. So a file that was unpacked, copied or moved here with an old time is kept for all of the days.
A file that somebody has open stays, and so does a new file of the same name. Where more than a share of the filesystem
would be deleted, nothing is: a wrong clock or a wrong setting looks like that. The folder itself and the folders
directly in it stay: they are declared. Prints what was deleted as JSON on standard output, and the log on standard
error.

exit status: 0 all well, 1 something could not be deleted (the log says what), 2 wrong usage
"""

import argparse
import json
import os
import signal
import stat
import time
from collections.abc import Sequence
from typing import Any

from jts_storage.log import log
from jts_storage.mounts import Mount, closing, mount_id
from jts_storage.problem import Problem, Skip, reason_of
from jts_storage.removal import (
    FILE,
    FOLDER,
    LEAVING,
    leased,
    open_seen,
    put_back,
    require_unchanged,
    take_away,
    target_of,
)

STALL_SECONDS = 300


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="jts_storage delete",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--folder", required=True, help="delete what is in it, at any depth on the same mount")
    parser.add_argument("--mount", required=True, help="mount point that the folder must be on")
    parser.add_argument("--older-than-days", required=True, type=float, help="delete only what is older than this")
    parser.add_argument(
        "--at-most-percent",
        type=float,
        default=100,
        help="delete nothing where it would be more than this share of the filesystem's size; default: 100",
    )
    parser.add_argument("--dry-run", action="store_true", help="print what would be deleted, and change nothing")
    options = parser.parse_args(words)
    if not options.older_than_days >= 0:
        parser.error("--older-than-days must not be negative")
    signal.signal(signal.SIGIO, signal.SIG_IGN)
    retention = Retention(options)
    try:
        retention.run()
    except (Problem, OSError) as problem:
        retention.fail(options.folder, problem)
    print(json.dumps({"deleted": retention.deleted, "skipped": retention.skipped, "failed": retention.failed}))
    return 1 if retention.failed else 0


class Retention:
    """One run: its options and its results."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.cutoff = time.time() - options.older_than_days * 86400
        self.deleted: list[dict[str, Any]] = []
        self.skipped: dict[str, int] = {}
        self.failed: list[dict[str, str]] = []

    def run(self) -> None:
        self.tick()
        mount = Mount(self.options.mount)
        try:
            top = os.open(self.options.folder, FOLDER)
        except (FileNotFoundError, NotADirectoryError):
            raise Problem("there is no such folder", "pulumi up --refresh") from None
        with closing(top):
            if mount_id(top) != mount.id:
                raise Problem(f"it is not on the filesystem that is mounted at {self.options.mount}")
            self.mount_id, self.device = mount.id, os.fstat(top).st_dev
            size = os.fstatvfs(top)
            limit = size.f_blocks * size.f_frsize * self.options.at_most_percent / 100
            wanted = self.visit(top, self.options.folder, 0, delete=False)
            if wanted > limit:
                raise Problem(
                    f"{wanted} bytes of files are old enough to go, more than {self.options.at_most_percent:g} % of "
                    "the filesystem: nothing is deleted, since a wrong clock or setting looks like that",
                    "timedatectl; tiered-storage.sh cleanup --dry-run --yes; where all of it may go: "
                    "tiered-storage.sh cleanup --yes",
                )
            self.visit(top, self.options.folder, 0, delete=True)

    def tick(self) -> None:
        """Called at each bit of progress. Without any for STALL_SECONDS, the kernel ends this process."""
        signal.alarm(STALL_SECONDS)

    def fail(self, path: str, problem: Exception) -> None:
        self.failed.append({"path": path, "reason": reason_of(problem)})
        log("warning", f"not deleted: {path!r}: {reason_of(problem)}")

    def visit(self, folder: int, path: str, depth: int, delete: bool) -> int:
        """Deletes what is old in a folder, unless `delete` is False; returns how many bytes are old enough to go."""
        wanted = 0
        for name in sorted(os.listdir(folder)):
            self.tick()
            below = os.path.join(path, name)
            try:
                if name.startswith(LEAVING) and target_of(f"/proc/self/fd/{folder}/{name}") is not None:
                    raise Skip("begun by a move")
                if name.startswith(LEAVING) and delete and not self.options.dry_run:
                    # A killed run was about to delete it.
                    put_back(folder, name)
                    continue
                seen = os.stat(name, dir_fd=folder, follow_symlinks=False)
                if stat.S_ISDIR(seen.st_mode):
                    with closing(open_seen(name, FOLDER, folder)) as child:
                        # A subvolume of btrfs has a number of its own, and no mount.
                        if mount_id(child) != self.mount_id or os.fstat(child).st_dev != self.device:
                            continue
                        wanted += self.visit(child, below, depth + 1, delete)
                    # Its times as they are now: where something was just deleted from it, it was not empty for long.
                    if delete and depth > 0 and self.is_old(os.stat(name, dir_fd=folder, follow_symlinks=False)):
                        self.remove_folder(folder, name, below)
                elif stat.S_ISREG(seen.st_mode) and self.is_old(seen):
                    wanted += seen.st_blocks * 512
                    if delete:
                        self.remove_file(folder, name, seen, below)
            except Skip as reason:
                if delete:
                    self.skipped[str(reason)] = self.skipped.get(str(reason), 0) + 1
            except FileNotFoundError:
                pass
            except (Problem, OSError, RecursionError) as problem:
                if delete:
                    self.fail(below, problem)
        return wanted

    def is_old(self, seen: os.stat_result) -> bool:
        return bool(max(seen.st_mtime, seen.st_ctime) < self.cutoff)

    def remove_file(self, folder: int, name: str, seen: os.stat_result, path: str) -> None:
        with closing(open_seen(name, FILE, folder)) as fd:
            require_unchanged(seen, os.fstat(fd))
            with leased(fd):
                if not self.options.dry_run:
                    take_away(fd, folder, name, seen)
        self.add_deleted("file", path, seen.st_size)

    def remove_folder(self, parent: int, name: str, path: str) -> None:
        """Removes a folder if it is empty; rmdir(2) itself checks that."""
        try:
            if self.options.dry_run:
                with closing(os.open(name, FOLDER, dir_fd=parent)) as folder:
                    if os.listdir(folder):
                        return
            else:
                os.rmdir(name, dir_fd=parent)
        except OSError:
            return
        self.add_deleted("folder", path, 0)

    def add_deleted(self, kind: str, path: str, size: int) -> None:
        if not self.options.dry_run:
            log("info", f"deleted {path!r} ({size} bytes)" if kind == "file" else f"deleted the empty folder {path!r}")
        self.deleted.append({"path": path, "kind": kind, "bytes": size})
