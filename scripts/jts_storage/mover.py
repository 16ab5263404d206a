"""Moves files that are older than some days from one storage tier to another; never loses, overwrites or doubles one.

A file is copied to a temporary name beside its destination, flushed, read back from the device and compared; it then
gets its name by link(2), which replaces nothing, and also works on NFSv3, where renameat2(2) without replacing doesn't.
Only once the folder is on the device too does the source go. Files take each of these steps in batches, since a flush
of many costs little more than that of one, and the next batch is copied meanwhile. Killed anywhere, the next run finds
the file at its source, at both places with the same content, or at its destination, and finishes. Summary on standard
output, log on standard error.
A move is in the journal before its source goes: none is missing there, and one that was killed then is there twice.

exit status: 0 all well, 1 something could not be moved (the log says what), 2 wrong usage, 75 another run has the lock
"""

import argparse
import contextlib
import ctypes
import errno
import fcntl
import fnmatch
import hashlib
import json
import os
import re
import secrets
import shutil
import signal
import stat
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Self, TypeVarTuple

from jts_storage.journal import Journal
from jts_storage.log import log
from jts_storage.logs import database_sign, is_log
from jts_storage.mounts import Mount, closing, mount_id
from jts_storage.problem import Problem, Skip, reason_of
from jts_storage.removal import (
    FILE,
    FOLDER,
    LEAVING,
    NAME_ATTRIBUTE,
    alone,
    open_seen,
    put_back,
    require_unchanged,
    take_away,
    withdraw,
)

CHUNK_BYTES = 1 << 20
BLOCK_BYTES = 4096
WRITEBACK_BYTES = 8 << 20
FLUSH_BYTES = 256 << 20
PROGRESS_SECONDS = 60
BATCH_BYTES = 64 << 20
# Each has four descriptors, two batches are under way at once, and a service may have 1024.
BATCH_FILES = 100
ZEROS = bytes(BLOCK_BYTES)
LIBC = ctypes.CDLL(None)
TEMPORARY = re.compile(r"\.jts-moving-[0-9a-f]{16}")
COMPRESSED = (".zst", ".gz", ".xz", ".bz2", ".lz4")
CHECKSUM = ".sha256"
ACL = "system.posix_acl_"
XATTRS = ("user.", "trusted.", "security.", ACL)
Ts = TypeVarTuple("Ts")


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
    if options.json:
        log("info", move.told())
    print(json.dumps(move.summary()) if options.json else move.told())
    return 1 if move.failed else 0


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
    parser.add_argument(
        "--only-logs",
        action="store_true",
        help="only files with a log's name, and nothing of a folder that is a database's: see jts_storage/logs.py",
    )
    parser.add_argument(
        "--compress", action="store_true", help="with zstd, to NAME.zst; compressed files move as they are"
    )
    parser.add_argument(
        "--keep",
        action="store_true",
        help="copy and leave the source; a copy of the same time and size is not made again",
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would move, and change nothing")
    parser.add_argument("--json", action="store_true", help="the summary as JSON")
    parser.add_argument("--list", action="store_true", help="each move in the summary as well; without one in the log")
    parser.add_argument(
        "--journal",
        help="file to which each move is appended, a line of JSON; at 8 MiB it becomes FILE.1, and so on up to 8",
    )
    parser.add_argument("--lock", default="/run/jts-storage-tiering.lock", help="file that only one run can lock")
    parser.add_argument(
        "--lock-descriptor", type=int, help="open file that the caller has locked already, in place of --lock"
    )
    parser.add_argument("--stall-seconds", type=int, default=300, help="end as killed after so long without progress")
    options = parser.parse_args(words)
    if not options.older_than_days >= 0 or not options.modified_before >= 0:
        parser.error("--older-than-days and --modified-before must not be negative")
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
    if options.compress and shutil.which("zstd") is None:
        parser.error("--compress needs zstd, which is not installed")
    return options


def take_lock(options: argparse.Namespace) -> bool:
    descriptor: int | None = options.lock_descriptor
    if descriptor is None:
        descriptor = os.open(options.lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


class Move:
    """One run: what was asked for, and what came of it."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.cutoff = max(time.time() - options.older_than_days * 86400, options.modified_before)
        self.journal = Journal(options.journal)
        self.action = "copy" if options.keep else "move"
        self.moves: list[dict[str, Any]] = []
        self.batch: list[Copy] = []
        self.batch_bytes = 0
        self.last_batch: Background | None = None
        # Of what is told.
        self.lock = threading.RLock()
        self.moved, self.moved_bytes, self.unfinished, self.put_back = 0, 0, 0, 0
        self.skipped: dict[str, int] = {}
        self.failed: list[dict[str, str]] = []
        self.told_at = time.monotonic()

    def run(self) -> None:
        self.tick()
        self.mount = Mount(self.options.destination_mount)
        self.root = Folder(fd=self.mount.fd)
        for name in names_below(self.options.destination, self.mount.point):
            self.root = Folder(name, self.root)
        self.remove_unfinished()
        try:
            for source in self.options.source:
                try:
                    self.visit_source(source)
                except (Skip, Problem, OSError) as reason:
                    self.leave(source, reason)
            self.finish_batch()
        finally:
            self.wait_for_last_batch()

    def tick(self) -> None:
        """Called at every bit of progress. Without any, the kernel ends us: that alone gets out of a dead NAS."""
        signal.alarm(self.options.stall_seconds)
        if time.monotonic() - self.told_at > PROGRESS_SECONDS:
            self.told_at = time.monotonic()
            log("info", f"so far: {self.told()}")

    def fail(self, path: str, problem: Exception) -> None:
        reason = reason_of(problem)
        with self.lock:
            self.failed.append({"path": path, "reason": reason})
            log("warning", f"not moved: {path!r}: {reason}")

    def leave(self, path: str, reason: Exception) -> None:
        if isinstance(reason, Skip):
            with self.lock:
                self.skipped[str(reason)] = self.skipped.get(str(reason), 0) + 1
        else:
            self.fail(path, reason)

    def summary(self) -> dict[str, Any]:
        return {
            "dryRun": self.options.dry_run,
            "moved": {"files": self.moved, "bytes": self.moved_bytes},
            "skipped": self.skipped,
            "failed": self.failed,
            **({"moves": self.moves} if self.options.list else {}),
            "unfinishedCopiesRemoved": self.unfinished,
            "namesPutBack": self.put_back,
        }

    def told(self) -> str:
        skipped = ", ".join(f"{count} {reason}" for reason, count in sorted(self.skipped.items()))
        moved = "would move" if self.options.dry_run else "moved"
        done = f"{moved} {self.moved} files of {self.moved_bytes} bytes"
        return f"{done}; skipped: {skipped or 'none'}; not moved: {len(self.failed)}"

    def remove_unfinished(self) -> None:
        """Removes what killed runs left. The lock is ours, so nobody is writing any of it."""
        fd = self.root.open(create=False)
        if fd is None:
            return
        for _, folders, files, folder in os.fwalk(".", topdown=True, follow_symlinks=False, dir_fd=fd):
            self.tick()
            if mount_id(folder) != self.mount.id:
                folders.clear()
                continue
            self.put_back_all(folder, files, "")
            for name in filter(TEMPORARY.fullmatch, folders + files):
                try:
                    if not self.options.dry_run:
                        (os.rmdir if name in folders else os.unlink)(name, dir_fd=folder)
                    self.unfinished += 1
                except OSError as problem:
                    self.fail(name, problem)
            folders[:] = [name for name in folders if not TEMPORARY.fullmatch(name)]

    def put_back_all(self, folder: int, names: list[str], path: str) -> list[str]:
        """Names that a killed run took get theirs back; returns the names as they are then."""
        now = [name for name in names if not name.startswith(LEAVING)]
        for private in [name for name in names if name.startswith(LEAVING)]:
            try:
                if not self.options.dry_run:
                    now.append(put_back(folder, private))
                self.put_back += 1
            except (Problem, OSError) as problem:
                self.fail(os.path.join(path, private), problem)
        return now

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
            self.visit(fd, folder, source)

    def visit(self, source: int, folder: "Folder", path: str) -> None:
        names = sorted(os.listdir(source))
        if self.options.only_logs and (sign := database_sign(names)) is not None:
            log(
                "warning",
                f"{path!r} is left alone: {sign!r} in it says that it is a database's. Do: keep its logs apart",
            )
            raise Skip("folders of a database")
        for name in self.put_back_all(source, names, path):
            self.tick()
            try:
                try:
                    seen = os.stat(name, dir_fd=source, follow_symlinks=False)
                except FileNotFoundError:
                    raise Skip("vanished") from None
                if not stat.S_ISDIR(seen.st_mode):
                    self.move(source, name, seen, folder, os.path.join(path, name))
                    continue
                with (
                    closing(open_seen(name, FOLDER, source)) as child,
                    Folder(name, folder, like=child) as below,
                ):
                    if os.fstat(child).st_dev != self.device or mount_id(child) != self.source_mount:
                        raise Skip("on another filesystem")
                    self.visit(child, below, os.path.join(path, name))
            except (Skip, Problem, OSError, RecursionError) as reason:
                self.leave(os.path.join(path, name), reason)

    def move(self, source: int, name: str, seen: os.stat_result, folder: "Folder", path: str) -> None:
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
        if self.last_written(source, name, seen, folder) >= self.cutoff:
            raise Skip("too young")
        # A name that is too long for one more ending moves as it is.
        compress = self.options.compress and not name.endswith(COMPRESSED) and len(os.fsencode(name)) <= 251
        target = name + ".zst" if compress else name
        with closing(open_seen(name, FILE, source)) as fd:
            require_unchanged(seen, os.fstat(fd))
            if mount_id(fd) != self.source_mount:
                raise Skip("on another filesystem")
            with alone(fd):
                pass
            self.mount.prove()
            destination = folder.open(create=not self.options.dry_run)
            if self.options.keep and destination is not None and is_copied(seen, destination, target, compress):
                raise Skip("copied already")
            digest = None
            if destination is not None:
                try:
                    digest = self.hash_there(fd, destination, target, compress)
                except Taken:
                    # Log rotation gives one name to many files. What is kept is one file, which has one copy.
                    if self.options.keep:
                        raise
                    target = name_beside(target, seen)
                    digest = self.hash_there(fd, destination, target, compress)
            to = os.path.join(self.options.destination, *folder.names(), target)
            told = {"from": path, "to": to, "bytes": seen.st_size}
            if self.options.dry_run:
                self.tell(told)
            elif digest is not None:
                self.finish(fd, seen, source, name, {**told, "sha256": digest})
            else:
                assert destination is not None  # made above
                require_room(destination, seen, compress)
                self.batch.append(self.filled(Copy(destination, target, compress, fd, seen, source, name, told)))
                self.batch_bytes += seen.st_size
                if len(self.batch) >= BATCH_FILES or self.batch_bytes >= BATCH_BYTES:
                    self.finish_batch()

    def last_written(self, source: int, name: str, seen: os.stat_result, folder: "Folder") -> float:
        """
        When a file was. A checksum is as old as what it is about, so that both move in one run; and where that is at
        the destination already, its checksum follows.
        """
        if not name.endswith(CHECKSUM):
            return seen.st_mtime
        about = name.removesuffix(CHECKSUM)
        with contextlib.suppress(FileNotFoundError):
            return os.stat(about, dir_fd=source, follow_symlinks=False).st_mtime
        destination = folder.open(create=False)
        if destination is not None:
            with contextlib.suppress(FileNotFoundError):
                os.stat(about, dir_fd=destination, follow_symlinks=False)
                return 0
        return seen.st_mtime

    def tell(self, told: dict[str, Any]) -> None:
        with self.lock:
            if self.options.list:
                self.moves.append({"action": self.action, **told})
            else:
                did = (
                    f"would {self.action}" if self.options.dry_run else {"move": "moved", "copy": "copied"}[self.action]
                )
                log("info", f"{did} {told['from']!r} to {told['to']!r} ({told['bytes']} bytes)")
            self.moved += 1
            self.moved_bytes += told["bytes"]

    def finish(self, fd: int, seen: os.stat_result, source: int, name: str, told: dict[str, Any]) -> None:
        """Takes the source away, whose copy is on the device under its own name."""
        self.journal.make_room()
        # Whoever opens it from here on waits in the kernel until it is gone.
        with alone(fd):
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
                    before=lambda: self.journal.add(self.action, told),
                    undo=lambda: self.journal.add("undo", told),
                )
        self.tell(told)

    def finish_batch(self) -> None:
        """In the background, while the next is copied; two are under way at most."""
        batch, self.batch, self.batch_bytes = self.batch, [], 0
        self.wait_for_last_batch()
        self.last_batch = Background(self.finish_copies, batch)

    def wait_for_last_batch(self) -> None:
        last, self.last_batch = self.last_batch, None
        if last is not None:
            last.wait()

    def finish_copies(self, batch: list["Copy"]) -> None:
        """Each step for all copies; one that fails a step is left out of the next."""
        with contextlib.ExitStack() as opened:
            for copy in batch:
                opened.enter_context(copy)
            flush([copy.fd for copy in batch])
            batch = self.take(self.take(batch, settle), self.publish)
            folders = {copy.folder: copy.destination for copy in batch}
            flush(list(folders.values()))
            # Once for all files of a folder: a second fsync would not tell the first one's error again.
            unflushed = {folder: problem for folder, fd in folders.items() if (problem := problem_of(os.fsync, fd))}
            self.take(batch, lambda copy: self.finish_copy(copy, unflushed.get(copy.folder)))

    def take(self, batch: list["Copy"], step: Callable[["Copy"], object]) -> list["Copy"]:
        """One step for each; returns those that it did not fail for."""
        left = []
        for copy in batch:
            self.tick()
            try:
                step(copy)
                left.append(copy)
            except (Skip, Problem, OSError) as reason:
                self.leave(copy.told["from"], reason)
        return left

    def finish_copy(self, copy: "Copy", unflushed: OSError | None) -> None:
        try:
            if unflushed is not None:
                raise unflushed
            self.finish(copy.source_fd, copy.seen, copy.source, copy.name, copy.told)
        except (Skip, Problem, OSError):
            # It is in use again: our copy of what it was must not stand in the way of what it will be.
            if os.fstat(copy.source_fd).st_nlink > 0:
                copy.withdraw()
            raise
        os.posix_fadvise(copy.source_fd, 0, 0, os.POSIX_FADV_DONTNEED)

    def hash_there(self, fd: int, destination: int, target: str, compress: bool) -> str | None:
        """
        The hash of the file where the destination has it already, from a run that was killed late; it is then on the
        device.
        @raises Taken where it has another file of that name.
        """
        said = "the destination has a different file of this name; both stay until one of them is renamed"
        try:
            existing = os.open(target, FILE, dir_fd=destination)
        except FileNotFoundError:
            return None
        except OSError as problem:
            raise Problem(said) if problem.errno == errno.ELOOP else problem from None
        with closing(existing):
            ours, theirs = os.fstat(fd), os.fstat(existing)
            if os.path.samestat(ours, theirs):
                raise Problem("source and destination are the same file")
            if not stat.S_ISREG(theirs.st_mode):
                raise Problem(said)
            if not (compress or ours.st_size == theirs.st_size):
                raise Taken(said)
            digest = self.hash(fd)
            os.posix_fadvise(existing, 0, 0, os.POSIX_FADV_DONTNEED)
            if digest != self.hash(existing, compress):
                raise Taken(said)
            os.fsync(existing)
        os.fsync(destination)
        return digest

    def filled(self, copy: "Copy") -> "Copy":
        """A copy with its content and attributes; what was written may not be on the device yet."""
        fd, seen = copy.source_fd, copy.seen
        try:
            copy.told["sha256"] = self.compress(fd, copy.fd) if copy.compress else self.copy(fd, seen, copy.fd)
            keep_attributes(fd, seen, copy.fd)
        except BaseException:
            copy.close()
            raise
        return copy

    def publish(self, copy: "Copy") -> None:
        """Compares a copy that is on the device, and gives it its name."""
        if self.hash(copy.fd, copy.compress) != copy.told["sha256"]:
            # What it grew by while it was read is in the hash, and cut off the copy.
            require_unchanged(copy.seen, os.fstat(copy.source_fd))
            raise Problem("the copy reads back differently from what was written: check the device of the destination")
        copy.published = there = os.fstat(copy.fd)
        # A server that maps owners may do so without an error.
        if (there.st_uid, there.st_gid, there.st_mode) != (copy.seen.st_uid, copy.seen.st_gid, copy.seen.st_mode):
            raise Problem("the destination does not keep its owner and mode")
        require_unchanged(copy.seen, os.fstat(copy.source_fd))
        try:
            # Where NFS lost the answer and asked again, a link that worked says that it exists already.
            with contextlib.suppress(FileExistsError):
                os.link(
                    copy.temporary,
                    copy.target,
                    src_dir_fd=copy.destination,
                    dst_dir_fd=copy.destination,
                    follow_symlinks=False,
                )
            if not os.path.samestat(there, os.stat(copy.target, dir_fd=copy.destination, follow_symlinks=False)):
                raise Problem("another file of this name came up at the destination")
        finally:
            copy.remove_temporary()

    def chunks(self, fd: int) -> Iterator[tuple[int, bytes]]:
        offset = 0
        while chunk := os.pread(fd, CHUNK_BYTES, offset):
            self.tick()
            yield offset, chunk
            offset += len(chunk)

    def copy(self, fd: int, seen: os.stat_result, copy: int) -> str:
        digest = hashlib.sha256()
        # Every byte is read: what a filesystem says of its holes is trusted with where to leave some, not with content.
        step = BLOCK_BYTES if seen.st_blocks * 512 < seen.st_size else CHUNK_BYTES
        for offset, chunk in self.chunks(fd):
            digest.update(chunk)
            for start in range(0, len(chunk), step):
                block = chunk[start : start + step]
                if step == CHUNK_BYTES or block != ZEROS[: len(block)]:
                    write(copy, block, offset + start)
            flush_at_times(copy, offset + len(chunk))
        os.ftruncate(copy, seen.st_size)
        return digest.hexdigest()

    def compress(self, fd: int, copy: int) -> str:
        digest = hashlib.sha256()
        try:
            with subprocess.Popen(["zstd", "--quiet", "--stdout"], stdin=subprocess.PIPE, stdout=copy) as zstd:
                assert zstd.stdin is not None
                for offset, chunk in self.chunks(fd):
                    digest.update(chunk)
                    zstd.stdin.write(chunk)
                    flush_at_times(copy, offset + len(chunk))
        except BrokenPipeError:
            pass
        if zstd.returncode != 0:
            raise Problem("zstd could not write the copy; is the destination full?")
        return digest.hexdigest()

    def hash(self, fd: int, compressed: bool = False) -> str | None:
        """The hash of the content; None where it isn't zstd's."""
        digest = hashlib.sha256()
        if not compressed:
            for _, chunk in self.chunks(fd):
                digest.update(chunk)
            return digest.hexdigest()
        os.lseek(fd, 0, os.SEEK_SET)
        command = ["zstd", "--quiet", "--decompress", "--stdout"]
        with subprocess.Popen(command, stdin=fd, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as zstd:
            assert zstd.stdout is not None
            while chunk := zstd.stdout.read(CHUNK_BYTES):
                self.tick()
                digest.update(chunk)
        return digest.hexdigest() if zstd.returncode == 0 else None


class Background:
    """Work in a thread of its own, whose exception comes up where it is waited for."""

    def __init__(self, work: Callable[[*Ts], object], *values: *Ts) -> None:
        self.problem: BaseException | None = None
        self.thread = threading.Thread(target=self.run, args=(work, *values))
        self.thread.start()

    def run(self, work: Callable[[*Ts], object], *values: *Ts) -> None:
        try:
            work(*values)
        except BaseException as problem:
            self.problem = problem

    def wait(self) -> None:
        self.thread.join()
        if self.problem is not None:
            raise self.problem


class Copy:
    """A file on its way: its copy under a temporary name, and what later steps need, whatever is closed meanwhile."""

    def __init__(
        self,
        destination: int,
        target: str,
        compress: bool,
        fd: int,
        seen: os.stat_result,
        source: int,
        name: str,
        told: dict[str, Any],
    ) -> None:
        self.target, self.compress, self.seen, self.name, self.told = target, compress, seen, name, told
        self.temporary = new_temporary_name()
        self.published: os.stat_result  # set by publish
        self.fd = os.open(self.temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=destination)
        self.destination, self.source, self.source_fd = os.dup(destination), os.dup(source), os.dup(fd)
        folder = os.fstat(destination)
        self.folder = folder.st_dev, folder.st_ino

    def remove_temporary(self) -> None:
        """Closed before its name goes, since NFS renames what is open to .nfsXXXX instead."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.temporary, dir_fd=self.destination)

    def withdraw(self) -> None:
        """Takes the published copy back, where its name is still its own."""
        # Where it can't be taken back, the next run finds it there.
        with (
            contextlib.suppress(FileNotFoundError, Problem),
            closing(os.open(self.target, FILE, dir_fd=self.destination)) as fd,
        ):
            if os.path.samestat(self.published, os.fstat(fd)):
                withdraw(fd, self.destination, self.target)

    def close(self) -> None:
        try:
            self.remove_temporary()
        finally:
            for fd in (self.destination, self.source, self.source_fd):
                os.close(fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Folder:
    """A folder at the destination, made when a file first needs it, with the owner and mode of its source."""

    def __init__(
        self, name: str = "", parent: "Folder | None" = None, like: int | None = None, fd: int | None = None
    ) -> None:
        self.name, self.parent, self.like, self.fd = name, parent, like, fd

    def open(self, create: bool) -> int | None:
        """Its descriptor; None where it isn't there and isn't to be made."""
        if self.fd is None and self.parent is not None:
            parent = self.parent.open(create)
            if parent is None:
                return None
            try:
                self.fd = os.open(self.name, FOLDER, dir_fd=parent)
            except FileNotFoundError:
                if not create:
                    return None
                self.make(parent)
                self.fd = os.open(self.name, FOLDER, dir_fd=parent)
            if mount_id(self.fd) != mount_id(parent):
                raise Problem(f"something is mounted at the destination's folder {self.name}")
        return self.fd

    def make(self, parent: int) -> None:
        """Makes it under a temporary name: a kill leaves none with the wrong owner, and a failure none at all."""
        temporary = new_temporary_name()
        os.mkdir(temporary, 0o700, dir_fd=parent)
        try:
            with closing(os.open(temporary, FOLDER, dir_fd=parent)) as made:
                if self.like is None:
                    os.fchmod(made, 0o755)
                else:
                    like = os.fstat(self.like)
                    os.fchown(made, like.st_uid, like.st_gid)
                    os.fchmod(made, stat.S_IMODE(like.st_mode))
                    # An ACL may shut out whom the mode lets in.
                    keep_xattrs(self.like, made)
            os.rename(temporary, self.name, src_dir_fd=parent, dst_dir_fd=parent)
        except BaseException:
            with contextlib.suppress(OSError):
                os.rmdir(temporary, dir_fd=parent)
            raise
        os.fsync(parent)

    def names(self) -> list[str]:
        """From the destination down; what leads to the destination itself has no source to be like."""
        return [] if self.like is None or self.parent is None else [*self.parent.names(), self.name]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.fd is not None:
            os.close(self.fd)


def require_room(destination: int, seen: os.stat_result, compress: bool) -> None:
    space = os.fstatvfs(destination)
    if not compress and seen.st_blocks * 512 > space.f_bavail * space.f_frsize:
        raise Problem("there is no room for it at the destination")


def keep_attributes(fd: int, seen: os.stat_result, copy: int) -> None:
    os.fchown(copy, seen.st_uid, seen.st_gid)
    os.fchmod(copy, stat.S_IMODE(seen.st_mode))
    keep_xattrs(fd, copy)
    os.utime(copy, ns=(seen.st_atime_ns, seen.st_mtime_ns))


def keep_xattrs(fd: int, copy: int) -> None:
    wanted = xattr_names(fd)
    for name in xattr_names(copy) - wanted:
        if name.startswith(ACL):  # inherited from the folder
            os.removexattr(copy, name)
    for name in wanted:
        try:
            os.setxattr(copy, name, os.getxattr(fd, name))
        except OSError as problem:
            raise Problem(
                f"the destination does not keep its attribute {name}: {problem.strerror}. Do: getfattr --match=- "
                "--dump and getfacl show what it has; take away what is not needed: setfattr --remove, setfacl "
                "--remove-all"
            ) from None


def xattr_names(fd: int) -> set[str]:
    try:
        return {name for name in os.listxattr(fd) if name.startswith(XATTRS) and name != NAME_ATTRIBUTE}
    except OSError as problem:
        if problem.errno == errno.ENOTSUP:
            return set()
        raise


def name_beside(name: str, seen: os.stat_result) -> str:
    """The name for a file whose own is taken: it says when that was written, and keeps the ending that tools go by."""
    stem, ending = next(((name.removesuffix(one), one) for one in COMPRESSED if name.endswith(one)), (name, ""))
    return f"{stem}~{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(seen.st_mtime))}{ending}"


def is_copied(seen: os.stat_result, destination: int, target: str, compress: bool) -> bool:
    """Whether an earlier run made the copy, without reading either. A server may keep whole seconds alone."""
    try:
        there = os.stat(target, dir_fd=destination, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return (
        stat.S_ISREG(there.st_mode)
        and int(there.st_mtime) == int(seen.st_mtime)
        and (compress or there.st_size == seen.st_size)
    )


def write(fd: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(fd, view, offset)
        offset, view = offset + written, view[written:]


def problem_of(work: Callable[[*Ts], object], *values: *Ts) -> OSError | None:
    try:
        work(*values)
        return None
    except OSError as problem:
        return problem


def flush(fds: list[int]) -> None:
    """Makes fsync(2) of each quick: the filesystem writes all of them at once. What goes wrong here comes up there."""
    if len(fds) > 1:
        LIBC.syncfs(fds[0])


def settle(copy: Copy) -> None:
    """Out of the page cache, so that what the device has is compared, which is asked for all of a batch at once."""
    os.fsync(copy.fd)
    os.posix_fadvise(copy.fd, 0, 0, os.POSIX_FADV_DONTNEED)
    os.posix_fadvise(copy.fd, 0, 0, os.POSIX_FADV_WILLNEED)


def flush_at_times(fd: int, offset: int) -> None:
    """Has the device write while we read, and keeps the last flush of a large file from looking like a stall."""
    if offset % FLUSH_BYTES == 0:
        os.fdatasync(fd)
    elif offset % WRITEBACK_BYTES == 0:
        # Starts to write what is dirty, without waiting.
        os.posix_fadvise(fd, 0, offset, os.POSIX_FADV_DONTNEED)


def new_temporary_name() -> str:
    return f".jts-moving-{secrets.token_hex(8)}"


def is_below(path: str, folder: str) -> bool:
    return os.path.commonpath([path, folder]) == folder


def names_below(path: str, folder: str) -> list[str]:
    return [name for name in os.path.relpath(path, folder).split("/") if name != "."]
