"""Deletes what has been in a folder for some days: regular files that nobody uses, and folders that are empty as long.

A file has been here since it was last written or last came, whichever was later: its age is that of the later of its
times of modification and of change (inode(7)). So what was unpacked or copied with an old time, or was moved here from
another tier, has all of its days. Files that somebody has open stay, and so does what came under a name meanwhile.
Where more would go than a share of the filesystem, nothing does, since a wrong clock or a wrong setting looks like
that. The folder itself and those right in it stay: they are declared. Prints what was deleted as JSON, and the log on
standard error.

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
    alone,
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
    parser.add_argument("--folder", required=True, help="what is in it, at any depth on the same mount")
    parser.add_argument("--mount", required=True, help="mount point that the folder must be on")
    parser.add_argument("--older-than-days", required=True, type=float)
    parser.add_argument(
        "--at-most-percent",
        type=float,
        default=100,
        help="of the filesystem's size; where it would be more, nothing goes",
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would go, and change nothing")
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
    """One run: what was asked for, and what came of it."""

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
            raise Problem("there is no such folder. Do: pulumi up --refresh") from None
        with closing(top):
            if mount_id(top) != mount.id:
                raise Problem(f"is not on what is mounted at {self.options.mount}")
            self.mount_id = mount.id
            size = os.fstatvfs(top)
            limit = size.f_blocks * size.f_frsize * self.options.at_most_percent / 100
            wanted = self.visit(top, self.options.folder, 0, delete=False)
            if wanted > limit:
                raise Problem(
                    f"{wanted} bytes of files are old enough to go, more than {self.options.at_most_percent:g} % of "
                    "the filesystem: nothing is deleted, since a wrong clock or setting looks like that. Do: "
                    "timedatectl; tiered-storage.sh cleanup --dry-run --yes; where all of it may go: "
                    "tiered-storage.sh cleanup --yes"
                )
            self.visit(top, self.options.folder, 0, delete=True)

    def tick(self) -> None:
        """Called at every bit of progress. Without any, the kernel ends us."""
        signal.alarm(STALL_SECONDS)

    def fail(self, path: str, problem: Exception) -> None:
        self.failed.append({"path": path, "reason": reason_of(problem)})
        log("warning", f"not deleted: {path!r}: {reason_of(problem)}")

    def visit(self, folder: int, path: str, depth: int, delete: bool) -> int:
        """Deletes what is old in a folder, or only says how many bytes that would be."""
        wanted = 0
        for name in sorted(os.listdir(folder)):
            self.tick()
            below = os.path.join(path, name)
            try:
                if name.startswith(LEAVING) and target_of(f"/proc/self/fd/{folder}/{name}") is not None:
                    raise Skip("begun by a move")
                if name.startswith(LEAVING) and delete and not self.options.dry_run:
                    # A run was killed while it took it away.
                    put_back(folder, name)
                    continue
                seen = os.stat(name, dir_fd=folder, follow_symlinks=False)
                if stat.S_ISDIR(seen.st_mode):
                    with closing(open_seen(name, FOLDER, folder)) as child:
                        if mount_id(child) != self.mount_id:
                            continue
                        wanted += self.visit(child, below, depth + 1, delete)
                    # As it is now: what went from it just now says that it wasn't empty for long.
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
            except (Problem, OSError) as problem:
                if delete:
                    self.fail(below, problem)
        return wanted

    def is_old(self, seen: os.stat_result) -> bool:
        return bool(max(seen.st_mtime, seen.st_ctime) < self.cutoff)

    def remove_file(self, folder: int, name: str, seen: os.stat_result, path: str) -> None:
        with closing(open_seen(name, FILE, folder)) as fd:
            require_unchanged(seen, os.fstat(fd))
            with alone(fd):
                if not self.options.dry_run:
                    take_away(fd, folder, name, seen)
        self.tell("file", path, seen.st_size)

    def remove_folder(self, parent: int, name: str, path: str) -> None:
        """Where it is empty, which rmdir(2) itself proves."""
        try:
            if self.options.dry_run:
                with closing(os.open(name, FOLDER, dir_fd=parent)) as folder:
                    if os.listdir(folder):
                        return
            else:
                os.rmdir(name, dir_fd=parent)
        except OSError:
            return
        self.tell("folder", path, 0)

    def tell(self, kind: str, path: str, size: int) -> None:
        if not self.options.dry_run:
            log("info", f"deleted {path!r} ({size} bytes)" if kind == "file" else f"deleted the empty folder {path!r}")
        self.deleted.append({"path": path, "kind": kind, "bytes": size})
