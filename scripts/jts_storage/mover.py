"""Moves files that are older than some days from one storage tier to another; never loses, overwrites or doubles one.

A file is copied to a temporary name at its destination, flushed, read back from the device and compared. Its source is
then renamed to a private name, so that no other program renames or rotates it any more, and gets an attribute that says
where the copy goes. The copy gets its name by link(2), which replaces nothing; renameat2(2) with RENAME_NOREPLACE does
not work on NFSv3. The source is removed only once that name is on the device too. A batch of files takes each of these
steps together, since flushing many costs little more than flushing one. Workers, each a process, share the files by
their names. Wherever a run is killed, the next one finds the file at its source, under its own name or the private one,
or at its destination, and finishes the move.
The summary goes to standard output, the log to standard error.
A move is in the journal before its source is removed: none is missing there; one that was killed then is there twice.

exit status: 0 all well, 1 something could not be moved (the log says what), 2 wrong usage, 75 another run has the lock
"""

import argparse
import contextlib
import errno
import fcntl
import fnmatch
import json
import os
import re
import resource
import signal
import stat
import time
import zlib
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

from jts_storage import bandwidth
from jts_storage.attributes import BEST_EFFORT, STRICT, Attributes, Wanted, give
from jts_storage.bandwidth import UNLIMITED, Pace, pace_of
from jts_storage.content import (
    COMPRESS,
    DECOMPRESS,
    PLAIN,
    Digest,
    Source,
    Ticks,
    digest_if_same,
    has_large_holes,
    read_back,
    transfer,
)
from jts_storage.destination import Folder, remove_empty
from jts_storage.files import flush, open_lock, try_lock
from jts_storage.journal import Journal
from jts_storage.log import log
from jts_storage.logs import SYSTEM_FOLDERS, database_sign, is_log, is_rotated
from jts_storage.mounts import Mount, closing, mount_id, mounted
from jts_storage.problem import Hopeless, Problem, Skip, reason_of, with_remedy
from jts_storage.removal import (
    FILE,
    FOLDER,
    LEAVING,
    RECALLED_ATTRIBUTE,
    TARGET_ATTRIBUTE,
    leased,
    name_of,
    new_temporary_name,
    open_seen,
    private_name_of,
    put_back,
    require_held,
    require_taken,
    require_unchanged,
    shortened,
    take_away,
    take_lease,
    take_name,
    target_of,
    withdraw,
)
from jts_storage.workers import Send, in_processes

PROGRESS_SECONDS = 60
SEND_SECONDS = 5
# A move that was begun longer ago will not be finished by another rule, so this one puts the file's name back.
LEFT_SECONDS = 2 * 86400
# What a worker copies before it flushes and reads back; it has two files open for each of them.
BATCH_BYTES = 64 << 20
BATCH_FILES = 400
DESCRIPTORS = 4096
# Where there may be less room than that, it is looked at for each file.
ROOM_BYTES = 1 << 30
WORKERS = 4
# What a file's age counts from.
MODIFICATION, ACCESS = "modification", "access"
TEMPORARY = re.compile(r"\.jts-moving-[0-9a-f]{16}")
PUT_BACK = re.compile(r"~\d{8}T\d{6}Z(-\d+)?\Z")
COMPRESSED = (".zst", ".gz", ".xz", ".bz2", ".lz4")
ZSTD = ".zst"
# How many failures with the same reason the log has one by one; the others are counted.
LOGGED_OF_A_REASON = 5
CHECKSUM = ".sha256"


class Taken(Problem):
    """Another file has the name at the destination."""


def main(words: Sequence[str] | None = None) -> int:
    options = parse_arguments(words)
    signal.signal(signal.SIGIO, signal.SIG_IGN)
    if options.bandwidth is not None:
        bandwidth.limit(options.network_mount, options.bandwidth, options.lock)
    move = Move(options)
    try:
        if not options.dry_run and not take_lock(options):
            log("error", "another run holds the lock; nothing was moved")
            return 75
        move.run()
    except (Problem, OSError) as problem:
        move.fail(options.destination, problem)
    finally:
        move.journal.close()
    move.log_further_failures()
    if options.json:
        log("info", move.summary_line())
    print(json.dumps(move.summary()) if options.json else move.summary_line())
    return 1 if move.outcome.failed else 0


def parse_arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="jts_storage move",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--source", required=True, action="append", help="folder whose old files move; may be repeated")
    parser.add_argument("--source-mount", help="mount point that every source must be on; default: any")
    parser.add_argument("--relative-to", help="folder that paths at the destination are relative to; default: --source")
    parser.add_argument("--destination", required=True, help="folder that files move to, on --destination-mount")
    parser.add_argument(
        "--destination-mount",
        required=True,
        help="mount point; refused where nothing is mounted there, or it shows the root filesystem",
    )
    parser.add_argument("--older-than-days", required=True, type=float, help="by the time of the last use, see --by")
    parser.add_argument(
        "--by",
        choices=(MODIFICATION, ACCESS),
        default=MODIFICATION,
        help="which use counts: modification; or access, the later one of the last modification and the last access, "
        f"refused where the source is mounted with noatime; default: {MODIFICATION}",
    )
    parser.add_argument(
        "--modified-before",
        type=float,
        default=0,
        help="also move younger files that were last used before this time, in seconds since 1970; default: 0",
    )
    parser.add_argument("--pattern", default="*", help="only files with such a name, for example '*.log*'; default: *")
    parser.add_argument(
        "--except", dest="exceptions", action="append", default=[], help="no file of that name; may be repeated"
    )
    parser.add_argument("--name", help="only the file with exactly this name, directly in the source")
    parser.add_argument(
        "--only-logs",
        action="store_true",
        help="only files with the name of a log, and none in a database's folder: see jts_storage/logs.py",
    )
    parser.add_argument(
        "--only-rotated",
        action="store_true",
        help="only rotated logs, and no file that the system itself needs: see jts_storage/logs.py",
    )
    forms = parser.add_mutually_exclusive_group()
    forms.add_argument(
        "--compress",
        action="store_true",
        help="with zstd, to NAME.zst; compressed files, and files with 64 MiB of holes, move unchanged",
    )
    forms.add_argument("--decompress", action="store_true", help="decompress NAME.zst to NAME")
    parser.add_argument(
        "--keep",
        action="store_true",
        help="copy, and keep the source; a copy with the same time and size is not made again",
    )
    parser.add_argument(
        "--recall", action="store_true", help="record the move as a recall; the file's age then counts from this move"
    )
    parser.add_argument(
        "--attributes",
        choices=(STRICT, BEST_EFFORT),
        default=STRICT,
        help="strict: a file stays if the destination cannot keep its owner, ACL or extended attributes; best-effort: "
        "it moves without them, and the journal says which; default: strict",
    )
    parser.add_argument("--dry-run", action="store_true", help="print what would move, and change nothing")
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")
    parser.add_argument(
        "--list", action="store_true", help="list each move in the summary; a dry run then does not log them as well"
    )
    parser.add_argument(
        "--journal",
        help="file to which each move is appended as a line of JSON; at 8 MiB it becomes FILE.1, and so on to FILE.8",
    )
    parser.add_argument(
        "--lock",
        default="/run/jts-storage-tiering.lock",
        help="file that only one run can lock; default: /run/jts-storage-tiering.lock",
    )
    parser.add_argument(
        "--lock-descriptor", type=int, help="open file that the caller has already locked, in place of --lock"
    )
    parser.add_argument(
        "--stall-seconds",
        type=int,
        default=300,
        help="end with SIGALRM after so many seconds without progress; default: 300",
    )
    parser.add_argument(
        "--workers",
        type=int,
        default=min(WORKERS, len(os.sched_getaffinity(0))),
        help=f"processes that share the files, each with one at a time; default: one for each processor, at most "
        f"{WORKERS}",
    )
    parser.add_argument(
        "--network-mount", action="append", default=[], help="mount point of a NAS, for --bandwidth; may be repeated"
    )
    parser.add_argument(
        "--bandwidth",
        type=int,
        help="MiB per second that all programs of ours may write to all --network-mount and read from them together, "
        "on average over some seconds; they share a file beside that of --lock; default: no limit",
    )
    options = parser.parse_args(words)
    if not options.older_than_days >= 0 or not options.modified_before >= 0:
        parser.error("--older-than-days and --modified-before must not be negative")
    if options.workers < 1:
        parser.error("--workers must be at least 1")
    if (options.bandwidth is None) != (options.network_mount == []) or (options.bandwidth or 1) < 1:
        parser.error("--bandwidth takes a number from 1 on, and --network-mount beside it")
    for option in ("source_mount", "relative_to", "destination", "destination_mount"):
        if getattr(options, option) is not None:
            setattr(options, option, os.path.abspath(getattr(options, option)))
    options.source = [os.path.abspath(source) for source in options.source]
    options.network_mount = [os.path.abspath(point) for point in options.network_mount]
    if len(options.source) > 1 and options.relative_to is None:
        parser.error("several sources need --relative-to, which keeps their files apart")
    for source in options.source:
        if is_below(source, options.destination) or is_below(options.destination, source):
            parser.error(f"one of {source} and {options.destination} is inside the other")
        if options.relative_to is not None and not is_below(source, options.relative_to):
            parser.error(f"{source} is not below {options.relative_to}")
    if not is_below(options.destination, options.destination_mount):
        parser.error(f"{options.destination} is not below {options.destination_mount}")
    return options


def take_lock(options: argparse.Namespace) -> bool:
    """Whether no other run holds the lock."""
    if options.lock_descriptor is None:
        options.lock_descriptor = open_lock(options.lock)
    return try_lock(options.lock_descriptor)


@dataclass(eq=False)
class Place:
    """An open folder of the source, its path, and the folder that its files go to."""

    fd: int
    folder: Folder
    path: str


@dataclass
class Copy:
    """A file that is being moved. Its batch closes the descriptors."""

    name: str
    """The source's own name."""
    source: Source
    source_folder: int
    destination: int
    """The folder that the copy is in."""
    target: str
    """The name that the copy gets."""
    wanted: Wanted
    entry: dict[str, Any]
    """For the journal: from, to, bytes, sha256, dropped."""
    temporary: str
    """The name that the copy has first."""
    fd: int
    """The open copy; -1: closed."""
    digest: Digest | None = None
    """None: the copy is not written yet."""
    there: os.stat_result | None = None
    """What stat(2) said of the copy when it was compared; None: it was not yet."""
    published: bool = False
    """Whether the copy has the name `target`."""
    private: str | None = None
    """The source's private name; None: it still has its own."""

    def remove_temporary(self) -> None:
        """Closes the copy first: NFS would rename an open file to .nfsXXXX instead of removing it."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.temporary, dir_fd=self.destination)

    def take_source(self, is_held: bool) -> None:
        """Renames the source to its private name, and with `is_held` keeps others from opening it."""
        fd, seen = self.source.fd, self.source.seen
        if is_held:
            take_lease(fd)
        require_unchanged(seen, os.fstat(fd))
        self.mark()
        try:
            self.private = take_name(fd, self.source_folder, self.name)
        except FileNotFoundError:
            raise Skip("changed meanwhile") from None
        require_taken(fd, self.source_folder, self.private, seen, is_held=is_held)

    def mark(self) -> None:
        """Records on the source where the copy goes. NFSv3 has no attributes: there the next run goes by the name."""
        with contextlib.suppress(OSError):
            os.setxattr(self.source.fd, TARGET_ATTRIBUTE, os.fsencode(self.entry["to"]))

    def undo(self) -> None:
        """Unless the source is gone already, removes the copy, and gives the source its name back."""
        if self.private is not None:
            try:
                os.stat(self.private, dir_fd=self.source_folder, follow_symlinks=False)
            except FileNotFoundError:
                return
        if self.published and self.there is not None:
            # Where it cannot be removed, the next run finds it at the destination.
            with (
                contextlib.suppress(FileNotFoundError, Problem),
                closing(os.open(self.target, FILE, dir_fd=self.destination)) as fd,
            ):
                if os.path.samestat(self.there, os.fstat(fd)):
                    withdraw(fd, self.destination, self.target)
        if self.private is not None:
            put_back(self.source_folder, self.private, self.name)
        with contextlib.suppress(OSError):
            os.removexattr(self.source.fd, TARGET_ATTRIBUTE)
        with contextlib.suppress(OSError):
            fcntl.fcntl(self.source.fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)


class Batch:
    """Copies that take each step together. The folders that they come from and go to are held open."""

    def __init__(self) -> None:
        self.copies: list[Copy] = []
        self.bytes = 0
        self.held: dict[Place, tuple[int, int]] = {}

    def hold(self, place: Place, destination: int) -> tuple[int, int]:
        held = self.held.get(place)
        if held is None:
            held = self.held[place] = os.dup(place.fd), os.dup(destination)
        return held

    def close(self) -> None:
        try:
            for copy in self.copies:
                copy.remove_temporary()
        finally:
            for copy in self.copies:
                os.close(copy.source.fd)
            for held in self.held.values():
                for fd in held:
                    os.close(fd)


class Progress:
    """Logs every minute what all workers have done so far."""

    def __init__(self) -> None:
        self.done: dict[int, dict[str, int]] = {}
        self.logged_at = time.monotonic()

    def update(self, worker: int, done: dict[str, int]) -> None:
        self.done[worker] = done
        if time.monotonic() - self.logged_at > PROGRESS_SECONDS:
            self.logged_at = time.monotonic()
            files, size = (sum(one[what] for one in self.done.values()) for what in ("files", "bytes"))
            log("info", f"so far: {files} files of {size} bytes")


@dataclass
class Outcome:
    """The results of a run, or of a worker's share of it."""

    moved: int = 0
    moved_bytes: int = 0
    unfinished: int = 0
    """How many temporary copies of killed runs were removed."""
    put_back: int = 0
    """How many files of killed runs have got their name back."""
    conflicts: int = 0
    """How many files' names are taken at the destination."""
    moves: list[dict[str, Any]] = field(default_factory=list)
    made: list[list[str]] = field(default_factory=list)
    """Folders that were made; each as the names from the mount point down."""
    skipped: dict[str, int] = field(default_factory=dict)
    """Reason → how many files."""
    failed: list[dict[str, str]] = field(default_factory=list)
    """The path and reason of each file."""

    def skip(self, reason: str, count: int = 1) -> None:
        self.skipped[reason] = self.skipped.get(reason, 0) + count

    def add(self, other: "Outcome") -> None:
        self.moved += other.moved
        self.moved_bytes += other.moved_bytes
        self.unfinished += other.unfinished
        self.put_back += other.put_back
        self.conflicts += other.conflicts
        self.moves = sorted([*self.moves, *other.moves], key=lambda one: str(one["from"]))
        self.made += other.made
        for reason, count in other.skipped.items():
            self.skip(reason, count)
        # A problem that all workers have is in each one's results.
        known = {one["path"] for one in self.failed}
        self.failed += [one for one in other.failed if one["path"] not in known]


class Move:
    """One run, or a worker's share of it: its options and its results."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.cutoff = max(time.time() - options.older_than_days * 86400, options.modified_before)
        self.journal = Journal(options.journal)
        self.attributes = Attributes(options.attributes)
        self.action = "recall" if options.recall else "copy" if options.keep else "move"
        self.form = COMPRESS if options.compress else DECOMPRESS if options.decompress else PLAIN
        self.share = 0
        self.shares = 1
        self.batch = Batch()
        self.outcome = Outcome()
        self.reasons: Counter[str] = Counter()
        self.sent_at = self.alarmed_at = -1e9
        self.send: Send | None = None
        self.set_paces(UNLIMITED)

    def set_paces(self, of_source: Pace) -> None:
        """Sets at which pace files are read and written; `of_source`: that of the source's filesystem."""

        def tick(pace: Pace, size: int) -> None:
            self.tick()
            pace.let_pass(size, self.tick)

        of_copy = pace_of(self.options.destination)
        self.ticks = Ticks(partial(tick, of_source), partial(tick, of_copy), of_copy.is_limited)

    def run(self) -> None:
        self.tick()
        self.mount = Mount(self.options.destination_mount)
        self.root = Folder("", None, fd=self.mount.fd)
        for name in names_below(self.options.destination, self.mount.point):
            self.root = Folder(name, self.root)
        self.remove_unfinished()
        if self.options.dry_run:
            self.visit_sources()
            return
        self.journal.mend()
        if self.options.workers == 1:
            self.send = partial(Progress().update, 0)
            self.visit_sources()
        else:
            # Each worker has an alarm of its own.
            signal.alarm(0)
            for result in in_processes(self.options.workers, self.work, Progress().update):
                self.outcome.add(Outcome(**result))
        # Folders that no file came into, from the lowest on.
        for path in sorted(self.outcome.made, reverse=True):
            remove_empty(self.mount.fd, path)

    def work(self, share: int, send: Send) -> dict[str, Any]:
        """Does one worker's share, in its process."""
        self.share, self.shares, self.send = share, self.options.workers, send
        self.outcome, self.alarmed_at = Outcome(), -1e9
        self.visit_sources()
        self.journal.close()
        return asdict(self.outcome)

    def visit_sources(self) -> None:
        allow_descriptors()
        try:
            for source in self.options.source:
                try:
                    self.visit_source(source)
                except (Skip, Problem, OSError) as reason:
                    self.leave(source, reason)
            self.finish_batch()
        except Hopeless as problem:
            self.fail(self.options.destination, problem)
        finally:
            self.batch.close()

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[None]:
        """Makes the other workers wait, by a lock of lockf(3) on the lock's file, which ends with the process."""
        fcntl.lockf(self.options.lock_descriptor, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.lockf(self.options.lock_descriptor, fcntl.LOCK_UN)

    def tick(self) -> None:
        """Called at each bit of progress. Without any, the kernel ends this process, even where a NAS hangs."""
        now = time.monotonic()
        if now - self.alarmed_at > self.options.stall_seconds / 10:
            self.alarmed_at = now
            signal.alarm(self.options.stall_seconds)
        if self.send is not None and now - self.sent_at > SEND_SECONDS:
            self.sent_at = now
            self.send({"files": self.outcome.moved, "bytes": self.outcome.moved_bytes})

    def fail(self, path: str, problem: Exception) -> None:
        reason = reason_of(problem)
        self.outcome.failed.append({"path": path, "reason": reason})
        self.reasons[reason] += 1
        if self.reasons[reason] <= LOGGED_OF_A_REASON:
            log("warning", f"not moved: {path!r}: {reason}")

    def log_further_failures(self) -> None:
        for reason, count in Counter(one["reason"] for one in self.outcome.failed).items():
            if count > LOGGED_OF_A_REASON:
                log("warning", f"{count} files in all were not moved: {reason}")

    def leave(self, path: str, reason: Exception) -> None:
        """Counts a file that stays. @raises Hopeless where all others would stay too"""
        if isinstance(reason, Hopeless):
            raise reason
        if isinstance(reason, Skip):
            self.outcome.skip(str(reason))
        else:
            self.fail(path, reason)

    def summary(self) -> dict[str, Any]:
        return {
            "dryRun": self.options.dry_run,
            "moved": {"files": self.outcome.moved, "bytes": self.outcome.moved_bytes},
            "skipped": self.outcome.skipped,
            "failed": self.outcome.failed,
            "conflicts": self.outcome.conflicts,
            **({"moves": self.outcome.moves} if self.options.list else {}),
            "unfinishedCopiesRemoved": self.outcome.unfinished,
            "namesPutBack": self.outcome.put_back,
        }

    def summary_line(self) -> str:
        skipped = ", ".join(f"{count} {reason}" for reason, count in sorted(self.outcome.skipped.items()))
        moved = "would move" if self.options.dry_run else "moved"
        done = f"{moved} {self.outcome.moved} files of {self.outcome.moved_bytes} bytes"
        return f"{done}; skipped: {skipped or 'none'}; not moved: {len(self.outcome.failed)}"

    def remove_unfinished(self) -> None:
        """Removes what killed runs left at the destination. This run has the lock, so nobody is writing to it."""
        fd = self.root.open()
        if fd is None:
            return
        for _, folders, files, folder in os.fwalk(".", topdown=True, follow_symlinks=False, dir_fd=fd):
            self.tick()
            if mount_id(folder) != self.mount.id:
                folders.clear()
                continue
            for private in files:
                if private.startswith(LEAVING):
                    self.put_name_back(folder, private, "")
            for name in filter(TEMPORARY.fullmatch, folders + files):
                try:
                    if not self.options.dry_run:
                        (os.rmdir if name in folders else os.unlink)(name, dir_fd=folder)
                    self.outcome.unfinished += 1
                except OSError as problem:
                    self.fail(name, problem)
            folders[:] = [name for name in folders if not TEMPORARY.fullmatch(name)]

    def put_name_back(self, folder: int, private: str, path: str) -> str | None:
        """Gives a file of a killed run its name back, and returns that; None: it failed, or the run is dry."""
        try:
            name = None if self.options.dry_run else put_back(folder, private)
            self.outcome.put_back += 1
            return name
        except (Problem, OSError) as problem:
            self.fail(os.path.join(path, private), problem)
            return None

    def visit_source(self, source: str) -> None:
        """Visits a source. The folders between it and --relative-to are made at the destination too."""
        top = self.options.relative_to or source
        with contextlib.ExitStack() as opened:
            try:
                fd = opened.enter_context(closing(os.open(top, FOLDER)))
                folder = self.root
                for name in names_below(source, top):
                    fd = opened.enter_context(closing(os.open(name, FOLDER, dir_fd=fd)))
                    folder = opened.enter_context(Folder(name, folder, like=fd))
            except FileNotFoundError:
                raise Problem("there is no such folder", "findmnt, for whether its filesystem is mounted") from None
            self.device, self.source_mount = os.fstat(fd).st_dev, mount_id(fd)
            self.set_paces(pace_of(source))
            if self.options.source_mount and self.source_mount != Mount(self.options.source_mount).id:
                raise Problem(f"it is not on the filesystem that is mounted at {self.options.source_mount}")
            with open("/proc/self/mountinfo", "rb") as table:
                mounts = list(mounted(table))
            if self.options.by == ACCESS and any(
                one.id == self.source_mount and "noatime" in one.options for one in mounts
            ):
                raise Problem(
                    "it is mounted with noatime, so nothing notes when a file was read",
                    "by: modification in the rule; or relatime among the volume's options, and a remount of it and of "
                    "the bind mounts that show it",
                )
            self.has_mounts = any(one.point.startswith(f"{source}/") for one in mounts)
            # NFS has no leases, since a server may have files open for others. A recall was asked for by a person.
            is_nfs = any(one.id == self.source_mount and one.type.startswith("nfs") for one in mounts)
            self.is_held = not (is_nfs and self.options.recall)
            place = Place(fd, folder, source)
            if self.options.name is None:
                self.visit(place)
            elif self.is_in_share(self.options.name):
                self.visit_named(place)

    def visit_named(self, place: Place) -> None:
        """Visits the file of the option --name."""
        name, private = self.options.name, private_name_of(self.options.name)
        if private in os.listdir(place.fd):
            name = self.finish_killed(place, private)
        if name is not None:
            self.visit_name(place, name)

    def visit(self, place: Place) -> None:
        with os.scandir(place.fd) as entries:
            is_folder = {entry.name: entry.is_dir(follow_symlinks=False) for entry in entries}
        names = sorted(is_folder)
        sign = database_sign(names) if self.options.only_logs or self.options.only_rotated else None
        if sign is not None:
            if self.share == 0:
                message = f"nothing moves from {place.path!r}: the name {sign!r} shows that it is a database's folder"
                log("warning", with_remedy(message, "have the database write its logs to another folder"))
                self.outcome.skip("folders of a database")
            return
        for one in names:
            self.tick()
            if one.startswith(LEAVING):
                name = self.finish_killed(place, one) if self.is_in_share(name_of(place.fd, one)) else None
            else:
                name = one if is_folder[one] or self.is_in_share(one) else None
            if name is not None:
                self.visit_name(place, name)

    def finish_killed(self, place: Place, private: str) -> str | None:
        """
        Finishes with a file that a killed run gave a private name. If its copy is at the destination, the file is
        removed; else it gets its name back.

        @returns that name; None: it was removed, or stays as it is
        """
        path = os.path.join(place.path, private)
        try:
            fd = os.open(private, FILE, dir_fd=place.fd)
        except FileNotFoundError:
            # The process that has it in its share was faster.
            return None
        except OSError:
            # It is a link, or not a file.
            return self.put_name_back(place.fd, private, place.path)
        try:
            with closing(fd):
                seen, target = os.fstat(fd), target_of(fd)
                if target is not None and not is_below(target, self.mount.point):
                    # Another rule began it and finishes it, unless that rule no longer exists.
                    if seen.st_ctime > time.time() - LEFT_SECONDS:
                        raise Skip("begun by another rule")
                elif target is not None and stat.S_ISREG(seen.st_mode):
                    name = name_of(place.fd, private)
                    digest = self.digest_at(fd, seen, name, target)
                    if digest is not None:
                        entry = {"from": os.path.join(place.path, name), "to": target, "bytes": seen.st_size}
                        if self.options.dry_run:
                            self.add_moved(entry)
                            return None
                        self.journal.make_room()
                        with self.leased(fd):
                            self.mount.prove()
                            require_taken(fd, place.fd, private, seen, is_held=self.is_held)
                            self.remove_source(place.fd, private, {**entry, **digest.journal_entry})
                        return None
            return self.put_name_back(place.fd, private, place.path)
        except (Skip, Problem, OSError) as reason:
            self.leave(path, reason)
            return None

    def digest_at(self, fd: int, seen: os.stat_result, name: str, target: str) -> Digest | None:
        """The digest of the open file, if its copy is at the path `target`; None: it is not."""
        form = (
            COMPRESS
            if target.endswith(ZSTD) and not name.endswith(ZSTD)
            else DECOMPRESS
            if name.endswith(ZSTD) and not target.endswith(ZSTD)
            else PLAIN
        )
        with contextlib.ExitStack() as opened:
            folder = self.mount.fd
            *folders, last = names_below(target, self.mount.point)
            try:
                for one in folders:
                    folder = opened.enter_context(closing(os.open(one, FOLDER, dir_fd=folder)))
                return self.digest_there(Source(fd, seen, form), folder, last)
            except (FileNotFoundError, Taken):
                return None

    def is_in_share(self, name: str) -> bool:
        """Whether a file of that name is in this worker's share."""
        return share_of(name, self.shares) == self.share

    def visit_name(self, place: Place, name: str) -> None:
        path = os.path.join(place.path, name)
        try:
            try:
                seen = os.stat(name, dir_fd=place.fd, follow_symlinks=False)
            except FileNotFoundError:
                raise Skip("vanished") from None
            if not stat.S_ISDIR(seen.st_mode):
                self.move(place, name, seen, path)
                return
            if self.options.name is not None:
                raise Problem("it is a folder")
            if self.options.only_rotated and name in SYSTEM_FOLDERS:
                raise Skip("folders of the system")
            with (
                closing(open_seen(name, FOLDER, place.fd)) as child,
                Folder(name, place.folder, like=child) as below,
            ):
                if os.fstat(child).st_dev != self.device or mount_id(child) != self.source_mount:
                    if self.share == 0:
                        raise Skip("on another filesystem")
                    return
                self.visit(Place(child, below, path))
        except (Skip, Problem, OSError, RecursionError) as reason:
            self.leave(path, reason)

    def move(self, place: Place, name: str, seen: os.stat_result, path: str) -> None:
        if stat.S_ISLNK(seen.st_mode):
            raise Skip("symbolic links")
        if not stat.S_ISREG(seen.st_mode):
            raise Skip("special files")
        if seen.st_nlink > 1:
            raise Skip("hard-linked")
        is_wanted = fnmatch.fnmatchcase(name, self.options.pattern) and name not in self.options.exceptions
        if TEMPORARY.fullmatch(name) or not is_wanted:
            raise Skip("of another name")
        if self.options.only_logs and not is_log(name):
            raise Skip("not logs by their names")
        if self.options.only_rotated and not is_rotated(name):
            raise Skip("not rotated logs by their names")
        if self.last_used_with(place, name, seen) >= self.cutoff:
            raise Skip("too young")
        form, target = self.form_of(name, seen)
        with contextlib.ExitStack() as opened:
            # That we read a file is no access to it. Only its owner, and root, can say so.
            fd = open_seen(name, FILE | (os.O_NOATIME if self.options.by == ACCESS else 0), place.fd)
            opened.callback(os.close, fd)
            require_unchanged(seen, os.fstat(fd))
            if self.has_mounts and mount_id(fd) != self.source_mount:
                raise Skip("on another filesystem")
            if recalled_at(fd) >= self.cutoff:
                raise Skip("too young")
            # Whoever has it open now will most likely still have it open after it was copied.
            with self.leased(fd):
                pass
            source = Source(fd, seen, form)
            destination = place.folder.open()
            if self.options.keep and destination is not None and is_copied(seen, destination, target, form):
                raise Skip("copied already")
            digest = None
            if destination is not None:
                digest, target = self.look_there(source, destination, target)
            entry = {"from": path, "to": self.path_there(place, target), "bytes": seen.st_size}
            if self.options.dry_run:
                self.add_moved(entry)
                if not self.options.list:
                    log("info", f"would {self.action} {path!r} to {entry['to']!r} ({seen.st_size} bytes)")
            elif digest is not None:
                self.finish(source, place.fd, name, {**entry, **digest.journal_entry})
            else:
                self.begin(place, name, source, entry)
                opened.pop_all()
        if len(self.batch.copies) >= BATCH_FILES or self.batch.bytes >= BATCH_BYTES:
            self.finish_batch()

    def form_of(self, name: str, seen: os.stat_result) -> tuple[str, str]:
        """The form and name of the copy."""
        if self.form == COMPRESS:
            # A file whose name is too long for one more ending moves unchanged, and so does one of holes, which take
            # no room.
            fits = not name.endswith(COMPRESSED) and len(os.fsencode(name)) <= 255 - len(ZSTD)
            if fits and not has_large_holes(seen):
                return COMPRESS, name + ZSTD
        elif self.form == DECOMPRESS and name.endswith(ZSTD) and name != ZSTD:
            return DECOMPRESS, name.removesuffix(ZSTD)
        return PLAIN, name

    def path_there(self, place: Place, target: str) -> str:
        return os.path.join(self.options.destination, *place.folder.names(), target)

    def last_used_with(self, place: Place, name: str, seen: os.stat_result) -> float:
        """
        When a file was last used. A checksum counts as old as the file that it is for, so that both move in one run;
        where that file is already at the destination, its checksum is always old enough.
        """
        if not name.endswith(CHECKSUM):
            return last_used(seen, self.options.by)
        original = name.removesuffix(CHECKSUM)
        with contextlib.suppress(FileNotFoundError):
            return last_used(os.stat(original, dir_fd=place.fd, follow_symlinks=False), self.options.by)
        destination = place.folder.open()
        if destination is not None:
            with contextlib.suppress(FileNotFoundError):
                os.stat(original, dir_fd=destination, follow_symlinks=False)
                return 0
        return last_used(seen, self.options.by)

    def look_there(self, source: Source, destination: int, target: str) -> tuple[Digest | None, str]:
        """
        The digest of the source if the destination already has a copy, from a run that was killed late, and the name
        that the copy has or will get. That may be another than `target`: log rotation gives one name to many files.

        @raises Taken where another file has the name, and the source is kept: a kept file has only one copy
        """
        try:
            return self.digest_there(source, destination, target), target
        except Taken:
            self.outcome.conflicts += 1
            if self.options.keep:
                raise
            beside = name_beside(target, source.seen)
            return self.digest_there(source, destination, beside), beside

    def digest_there(self, source: Source, destination: int, target: str) -> Digest | None:
        """
        The digest of the source if its copy has that name, which is flushed to the device then. None: nothing has it.

        @raises Taken where another file has it
        """
        message = "the destination has a different file of this name; both stay until one of them is renamed"
        try:
            existing = os.open(target, FILE, dir_fd=destination)
        except FileNotFoundError:
            return None
        except OSError as problem:
            raise Problem(message) if problem.errno == errno.ELOOP else problem from None
        with closing(existing):
            theirs = os.fstat(existing)
            if os.path.samestat(source.seen, theirs):
                raise Problem("source and destination are the same file")
            if not stat.S_ISREG(theirs.st_mode):
                raise Problem(message)
            if source.form == PLAIN and source.seen.st_size != theirs.st_size:
                raise Taken(message)
            os.fsync(existing)
            os.posix_fadvise(existing, 0, 0, os.POSIX_FADV_DONTNEED)
            digest = digest_if_same(source, existing, self.ticks)
            if digest is None:
                raise Taken(message)
        os.fsync(destination)
        return digest

    def begin(self, place: Place, name: str, source: Source, entry: dict[str, Any]) -> None:
        """Makes a copy under a temporary name. From then on it and the source's descriptor belong to the batch."""
        destination = place.folder.make(self.attributes, self.exclusive, self.outcome.made)
        self.attributes.probe(destination)
        wanted = self.attributes.wanted(source.fd, source.seen)
        require_room(place.folder, destination, source)
        if wanted.dropped:
            entry["dropped"] = list(wanted.dropped)
        source_folder, destination = self.batch.hold(place, destination)
        temporary = new_temporary_name()
        made = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=destination)
        copy = Copy(
            name=name,
            source=source,
            source_folder=source_folder,
            destination=destination,
            target=os.path.basename(entry["to"]),
            wanted=wanted,
            entry=entry,
            temporary=temporary,
            fd=made,
        )
        try:
            copy.digest = transfer(source, made, self.ticks)
            entry.update(copy.digest.journal_entry)
            give(made, wanted, source.fd)
            os.utime(made, ns=(source.seen.st_atime_ns, source.seen.st_mtime_ns))
            if self.options.recall:
                with contextlib.suppress(OSError):
                    os.setxattr(made, RECALLED_ATTRIBUTE, str(int(time.time())).encode())
        except BaseException:
            copy.remove_temporary()
            raise
        self.batch.copies.append(copy)
        self.batch.bytes += source.seen.st_size

    def finish_batch(self) -> None:
        """Takes each step for all copies of the batch. A copy that fails a step is left out of the next ones."""
        batch, self.batch = self.batch, Batch()
        before = self.outcome.moved, self.outcome.moved_bytes
        try:
            is_flushed, is_limited = flush([copy.fd for copy in batch.copies]), self.ticks.is_copy_limited
            copies = self.take(batch.copies, partial(settle, is_flushed, is_limited))
            copies = self.take(copies, self.compare)
            if not self.options.keep:
                copies = self.take(copies, lambda copy: copy.take_source(self.is_held))
                # The private names must be on the device before the copies have their names. Else a loss of power
                # could give a source its own name back, and another program could rename it then.
                unflushed = unflushed_of({copy.source_folder for copy in copies})
                copies = self.take(copies, lambda copy: require_flushed(copy.source_folder, unflushed))
            copies = self.take(copies, self.publish)
            folders = {copy.destination for copy in copies}
            unflushed = {} if flush(folders) else unflushed_of(folders)
            self.journal.make_room()
            changed_mount = self.changed_mount()
            self.take(copies, lambda copy: self.finish_copy(copy, unflushed, changed_mount))
        finally:
            batch.close()
        files, size = self.outcome.moved - before[0], self.outcome.moved_bytes - before[1]
        if files > 0:
            done = {"move": "moved", "copy": "copied", "recall": "recalled"}[self.action]
            log("info", f"{done} {files} files of {size} bytes, from {batch.copies[0].entry['from']!r} on")

    def take(self, copies: list[Copy], step: Callable[[Copy], object]) -> list[Copy]:
        """Takes one step for each copy; returns the copies for which it did not fail."""
        left = []
        for copy in copies:
            self.tick()
            try:
                step(copy)
                left.append(copy)
            except (Skip, Problem, OSError) as reason:
                try:
                    copy.undo()
                except (Problem, OSError) as problem:
                    self.fail(copy.entry["from"], problem)
                self.leave(copy.entry["from"], reason)
        return left

    def compare(self, copy: Copy) -> None:
        """Compares a copy, read from the device, with what was read of the source."""
        assert copy.digest is not None  # it was written
        if read_back(copy.source, copy.fd, self.ticks) != copy.digest.check:
            # Where the source became shorter while it was read, that is no fault of the device.
            require_unchanged(copy.source.seen, os.fstat(copy.source.fd))
            raise Problem(
                "the copy reads back differently from what was written",
                "dmesg --level=err,warn; smartctl --all on the disk of the destination",
            )
        there, wanted = os.fstat(copy.fd), copy.wanted
        copy.there = there
        # A server may map owners without an error.
        if (there.st_uid, there.st_gid, stat.S_IMODE(there.st_mode)) != (wanted.uid, wanted.gid, wanted.mode):
            raise Problem("the destination does not keep its owner and mode")

    def publish(self, copy: Copy) -> None:
        """Gives a copy its name in place of the temporary one."""
        try:
            self.link(copy)
        finally:
            copy.remove_temporary()

    def link(self, copy: Copy) -> None:
        assert copy.there is not None  # compared before
        for is_beside in (False, True):
            target = copy.target
            if is_beside:
                target = name_beside(target, copy.source.seen)
                copy.entry["to"] = os.path.join(os.path.dirname(copy.entry["to"]), target)
                copy.mark()
            try:
                ends = {"src_dir_fd": copy.destination, "dst_dir_fd": copy.destination}
                os.link(copy.temporary, target, **ends, follow_symlinks=False)
            except FileExistsError:
                # Where NFS lost an answer and asked again, the call reports this although it has made the link.
                now = os.stat(target, dir_fd=copy.destination, follow_symlinks=False)
                if not os.path.samestat(copy.there, now):
                    continue
            self.outcome.conflicts += is_beside
            copy.target, copy.published = target, True
            return
        raise Taken("another file of this name appeared at the destination")

    def changed_mount(self) -> Problem | None:
        """How the mount of the destination has changed; None: it has not."""
        try:
            self.mount.prove()
            return None
        except Problem as problem:
            return problem

    def finish_copy(self, copy: Copy, unflushed: dict[int, OSError | None], changed_mount: Problem | None) -> None:
        """Removes the source of a copy that is on the device under its own name."""
        if changed_mount is not None:
            raise changed_mount
        require_flushed(copy.destination, unflushed)
        if self.options.keep:
            self.finish(copy.source, copy.source_folder, copy.name, copy.entry)
            os.posix_fadvise(copy.source.fd, 0, 0, os.POSIX_FADV_DONTNEED)
            return
        assert copy.private is not None  # the source was renamed before
        # Nobody else uses the private name, so it is enough that nobody has opened the file.
        if self.is_held:
            require_held(copy.source.fd)
        self.remove_source(copy.source_folder, copy.private, copy.entry)

    def remove_source(self, folder: int, private: str, entry: dict[str, Any]) -> None:
        """Adds the move to the journal, and then removes the source by its private name."""
        self.journal.add(self.action, entry)
        try:
            os.unlink(private, dir_fd=folder)
        except OSError:
            self.journal.add("undo", entry)
            raise
        self.add_moved(entry)

    def leased(self, fd: int) -> contextlib.AbstractContextManager[None]:
        """Holds the file's lease, where its filesystem has leases."""
        return leased(fd) if self.is_held else contextlib.nullcontext()

    def finish(self, source: Source, folder: int, name: str, entry: dict[str, Any]) -> None:
        """Removes a source whose copy was at the destination before, from a killed run; with --keep only records it."""
        self.journal.make_room()
        # Whoever opens it from here on waits in the kernel until it is gone.
        with self.leased(source.fd):
            self.mount.prove()
            require_unchanged(source.seen, os.fstat(source.fd))
            if self.options.keep:
                self.journal.add(self.action, entry)
            else:
                take_away(
                    source.fd,
                    folder,
                    name,
                    source.seen,
                    is_held=self.is_held,
                    before=lambda: self.journal.add(self.action, entry),
                    undo=lambda: self.journal.add("undo", entry),
                )
        self.add_moved(entry)

    def add_moved(self, entry: dict[str, Any]) -> None:
        if self.options.list:
            self.outcome.moves.append({"action": self.action, **entry})
        self.outcome.moved += 1
        self.outcome.moved_bytes += entry["bytes"]


def unflushed_of(folders: Collection[int]) -> dict[int, OSError | None]:
    """Flushes each folder once, for all of its files: a second fsync would not report the first one's error again."""
    return {fd: problem_of(os.fsync, fd) for fd in folders}


def require_flushed(folder: int, unflushed: dict[int, OSError | None]) -> None:
    problem = unflushed.get(folder)
    if problem is not None:
        raise problem


def share_of(name: str, shares: int) -> int:
    """
    The worker that has the file of that name. A checksum goes with its file: between two workers, the file may have
    left its name and not yet have another, and its checksum would be judged by its own age. So does a file that was put
    back as NAME~TIME: another worker would take what is being moved for what a killed run left.
    """
    return zlib.crc32(os.fsencode(PUT_BACK.sub("", name.removesuffix(CHECKSUM)))) % shares


def recalled_at(fd: int) -> float:
    """When the file was last recalled, in seconds since 1970; 0: never."""
    try:
        return float(os.getxattr(fd, RECALLED_ATTRIBUTE))
    except (OSError, ValueError):
        return 0


def require_room(folder: Folder, destination: int, source: Source) -> None:
    """
    @raises Problem where the destination has no room for the copy. Where there is plenty, a NAS is not asked for each
    file
    """
    if source.form != PLAIN:
        return
    size = source.seen.st_blocks * 512
    if folder.has_room_for < size:
        space = os.fstatvfs(destination)
        free = space.f_bavail * space.f_frsize
        # Some filesystems do not report their size.
        if size > free and space.f_blocks > 0:
            raise Problem("there is no room for it at the destination")
        folder.has_room_for = min(free - ROOM_BYTES, ROOM_BYTES)
    folder.has_room_for -= size


def allow_descriptors() -> None:
    """Raises this process's limit of open files to what a batch needs, where the hard limit lets it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(DESCRIPTORS, hard)), hard))


def settle(is_flushed: bool, is_limited: bool, copy: Copy) -> None:
    """
    Drops a copy from the page cache, so that it is read from the device, and starts to read it: the device then reads
    all copies of a batch at once. Where a limit counts what is read, it is read later.
    """
    if not is_flushed:
        os.fsync(copy.fd)
    os.posix_fadvise(copy.fd, 0, 0, os.POSIX_FADV_DONTNEED)
    if not is_limited:
        os.posix_fadvise(copy.fd, 0, 0, os.POSIX_FADV_WILLNEED)


def last_used(seen: os.stat_result, by: str) -> float:
    return max(seen.st_mtime, seen.st_atime) if by == ACCESS else seen.st_mtime


def name_beside(name: str, seen: os.stat_result) -> str:
    """NAME~TIME for a file whose name is taken: TIME is when it was written. A compressed file keeps its ending."""
    stem, ending = next(((name.removesuffix(one), one) for one in COMPRESSED if name.endswith(one)), (name, ""))
    ending = f"~{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(seen.st_mtime))}{ending}"
    return shortened(stem, ending) + ending


def is_copied(seen: os.stat_result, destination: int, target: str, form: str) -> bool:
    """Whether the copy has the same time and size. Neither is read. A server may only keep whole seconds."""
    try:
        there = os.stat(target, dir_fd=destination, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return (
        stat.S_ISREG(there.st_mode)
        and int(there.st_mtime) == int(seen.st_mtime)
        and (form != PLAIN or there.st_size == seen.st_size)
    )


def problem_of(work: Callable[[int], object], fd: int) -> OSError | None:
    try:
        work(fd)
        return None
    except OSError as problem:
        return problem


def is_below(path: str, folder: str) -> bool:
    return os.path.commonpath([path, folder]) == folder


def names_below(path: str, folder: str) -> list[str]:
    return [name for name in os.path.relpath(path, folder).split("/") if name != "."]
