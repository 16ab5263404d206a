"""Moves files that are older than some days from one storage tier to another; never loses, overwrites or doubles one.

A file is copied to a temporary name beside its destination, flushed, read back from the device and compared. Its source
is then taken to a private name, so that no other program renames or rotates it any more, with an attribute that tells
where the copy goes. The copy gets its name by link(2), which replaces nothing, and also works on NFSv3, where
renameat2(2) without replacing doesn't. Only once that is on the device too does the source go. Files take each of these
steps in batches, since a flush of many costs little more than that of one. Workers, each a process, share the files by
their names. Killed anywhere, the next run finds the file at its source, under its own name or the private one, or at
its destination, and finishes.
Summary on standard output, log on standard error.
A move is in the journal before its source goes: none is missing there, and one that was killed then is there twice.

exit status: 0 all well, 1 something could not be moved (the log says what), 2 wrong usage, 75 another run has the lock
"""

import argparse
import contextlib
import ctypes
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

from jts_storage.attributes import BEST_EFFORT, STRICT, Attributes, Wanted, give
from jts_storage.content import COMPRESS, DECOMPRESS, PLAIN, Digest, has_large_holes, is_same, read_back, transfer
from jts_storage.destination import Folder, remove_empty
from jts_storage.journal import Journal
from jts_storage.log import log
from jts_storage.logs import SYSTEM_FOLDERS, database_sign, is_log, is_rotated
from jts_storage.mounts import Mount, closing, mount_id, mounted
from jts_storage.problem import Hopeless, Problem, Skip, reason_of
from jts_storage.removal import (
    FILE,
    FOLDER,
    LEAVING,
    RECALLED_ATTRIBUTE,
    TARGET_ATTRIBUTE,
    alone,
    hold,
    name_of,
    new_temporary_name,
    open_seen,
    private_name_of,
    put_back,
    require_held,
    require_taken,
    require_unchanged,
    take_away,
    take_name,
    target_of,
    withdraw,
)
from jts_storage.workers import Tell, in_processes

PROGRESS_SECONDS = 60
TELL_SECONDS = 5
# After so long, no other rule goes on with what it began.
LEFT_SECONDS = 2 * 86400
# What a worker has under way: it reads back what a flush has just written, and has two files open of each.
BATCH_BYTES = 64 << 20
BATCH_FILES = 400
DESCRIPTORS = 4096
# Where there may be less room than that, each file is looked at for itself.
ROOM_BYTES = 1 << 30
WORKERS = 4
LIBC = ctypes.CDLL(None, use_errno=True)
TEMPORARY = re.compile(r"\.jts-moving-[0-9a-f]{16}")
COMPRESSED = (".zst", ".gz", ".xz", ".bz2", ".lz4")
ZSTD = ".zst"
# Those of one reason that are told in the log, each for itself.
TOLD_OF_A_REASON = 5
CHECKSUM = ".sha256"


class Taken(Problem):
    """Another file has the name."""


def main(words: Sequence[str] | None = None) -> int:
    options = parse_arguments(words)
    signal.signal(signal.SIGIO, signal.SIG_IGN)
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
    move.tell_more_failed()
    if options.json:
        log("info", move.told())
    print(json.dumps(move.summary()) if options.json else move.told())
    return 1 if move.outcome.failed else 0


def parse_arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="jts_storage move",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--source", required=True, action="append", help="folder whose old files move; may be repeated")
    parser.add_argument("--source-mount", help="mount point that every source must be on; left out: whatever it is on")
    parser.add_argument("--relative-to", help="folder that paths at the destination start from; left out: the source")
    parser.add_argument("--destination", required=True, help="folder they move to, on --destination-mount")
    parser.add_argument(
        "--destination-mount", required=True, help="mount point; anything but a mount of its own is refused"
    )
    parser.add_argument("--older-than-days", required=True, type=float, help="by the time of the last modification")
    parser.add_argument(
        "--modified-before", type=float, default=0, help="as well as those: seconds since 1970, where more must move"
    )
    parser.add_argument("--pattern", default="*", help="only files with such a name, for example '*.log*'")
    parser.add_argument("--name", help="only the file of exactly this name, right in the source")
    parser.add_argument(
        "--only-logs",
        action="store_true",
        help="only files with a log's name, and nothing of a folder that is a database's: see jts_storage/logs.py",
    )
    parser.add_argument(
        "--only-rotated",
        action="store_true",
        help="only logs that something rotated, and none of what the system itself needs: see jts_storage/logs.py",
    )
    forms = parser.add_mutually_exclusive_group()
    forms.add_argument(
        "--compress",
        action="store_true",
        help="with zstd, to NAME.zst; what is compressed moves as it is, and so does what has 64 MiB of holes",
    )
    forms.add_argument("--decompress", action="store_true", help="NAME.zst to NAME")
    parser.add_argument(
        "--keep",
        action="store_true",
        help="copy and leave the source; a copy of the same time and size is not made again",
    )
    parser.add_argument(
        "--recall", action="store_true", help="tell the move as a recall; the file is then as old as this move"
    )
    parser.add_argument(
        "--attributes",
        choices=(STRICT, BEST_EFFORT),
        default=STRICT,
        help="strict: a file stays whose owner, ACL or extended attributes the destination can't keep; best-effort: it "
        "moves without them, and the journal tells which",
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would move, and change nothing")
    parser.add_argument("--json", action="store_true", help="the summary as JSON")
    parser.add_argument(
        "--list", action="store_true", help="each move in the summary as well; of a dry run none in the log then"
    )
    parser.add_argument(
        "--journal",
        help="file to which each move is appended, a line of JSON; at 8 MiB it becomes FILE.1, and so on up to 8",
    )
    parser.add_argument("--lock", default="/run/jts-storage-tiering.lock", help="file that only one run can lock")
    parser.add_argument(
        "--lock-descriptor", type=int, help="open file that the caller has locked already, in place of --lock"
    )
    parser.add_argument("--stall-seconds", type=int, default=300, help="end as killed after so long without progress")
    parser.add_argument(
        "--workers",
        type=int,
        default=min(WORKERS, len(os.sched_getaffinity(0))),
        help=f"processes that share the files; left out: one a processor, {WORKERS} at most",
    )
    options = parser.parse_args(words)
    if not options.older_than_days >= 0 or not options.modified_before >= 0:
        parser.error("--older-than-days and --modified-before must not be negative")
    if options.workers < 1:
        parser.error("--workers must be at least 1")
    for option in ("source_mount", "relative_to", "destination", "destination_mount"):
        if getattr(options, option) is not None:
            setattr(options, option, os.path.abspath(getattr(options, option)))
    options.source = [os.path.abspath(source) for source in options.source]
    if len(options.source) > 1 and options.relative_to is None:
        parser.error("several sources need --relative-to, which keeps their files apart")
    for source in options.source:
        if is_below(source, options.destination) or is_below(options.destination, source):
            parser.error(f"{source} and {options.destination} lie in each other")
        if options.relative_to is not None and not is_below(source, options.relative_to):
            parser.error(f"{source} is not below {options.relative_to}")
    if not is_below(options.destination, options.destination_mount):
        parser.error(f"{options.destination} is not below {options.destination_mount}")
    return options


def take_lock(options: argparse.Namespace) -> bool:
    if options.lock_descriptor is None:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        options.lock_descriptor = os.open(options.lock, flags, 0o600)
    try:
        fcntl.flock(options.lock_descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@dataclass(eq=False)
class Place:
    """A folder of the source that is looked through, and where its files go."""

    fd: int
    folder: Folder
    path: str


@dataclass
class Copy:
    """A file on its way. Closed are its descriptors by the batch that it is in."""

    name: str
    seen: os.stat_result
    source_fd: int
    source: int
    destination: int
    target: str
    form: str
    wanted: Wanted
    told: dict[str, Any]
    temporary: str
    fd: int
    digest: Digest | None = None
    there: os.stat_result | None = None
    """The copy, once it was compared."""
    published: bool = False
    """Whether it has its name."""
    private: str | None = None
    """The source's name, once its own was taken."""

    def remove_temporary(self) -> None:
        """Closed before its name goes, since NFS renames what is open to .nfsXXXX instead."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.temporary, dir_fd=self.destination)

    def take_source(self, is_held: bool) -> None:
        """Takes the source's name, and keeps others from opening it."""
        if is_held:
            hold(self.source_fd)
        require_unchanged(self.seen, os.fstat(self.source_fd))
        self.mark()
        try:
            self.private = take_name(self.source_fd, self.source, self.name)
        except FileNotFoundError:
            raise Skip("changed meanwhile") from None
        require_taken(self.source_fd, self.source, self.private, self.seen, is_held)

    def mark(self) -> None:
        """Says on the source where the copy goes. NFSv3 keeps none: there the next run goes by the name alone."""
        with contextlib.suppress(OSError):
            os.setxattr(self.source_fd, TARGET_ATTRIBUTE, os.fsencode(self.told["to"]))

    def undo(self) -> None:
        """Takes the copy back unless the source is gone, which else gets its name again."""
        if self.private is not None:
            try:
                os.stat(self.private, dir_fd=self.source, follow_symlinks=False)
            except FileNotFoundError:
                return
        if self.published and self.there is not None:
            # Where it can't be taken back, the next run finds it there.
            with (
                contextlib.suppress(FileNotFoundError, Problem),
                closing(os.open(self.target, FILE, dir_fd=self.destination)) as fd,
            ):
                if os.path.samestat(self.there, os.fstat(fd)):
                    withdraw(fd, self.destination, self.target)
        if self.private is not None:
            put_back(self.source, self.private, self.name)
        with contextlib.suppress(OSError):
            os.removexattr(self.source_fd, TARGET_ATTRIBUTE)
        with contextlib.suppress(OSError):
            fcntl.fcntl(self.source_fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)


class Batch:
    """Copies that take each step together, with the folders that they are in and go to held open."""

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
                os.close(copy.source_fd)
            for held in self.held.values():
                for fd in held:
                    os.close(fd)


class Progress:
    """What workers have done so far, told every minute."""

    def __init__(self) -> None:
        self.of: dict[int, dict[str, int]] = {}
        self.told_at = time.monotonic()

    def tell(self, worker: int, done: dict[str, int]) -> None:
        self.of[worker] = done
        if time.monotonic() - self.told_at > PROGRESS_SECONDS:
            self.told_at = time.monotonic()
            files, size = (sum(one[what] for one in self.of.values()) for what in ("files", "bytes"))
            log("info", f"so far: {files} files of {size} bytes")


@dataclass
class Outcome:
    """What came of a run, or of a worker's share."""

    moved: int = 0
    moved_bytes: int = 0
    unfinished: int = 0
    put_back: int = 0
    conflicts: int = 0
    """Files whose name another one has at the destination."""
    moves: list[dict[str, Any]] = field(default_factory=list)
    made: list[list[str]] = field(default_factory=list)
    """Folders, as paths from the mount down."""
    skipped: dict[str, int] = field(default_factory=dict)
    failed: list[dict[str, str]] = field(default_factory=list)

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
        # What all workers see, each tells.
        known = {one["path"] for one in self.failed}
        self.failed += [one for one in other.failed if one["path"] not in known]


class Move:
    """One run, or a worker's share of it: what was asked for, and what came of it."""

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
        self.told_at = self.alarmed_at = -1e9
        self.says: Tell | None = None

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
            self.says = partial(Progress().tell, 0)
            self.visit_sources()
        else:
            # They are watched for stalls, each for itself.
            signal.alarm(0)
            for result in in_processes(self.options.workers, self.work, Progress().tell):
                self.outcome.add(Outcome(**result))
        # What came into them stays.
        for path in sorted(self.outcome.made, reverse=True):
            remove_empty(self.mount.fd, path)

    def work(self, share: int, says: Tell) -> dict[str, Any]:
        """A worker's."""
        self.share, self.shares, self.says = share, self.options.workers, says
        self.outcome, self.alarmed_at = Outcome(), -1e9
        self.visit_sources()
        self.journal.close()
        return asdict(self.outcome)

    def visit_sources(self) -> None:
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(limits[0], min(DESCRIPTORS, limits[1])), limits[1]))
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
        """Holds off the other workers, which have the lock's file open as well; it goes with the process."""
        fcntl.lockf(self.options.lock_descriptor, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.lockf(self.options.lock_descriptor, fcntl.LOCK_UN)

    def tick(self) -> None:
        """Called at every bit of progress. Without any, the kernel ends us: that alone gets out of a dead NAS."""
        now = time.monotonic()
        if now - self.alarmed_at > self.options.stall_seconds / 10:
            self.alarmed_at = now
            signal.alarm(self.options.stall_seconds)
        if self.says is not None and now - self.told_at > TELL_SECONDS:
            self.told_at = now
            self.says({"files": self.outcome.moved, "bytes": self.outcome.moved_bytes})

    def fail(self, path: str, problem: Exception) -> None:
        reason = reason_of(problem)
        self.outcome.failed.append({"path": path, "reason": reason})
        self.reasons[reason] += 1
        if self.reasons[reason] <= TOLD_OF_A_REASON:
            log("warning", f"not moved: {path!r}: {reason}")

    def tell_more_failed(self) -> None:
        for reason, count in Counter(one["reason"] for one in self.outcome.failed).items():
            if count > TOLD_OF_A_REASON:
                log("warning", f"{count} files in all were not moved: {reason}")

    def leave(self, path: str, reason: Exception) -> None:
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

    def told(self) -> str:
        skipped = ", ".join(f"{count} {reason}" for reason, count in sorted(self.outcome.skipped.items()))
        moved = "would move" if self.options.dry_run else "moved"
        done = f"{moved} {self.outcome.moved} files of {self.outcome.moved_bytes} bytes"
        return f"{done}; skipped: {skipped or 'none'}; not moved: {len(self.outcome.failed)}"

    def remove_unfinished(self) -> None:
        """Removes what killed runs left. The lock is ours, so nobody is writing any of it."""
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
        """A name that a killed run took; returns the one that the file has then."""
        try:
            name = None if self.options.dry_run else put_back(folder, private)
            self.outcome.put_back += 1
            return name
        except (Problem, OSError) as problem:
            self.fail(os.path.join(path, private), problem)
            return None

    def visit_source(self, source: str) -> None:
        """Visits a folder with the folders between it and --relative-to, which are wanted at the destination too."""
        top = self.options.relative_to or source
        with contextlib.ExitStack() as opened:
            try:
                fd = opened.enter_context(closing(os.open(top, FOLDER)))
                folder = self.root
                for name in names_below(source, top):
                    fd = opened.enter_context(closing(os.open(name, FOLDER, dir_fd=fd)))
                    folder = opened.enter_context(Folder(name, folder, like=fd))
            except FileNotFoundError:
                raise Problem("there is no such folder; is its filesystem mounted?") from None
            self.device, self.source_mount = os.fstat(fd).st_dev, mount_id(fd)
            if self.options.source_mount and self.source_mount != Mount(self.options.source_mount).id:
                raise Problem(f"is not on the filesystem that is mounted at {self.options.source_mount}")
            with open("/proc/self/mountinfo", "rb") as table:
                mounts = list(mounted(table))
            self.has_mounts = any(one.point.startswith(f"{source}/") for one in mounts)
            # NFS leases no file that a server may have open for others. Somebody asks for this one.
            is_nfs = any(one.id == self.source_mount and one.type.startswith("nfs") for one in mounts)
            self.is_held = not (is_nfs and self.options.recall)
            place = Place(fd, folder, source)
            if self.options.name is None:
                self.visit(place)
            elif self.is_ours(self.options.name):
                self.visit_asked_for(place)

    def visit_asked_for(self, place: Place) -> None:
        name, private = self.options.name, private_name_of(self.options.name)
        if private in os.listdir(place.fd):
            name = self.go_on(place, private)
        if name is not None:
            self.visit_name(place, name)

    def visit(self, place: Place) -> None:
        with os.scandir(place.fd) as entries:
            is_folder = {entry.name: entry.is_dir(follow_symlinks=False) for entry in entries}
        names = sorted(is_folder)
        sign = database_sign(names) if self.options.only_logs or self.options.only_rotated else None
        if sign is not None:
            if self.share == 0:
                log(
                    "warning",
                    f"{place.path!r} is left alone: {sign!r} in it says that it is a database's. "
                    "Do: keep its logs apart",
                )
                self.outcome.skip("folders of a database")
            return
        for one in names:
            self.tick()
            if one.startswith(LEAVING):
                name = self.go_on(place, one) if self.is_ours(name_of(place.fd, one)) else None
            else:
                name = one if is_folder[one] or self.is_ours(one) else None
            if name is not None:
                self.visit_name(place, name)

    def go_on(self, place: Place, private: str) -> str | None:
        """
        With a file whose name a killed run took: it goes where its copy is there, and else gets a name again, which is
        returned.
        """
        path = os.path.join(place.path, private)
        try:
            fd = os.open(private, FILE, dir_fd=place.fd)
        except OSError:
            # A link, or what is no file.
            return self.put_name_back(place.fd, private, place.path)
        try:
            with closing(fd):
                seen, target = os.fstat(fd), target_of(fd)
                if target is not None and not is_below(target, self.mount.point):
                    # Another rule's, which goes on with it, unless that is no more.
                    if seen.st_ctime > time.time() - LEFT_SECONDS:
                        raise Skip("begun by another rule")
                elif target is not None and stat.S_ISREG(seen.st_mode):
                    name = name_of(place.fd, private)
                    digest = self.digest_at(fd, seen, name, target)
                    if digest is not None:
                        told = {"from": os.path.join(place.path, name), "to": target, "bytes": seen.st_size}
                        if self.options.dry_run:
                            self.tell(told)
                            return None
                        self.journal.make_room()
                        with self.alone(fd):
                            self.mount.prove()
                            require_taken(fd, place.fd, private, seen, self.is_held)
                            self.remove_source(place.fd, private, {**told, **digest.told()})
                        return None
            return self.put_name_back(place.fd, private, place.path)
        except (Skip, Problem, OSError) as reason:
            self.leave(path, reason)
            return None

    def digest_at(self, fd: int, seen: os.stat_result, name: str, target: str) -> Digest | None:
        """The digest of the file, where its copy is at that path; None: it isn't, or another one is."""
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
                return self.digest_there(fd, seen, folder, last, form)
            except (FileNotFoundError, Taken):
                return None

    def is_ours(self, name: str) -> bool:
        """Whether a file of that name is this worker's."""
        return self.shares == 1 or zlib.crc32(os.fsencode(name)) % self.shares == self.share

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
        if TEMPORARY.fullmatch(name) or not fnmatch.fnmatchcase(name, self.options.pattern):
            raise Skip("of another name")
        if self.options.only_logs and not is_log(name):
            raise Skip("no logs by their names")
        if self.options.only_rotated and not is_rotated(name):
            raise Skip("no rotated logs by their names")
        if self.last_written(place, name, seen) >= self.cutoff:
            raise Skip("too young")
        form, target = self.form_of(name, seen)
        with contextlib.ExitStack() as opened:
            fd = open_seen(name, FILE, place.fd)
            opened.callback(os.close, fd)
            require_unchanged(seen, os.fstat(fd))
            if self.has_mounts and mount_id(fd) != self.source_mount:
                raise Skip("on another filesystem")
            if recalled_at(fd) >= self.cutoff:
                raise Skip("too young")
            with self.alone(fd):
                pass
            destination = place.folder.open()
            if self.options.keep and destination is not None and is_copied(seen, destination, target, form):
                raise Skip("copied already")
            digest = None
            if destination is not None:
                digest, target = self.look_there(fd, seen, destination, target, form)
            told = {"from": path, "to": self.path_there(place, target), "bytes": seen.st_size}
            if self.options.dry_run:
                self.tell(told)
                if not self.options.list:
                    log("info", f"would {self.action} {path!r} to {told['to']!r} ({seen.st_size} bytes)")
            elif digest is not None:
                self.finish(fd, seen, place.fd, name, {**told, **digest.told()})
            else:
                self.begin(place, name, seen, fd, form, target, told)
                opened.pop_all()
        if len(self.batch.copies) >= BATCH_FILES or self.batch.bytes >= BATCH_BYTES:
            self.finish_batch()

    def form_of(self, name: str, seen: os.stat_result) -> tuple[str, str]:
        """What becomes of the content, and the name that it then has."""
        if self.form == COMPRESS:
            # A name that is too long for one more ending moves as it is, and so do holes, which take no room.
            fits = not name.endswith(COMPRESSED) and len(os.fsencode(name)) <= 255 - len(ZSTD)
            if fits and not has_large_holes(seen):
                return COMPRESS, name + ZSTD
        elif self.form == DECOMPRESS and name.endswith(ZSTD) and name != ZSTD:
            return DECOMPRESS, name.removesuffix(ZSTD)
        return PLAIN, name

    def path_there(self, place: Place, target: str) -> str:
        return os.path.join(self.options.destination, *place.folder.names(), target)

    def last_written(self, place: Place, name: str, seen: os.stat_result) -> float:
        """
        When a file was. A checksum is as old as what it is about, so that both move in one run; and where that is at
        the destination already, its checksum follows.
        """
        if not name.endswith(CHECKSUM):
            return seen.st_mtime
        about = name.removesuffix(CHECKSUM)
        with contextlib.suppress(FileNotFoundError):
            return os.stat(about, dir_fd=place.fd, follow_symlinks=False).st_mtime
        destination = place.folder.open()
        if destination is not None:
            with contextlib.suppress(FileNotFoundError):
                os.stat(about, dir_fd=destination, follow_symlinks=False)
                return 0
        return seen.st_mtime

    def look_there(
        self, fd: int, seen: os.stat_result, destination: int, target: str, form: str
    ) -> tuple[Digest | None, str]:
        """
        The digest of the file where the destination has it already, from a run that was killed late, and the name that
        it has there or is to have: log rotation gives one name to many files.
        @raises Taken where another file has its name and it is kept, since what is kept is one file, with one copy
        """
        try:
            return self.digest_there(fd, seen, destination, target, form), target
        except Taken:
            self.outcome.conflicts += 1
            if self.options.keep:
                raise
            beside = name_beside(target, seen)
            return self.digest_there(fd, seen, destination, beside, form), beside

    def digest_there(self, fd: int, seen: os.stat_result, destination: int, target: str, form: str) -> Digest | None:
        """None: nothing has that name. What is there is then on the device. @raises Taken where it is another file."""
        said = "the destination has a different file of this name; both stay until one of them is renamed"
        try:
            existing = os.open(target, FILE, dir_fd=destination)
        except FileNotFoundError:
            return None
        except OSError as problem:
            raise Problem(said) if problem.errno == errno.ELOOP else problem from None
        with closing(existing):
            theirs = os.fstat(existing)
            if os.path.samestat(seen, theirs):
                raise Problem("source and destination are the same file")
            if not stat.S_ISREG(theirs.st_mode):
                raise Problem(said)
            if form == PLAIN and seen.st_size != theirs.st_size:
                raise Taken(said)
            os.fsync(existing)
            os.posix_fadvise(existing, 0, 0, os.POSIX_FADV_DONTNEED)
            digest = is_same(form, fd, seen, existing, self.tick)
            if digest is None:
                raise Taken(said)
        os.fsync(destination)
        return digest

    def begin(
        self, place: Place, name: str, seen: os.stat_result, fd: int, form: str, target: str, told: dict[str, Any]
    ) -> None:
        """Makes a copy, which is the batch's from then on, and so is the descriptor."""
        destination = place.folder.make(self.attributes, self.exclusive, self.outcome.made)
        self.attributes.probe(destination)
        wanted = self.attributes.wanted(fd, seen)
        require_room(place.folder, destination, seen, form)
        if wanted.dropped:
            told["dropped"] = list(wanted.dropped)
        held = self.batch.hold(place, destination)
        temporary = new_temporary_name()
        made = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=destination)
        copy = Copy(name, seen, fd, *held, target, form, wanted, told, temporary, made)
        try:
            digest = copy.digest = transfer(form, fd, seen, made, self.tick)
            told.update(digest.told())
            give(made, wanted, fd)
            os.utime(made, ns=(seen.st_atime_ns, seen.st_mtime_ns))
            if self.options.recall:
                with contextlib.suppress(OSError):
                    os.setxattr(made, RECALLED_ATTRIBUTE, str(int(time.time())).encode())
        except BaseException:
            copy.remove_temporary()
            raise
        self.batch.copies.append(copy)
        self.batch.bytes += seen.st_size

    def finish_batch(self) -> None:
        """Each step for all copies; one that fails a step is left out of the next."""
        batch, self.batch = self.batch, Batch()
        before = self.outcome.moved, self.outcome.moved_bytes
        try:
            copies = self.take(batch.copies, partial(settle, flush([copy.fd for copy in batch.copies])))
            copies = self.take(copies, self.compare)
            if not self.options.keep:
                copies = self.take(copies, lambda copy: copy.take_source(self.is_held))
                # Before the copy has its name, so that a loss of power doesn't give the source its own again, by which
                # others would rename it.
                unflushed = unflushed_of({copy.source for copy in copies})
                copies = self.take(copies, lambda copy: require_flushed(copy.source, unflushed))
            copies = self.take(copies, self.publish)
            folders = {copy.destination for copy in copies}
            unflushed = {} if flush(folders) else unflushed_of(folders)
            self.journal.make_room()
            unproved = self.unproved()
            self.take(copies, lambda copy: self.finish_copy(copy, unflushed, unproved))
        finally:
            batch.close()
        files, size = self.outcome.moved - before[0], self.outcome.moved_bytes - before[1]
        if files > 0:
            log("info", f"{self.done()} {files} files of {size} bytes, from {batch.copies[0].told['from']!r} on")

    def done(self) -> str:
        return {"move": "moved", "copy": "copied", "recall": "recalled"}[self.action]

    def take(self, copies: list[Copy], step: Callable[[Copy], object]) -> list[Copy]:
        """One step for each; returns those that it did not fail for."""
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
                    self.fail(copy.told["from"], problem)
                self.leave(copy.told["from"], reason)
        return left

    def compare(self, copy: Copy) -> None:
        """Compares a copy that is on the device with what was read."""
        assert copy.digest is not None  # it was filled
        if read_back(copy.form, copy.source_fd, copy.seen, copy.fd, self.tick) != copy.digest.check:
            # What it is cut off, where it shrank while it was read, is no fault of the device's.
            require_unchanged(copy.seen, os.fstat(copy.source_fd))
            raise Problem("the copy reads back differently from what was written: check the device of the destination")
        there, wanted = os.fstat(copy.fd), copy.wanted
        copy.there = there
        # A server that maps owners may do so without an error.
        if (there.st_uid, there.st_gid, stat.S_IMODE(there.st_mode)) != (wanted.uid, wanted.gid, wanted.mode):
            raise Problem("the destination does not keep its owner and mode")

    def publish(self, copy: Copy) -> None:
        """Gives a copy its name."""
        try:
            self.link(copy)
        finally:
            copy.remove_temporary()

    def link(self, copy: Copy) -> None:
        assert copy.there is not None  # compared before
        for is_beside in (False, True):
            target = copy.target
            if is_beside:
                target = name_beside(target, copy.seen)
                copy.told["to"] = os.path.join(os.path.dirname(copy.told["to"]), target)
                copy.mark()
            try:
                ends = {"src_dir_fd": copy.destination, "dst_dir_fd": copy.destination}
                os.link(copy.temporary, target, **ends, follow_symlinks=False)
            except FileExistsError:
                # Where NFS lost the answer and asked again, a link that worked says that it exists already.
                now = os.stat(target, dir_fd=copy.destination, follow_symlinks=False)
                if not os.path.samestat(copy.there, now):
                    continue
            self.outcome.conflicts += is_beside
            copy.target, copy.published = target, True
            return
        raise Taken("another file of this name came up at the destination")

    def unproved(self) -> Problem | None:
        """Why what is mounted at the destination isn't what was at first, where that is so."""
        try:
            self.mount.prove()
            return None
        except Problem as problem:
            return problem

    def finish_copy(self, copy: Copy, unflushed: dict[int, OSError | None], unproved: Problem | None) -> None:
        """Takes the source away, whose copy is on the device under its own name."""
        if unproved is not None:
            raise unproved
        require_flushed(copy.destination, unflushed)
        if self.options.keep:
            self.finish(copy.source_fd, copy.seen, copy.source, copy.name, copy.told)
            os.posix_fadvise(copy.source_fd, 0, 0, os.POSIX_FADV_DONTNEED)
            return
        assert copy.private is not None  # taken before
        # Nobody else uses that name, and nobody has opened the file.
        if self.is_held:
            require_held(copy.source_fd)
        self.remove_source(copy.source, copy.private, copy.told)

    def remove_source(self, folder: int, private: str, told: dict[str, Any]) -> None:
        """By its private name, once it is in the journal."""
        self.journal.add(self.action, told)
        try:
            os.unlink(private, dir_fd=folder)
        except OSError:
            self.journal.add("undo", told)
            raise
        self.tell(told)

    def alone(self, fd: int) -> contextlib.AbstractContextManager[None]:
        """Holds the file's lease, where its filesystem has leases."""
        return alone(fd) if self.is_held else contextlib.nullcontext()

    def finish(self, fd: int, seen: os.stat_result, source: int, name: str, told: dict[str, Any]) -> None:
        """The same of a file whose copy was there before, from a run that was killed."""
        self.journal.make_room()
        # Whoever opens it from here on waits in the kernel until it is gone.
        with self.alone(fd):
            self.mount.prove()
            require_unchanged(seen, os.fstat(fd))
            if self.options.keep:
                self.journal.add(self.action, told)
            else:
                take_away(
                    fd,
                    source,
                    name,
                    seen,
                    is_held=self.is_held,
                    before=lambda: self.journal.add(self.action, told),
                    undo=lambda: self.journal.add("undo", told),
                )
        self.tell(told)

    def tell(self, told: dict[str, Any]) -> None:
        if self.options.list:
            self.outcome.moves.append({"action": self.action, **told})
        self.outcome.moved += 1
        self.outcome.moved_bytes += told["bytes"]


def unflushed_of(folders: Collection[int]) -> dict[int, OSError | None]:
    """Once for all files of a folder: a second fsync would not tell the first one's error again."""
    return {fd: problem_of(os.fsync, fd) for fd in folders}


def require_flushed(folder: int, unflushed: dict[int, OSError | None]) -> None:
    problem = unflushed.get(folder)
    if problem is not None:
        raise problem


def recalled_at(fd: int) -> float:
    """When it was, in seconds since 1970; 0: never."""
    try:
        return float(os.getxattr(fd, RECALLED_ATTRIBUTE))
    except (OSError, ValueError):
        return 0


def require_room(folder: Folder, destination: int, seen: os.stat_result, form: str) -> None:
    """As long as there is plenty of it, not for each file: a NAS would be asked for each."""
    if form != PLAIN:
        return
    size = seen.st_blocks * 512
    if folder.has_room_for < size:
        space = os.fstatvfs(destination)
        free = space.f_bavail * space.f_frsize
        # Some don't tell.
        if size > free and space.f_blocks > 0:
            raise Problem("there is no room for it at the destination")
        folder.has_room_for = min(free - ROOM_BYTES, ROOM_BYTES)
    folder.has_room_for -= size


def flush(fds: Collection[int]) -> bool:
    """
    Writes all of the destination's filesystem to its device at once. False where that failed: fsync(2) then tells which
    files. Since Linux 5.8 syncfs(2) fails where any file of the filesystem could not be written.
    """
    return all(LIBC.syncfs(fd) == 0 for fd in list(fds)[:1])


def settle(is_flushed: bool, copy: Copy) -> None:
    """Out of the page cache, so that what the device has is compared, which is asked for all of a batch at once."""
    if not is_flushed:
        os.fsync(copy.fd)
    os.posix_fadvise(copy.fd, 0, 0, os.POSIX_FADV_DONTNEED)
    os.posix_fadvise(copy.fd, 0, 0, os.POSIX_FADV_WILLNEED)


def name_beside(name: str, seen: os.stat_result) -> str:
    """The name for a file whose own is taken: it says when that was written, and keeps the ending that tools go by."""
    stem, ending = next(((name.removesuffix(one), one) for one in COMPRESSED if name.endswith(one)), (name, ""))
    return f"{stem}~{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(seen.st_mtime))}{ending}"


def is_copied(seen: os.stat_result, destination: int, target: str, form: str) -> bool:
    """Whether an earlier run made the copy, without reading either. A server may keep whole seconds alone."""
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
