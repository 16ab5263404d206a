"""
Simulates losses of power while files move: no file may be lost in any state that the disks could be left in.
usage: powerLoss.py PACKAGE FOLDER --destination btrfs|ext4 [--compress] [--points N] [--seed N] [--without-flushes]

PACKAGE is the folder jts_storage. In FOLDER, on a disk with some 600 MiB free, a folder is made, and removed at the
end; what a killed run has left of it is removed first. Needs root.
Source (ext4) and destination are two halves of one device. dm-log-writes logs its writes and flushes in their order
while the mover runs once, in small batches, and the source is flushed all the time. A disk with a cache has everything
that came before its last flush, and any part of what came later. So the log is replayed onto an empty image up to each
flush or write through the cache, and up to each flush with some of the writes before the next one: those to the source,
those to the destination, or seeded ones. N of all these states are tried: both filesystems are mounted, and every file
must be whole on one tier, or on both (from when its copy has the name until the source is removed). The mover, run
again, must leave it only on the destination. Then fsck must find nothing.
--without-flushes runs a mover whose fsync, fdatasync and syncfs do nothing, which must lose files. Prints figures as
JSON, and the result of each state on standard error.
"""

import argparse
import contextlib
import hashlib
import importlib
import itertools
import json
import os
import pathlib
import random
import re
import shutil
import stat
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

MIB = 1 << 20
SOURCE_BYTES = 64 * MIB
# mkfs.btrfs needs at least 109 MiB.
DESTINATION_BYTES = 192 * MIB
LOG_BYTES = 1024 * MIB
LOGGED = "jts-power-loss"
MOUNT_OPTIONS = {"ext4": "noatime", "btrfs": "noatime,compress=zstd:3"}
OLD = 10**9
SMALL_FILES = 230
BATCH_FILES = 30
TEMPORARY, LEAVING = b".jts-moving-", b".jts-leaving-"
POSIX_ACL = bytes.fromhex(
    "02000000 01000700ffffffff 02000400e8030000 04000500ffffffff 10000500ffffffff 20000500ffffffff"
)

# drivers/md/dm-log-writes.c: a block of the superblock, then for each entry one block, and its data.
MAGIC = 0x6A736677736872
SUPERBLOCK, ENTRY = struct.Struct("<QQQI"), struct.Struct("<QQQQ")
FLUSH, FUA, DISCARD, MARK = 1, 2, 4, 8


@dataclass(frozen=True)
class Entry:
    """A request to a device: where and how much, in bytes, and where in the log its data is."""

    flags: int
    offset: int
    length: int
    data: int
    mark: str


@dataclass(frozen=True)
class State:
    """What a loss of power may leave: all entries up to one, and some of the later ones."""

    through: int
    also: tuple[int, ...] = ()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("package")
    parser.add_argument("folder")
    parser.add_argument("--destination", choices=("btrfs", "ext4"), required=True)
    parser.add_argument("--compress", action="store_true")
    parser.add_argument("--points", type=int, default=15)
    parser.add_argument("--seed", type=int, default=20260711)
    parser.add_argument("--without-flushes", action="store_true")
    trial = Trial(parser.parse_args())
    trial.clear()
    try:
        print(json.dumps(trial.run()))
    finally:
        trial.clear()


class Trial:
    def __init__(self, options: argparse.Namespace) -> None:
        self.options, self.random = options, random.Random(options.seed)
        self.folder = pathlib.Path(os.path.realpath(options.folder)) / LOGGED
        self.mounts = {"source": self.folder / "source", "destination": self.folder / "destination"}
        self.types = {"source": "ext4", "destination": options.destination}
        self.trees = [os.fsencode(point / "tree") for point in self.mounts.values()]
        self.log = self.folder / "log.img"
        self.compressed = ("--compress",) if options.compress else ()
        # The private names are those of the mover that is tried.
        sys.dont_write_bytecode = True
        sys.path.insert(0, os.path.dirname(os.path.realpath(options.package)))
        self.removal: Any = importlib.import_module("jts_storage.removal")
        # The hash of a compressed file → the hash and size of its content; None: it is cut off.
        self.contents: dict[str, tuple[str, int] | None] = {}
        self.midst = self.doubles = self.lost = 0
        self.examples: list[str] = []
        self.unclean: list[str] = []

    def run(self) -> dict[str, Any]:
        began = time.monotonic()
        for point in self.mounts.values():
            point.mkdir(parents=True)
        self.record()
        entries = read_log(self.log)
        first, last = (index_of(entries, mark) for mark in ("filled", "moved"))
        states = states_between(entries, first, last, self.random)
        chosen = sample(states, self.options.points, self.random)
        with open(self.log, "rb") as log, image(self.folder / "replayed.img") as base:
            done = 0
            for state in chosen:
                for entry in entries[done : state.through + 1]:
                    apply(entry, log.fileno(), base)
                done = state.through + 1
                later = [entries[index] for index in state.also]
                self.lose_power(f"after entry {state.through} with {len(later)} later ones", later, log.fileno())
            for entry in entries[done:]:
                apply(entry, log.fileno(), base)
        require_equal(self.folder / "replayed.img", self.folder / "data.img")
        return {
            "entries": last - first,
            "flushes": sum(bool(entry.flags & FLUSH) for entry in entries[first:last]),
            "states": len(states),
            "points": len(chosen),
            "pointsInTheMidst": self.midst,
            "files": len(self.originals),
            "losses": self.lost,
            "doubles": self.doubles,
            "unclean": self.unclean[:20],
            "examples": self.examples[:20],
            "seconds": round(time.monotonic() - began, 1),
        }

    def record(self) -> None:
        """Leaves the log of a whole run, and the device as it is after that run."""
        with self.logged_devices() as (devices, mark):
            make_filesystem("ext4", devices["source"])
            make_filesystem(self.options.destination, devices["destination"])
            with self.mounted(devices):
                make_tree(self.trees[0], self.random)
                self.originals, self.folders = self.describe(self.trees[0])
            with self.mounted(devices):
                for point in self.mounts.values():
                    run("sync", "--file-system", point)
                mark("filled")
                with flushing(self.mounts["source"]):
                    self.move(self.package_to_record())
                # The source first: its loss of a file must not come before the destination has it.
                for point in self.mounts.values():
                    run("sync", "--file-system", point)
                mark("moved")
                self.check("at the end")

    @contextlib.contextmanager
    def logged_devices(self) -> Iterator[tuple[dict[str, str], Any]]:
        run("modprobe", "--all", "loop", "dm-log-writes")
        for name, size in (("data.img", SOURCE_BYTES + DESTINATION_BYTES), ("log.img", LOG_BYTES)):
            with image(self.folder / name, size):
                pass
        data, log = attach(self.folder / "data.img"), attach(self.log)
        create(LOGGED, f"0 {(SOURCE_BYTES + DESTINATION_BYTES) // 512} log-writes {data} {log}")
        create(f"{LOGGED}-source", f"0 {SOURCE_BYTES // 512} linear /dev/mapper/{LOGGED} 0")
        create(
            f"{LOGGED}-destination",
            f"0 {DESTINATION_BYTES // 512} linear /dev/mapper/{LOGGED} {SOURCE_BYTES // 512}",
        )
        yield (
            {which: f"/dev/mapper/{LOGGED}-{which}" for which in self.mounts},
            lambda name: run("dmsetup", "message", LOGGED, "0", "mark", name),
        )
        status = run("dmsetup", "status", LOGGED)
        if "logging_disabled" in status:
            raise RuntimeError(f"dm-log-writes stopped logging: {status}. Next: dmesg; LOG_BYTES may be too small")
        # This logs all writes that still wait.
        self.remove_devices()

    def lose_power(self, when: str, later: Sequence[Entry], log: int) -> None:
        path = self.folder / "lost.img"
        run("cp", "--sparse=auto", self.folder / "replayed.img", path)
        with image(path) as left:
            for entry in later:
                apply(entry, log, left)
        devices = {
            "source": attach(path, 0, SOURCE_BYTES),
            "destination": attach(path, SOURCE_BYTES, DESTINATION_BYTES),
        }
        try:
            losses = self.lost
            with self.mounted(devices):
                self.check(when)
                if self.lost == losses:
                    self.move(self.options.package)
                    self.require_moved(f"{when}, moved again")
            for which, device in devices.items():
                self.require_clean(self.types[which], device, when)
        except (RuntimeError, OSError) as problem:
            self.unclean.append(f"{when}: {problem}")
        finally:
            self.detach_all(path)
            path.unlink()

    @contextlib.contextmanager
    def mounted(self, devices: dict[str, str]) -> Iterator[None]:
        with contextlib.ExitStack() as opened:
            # Btrfs confuses two images of one filesystem: it must forget the last one.
            run("udevadm", "settle")
            run("btrfs", "device", "scan", "--forget")
            for which, point in self.mounts.items():
                kind = self.types[which]
                run("mount", "-t", kind, "-o", MOUNT_OPTIONS[kind], devices[which], point)
                opened.callback(unmount, point)
            yield

    def move(self, package: str | pathlib.Path) -> None:
        source, destination = self.trees
        where = ("--source", source, "--destination", destination, "--destination-mount", self.mounts["destination"])
        how = ("--older-than-days", "1", "--lock", self.folder / "lock", *self.compressed)
        run("/usr/bin/python3", "-I", "-B", package, "move", *where, *how)

    def package_to_record(self) -> pathlib.Path:
        """A copy of the package with small batches, so that much happens between the first and last removed file."""
        package = self.folder / "recorded" / "jts_storage"
        shutil.copytree(self.options.package, package)
        found = 0
        for file in package.rglob("*.py"):
            text, count = re.subn(r"(?m)^BATCH_FILES = \d+$", f"BATCH_FILES = {BATCH_FILES}", file.read_text("utf-8"))
            found += count
            if self.options.without_flushes:
                text = re.sub(r"\bos\.f(data)?sync\b|\b\w+\.syncfs\b", "(lambda fd: 0)", text)
            file.write_text(text, "utf-8")
        if found != 1:
            raise RuntimeError(
                f"{self.options.package} has {found} lines BATCH_FILES, not one: what sizes its batches?"
            )
        return package

    def private_of(self, path: bytes) -> bytes:
        """The path with the private name that the mover gives a file."""
        folder, name = os.path.split(path)
        return os.path.join(folder, os.fsencode(self.removal.private_name_of(os.fsdecode(name))))

    def target(self, path: bytes) -> bytes:
        return path + b".zst" if self.options.compress and not path.endswith(b".gz") else path

    def check(self, when: str) -> None:
        """Each file is on one tier whole, or on both; on the source under its own name or the private one."""
        (source, _), (destination, _) = map(self.describe, self.trees)
        here = there = 0
        for path, was in self.originals.items():
            # Its private name is one that the next run knows.
            ours = source.pop(path, None) or source.pop(self.private_of(path), None)
            theirs = destination.pop(self.target(path), None)
            for found, tier in ((ours, "source"), (theirs, "destination")):
                if found not in (None, was):
                    self.lose(f"{path!r} on the {tier} is {found}, not {was}, {when}")
            if ours is None and theirs is None:
                self.lose(f"{path!r} is nowhere {when}")
            here, there = here + (ours is not None), there + (theirs is not None)
            self.doubles += ours is not None and theirs is not None
        self.midst += here > 0 and there > 0
        print(f"{when}: {here} on the source, {there} on the destination", file=sys.stderr, flush=True)
        for found in (*source, *destination):
            if not os.path.basename(found).startswith((TEMPORARY, LEAVING)):
                self.lose(f"{found!r} was never there, {when}")

    def require_moved(self, when: str) -> None:
        (source, _), (destination, folders) = map(self.describe, self.trees)
        expected = {self.target(path): was for path, was in self.originals.items()}
        for path in source:
            self.lose(f"{path!r} is still on the source {when}")
        for path in expected.keys() | destination.keys():
            if expected.get(path) != destination.get(path):
                self.lose(f"{path!r} is {destination.get(path)}, not {expected.get(path)}, {when}")
        for path, was in self.folders.items():
            if folders.get(path) != was:
                self.lose(f"the folder {path!r} is {folders.get(path)}, not {was}, {when}")

    def lose(self, what: str) -> None:
        self.lost += 1
        self.examples.append(what)

    def require_clean(self, kind: str, device: str, when: str) -> None:
        command = ["e2fsck", "-f", "-n"] if kind == "ext4" else ["btrfs", "check", "--readonly"]
        try:
            run(*command, device)
        except RuntimeError as problem:
            self.unclean.append(f"{when}: {problem}")

    def describe(self, top: bytes) -> tuple[dict[bytes, Any], dict[bytes, Any]]:
        """Files, and folders that hold files, by their paths below `top`."""
        files: dict[bytes, Any] = {}
        folders: dict[bytes, Any] = {}
        for folder, _, names in os.walk(top):
            for name in names:
                path = os.path.join(folder, name)
                seen = os.lstat(path)
                digest, size = self.content_of(path)
                files[os.path.relpath(path, top)] = {
                    "sha256": digest,
                    "bytes": size,
                    "mode": seen.st_mode,
                    "owner": (seen.st_uid, seen.st_gid),
                    "mtime": seen.st_mtime_ns,
                    "xattrs": {
                        one: os.getxattr(path, one).hex()
                        for one in sorted(os.listxattr(path))
                        # The mover's own, of files that it is about to take away.
                        if not one.startswith("trusted.jts-storage.")
                    },
                }
            if names and folder != top:
                seen = os.lstat(folder)
                folders[os.path.relpath(folder, top)] = stat.filemode(seen.st_mode), seen.st_uid, seen.st_gid
        return files, folders

    def content_of(self, path: bytes) -> tuple[str, int]:
        try:
            raw = pathlib.Path(os.fsdecode(path)).read_bytes()
        except OSError as problem:
            return f"not to be read: {problem.strerror}", -1
        digest = hashlib.sha256(raw).hexdigest()
        if not path.endswith(b".zst"):
            return digest, len(raw)
        if digest not in self.contents:
            unpacked = subprocess.run(
                ["zstd", "--quiet", "--decompress", "--stdout"], input=raw, capture_output=True, check=False
            )
            whole = hashlib.sha256(unpacked.stdout).hexdigest(), len(unpacked.stdout)
            self.contents[digest] = whole if unpacked.returncode == 0 else None
        return self.contents[digest] or ("not zstd's", len(raw))

    def clear(self) -> None:
        """Removes what has our names: mounts below our folder, our devices, loop devices of our files."""
        table = pathlib.Path("/proc/self/mountinfo").read_text(encoding="utf-8")
        for point in reversed([line.split()[4] for line in table.splitlines()]):
            if pathlib.Path(point) in self.mounts.values():
                unmount(point)
        self.remove_devices()
        self.detach_all(self.folder / "lost.img")
        shutil.rmtree(self.folder, ignore_errors=True)

    def remove_devices(self) -> None:
        for name in (f"{LOGGED}-source", f"{LOGGED}-destination", LOGGED):
            if os.path.exists(f"/dev/mapper/{name}"):
                run("dmsetup", "remove", "--retry", name)
        for file in ("data.img", "log.img"):
            self.detach_all(self.folder / file)

    def detach_all(self, file: pathlib.Path) -> None:
        if file.exists():
            for line in run("losetup", "--noheadings", "--output", "NAME", "--associated", file).split():
                run("losetup", "--detach", line)


def read_log(path: pathlib.Path) -> list[Entry]:
    """The entries of a log. @raises ValueError where it is not a complete log of dm-log-writes"""
    entries = []
    size = path.stat().st_size
    with open(path, "rb") as log:
        magic, version, count, block = SUPERBLOCK.unpack(log.read(SUPERBLOCK.size))
        if (magic, version) != (MAGIC, 1):
            raise ValueError(f"{path} is not a log of dm-log-writes: magic {magic:#x}, version {version}")
        position = block
        for number in range(count):
            log.seek(position)
            head = log.read(block)
            if len(head) < block:
                raise ValueError(f"{path} ends before entry {number} of {count}")
            sector, sectors, flags, data_bytes = ENTRY.unpack_from(head)
            position += block
            mark = head[ENTRY.size : ENTRY.size + data_bytes].decode() if flags & MARK else ""
            entries.append(Entry(flags, sector * block, sectors * block, position, mark))
            if not flags & (DISCARD | MARK):
                position += sectors * block
            if position > size:
                raise ValueError(f"{path} ends in the midst of entry {number} of {count}")
    return entries


def index_of(entries: Sequence[Entry], mark: str) -> int:
    for index, entry in enumerate(entries):
        if entry.mark == mark:
            return index
    raise ValueError(f"the log has no mark {mark!r} among its {len(entries)} entries")


def apply(entry: Entry, log: int, image: int) -> None:
    """Applies an entry to an image. Discarded blocks read as zeros, as on a loop device."""
    for start in range(0, entry.length, MIB):
        length = min(MIB, entry.length - start)
        data = bytes(length) if entry.flags & DISCARD else os.pread(log, length, entry.data + start)
        if os.pwrite(image, data, entry.offset + start) != length:
            raise OSError(f"an image took less than {length} bytes")


def states_between(entries: Sequence[Entry], first: int, last: int, seeded: random.Random) -> list[State]:
    """
    What a loss of power may leave after entry `first`, before which all is flushed, and up to `last`.

    dm-log-writes logs a write to the cache right before the flush that comes after it, and one through the cache at
    once. The log does not say when in between a write to the cache was made: where some are kept, so is all that went
    through.
    """
    states = []
    flushed, through, cached = first, list[int](), list[int]()
    for index in range(first + 1, last + 1):
        entry = entries[index]
        if entry.flags & FLUSH:
            halves = [one for one in cached if entries[one].offset < SOURCE_BYTES]
            subsets = [
                halves,
                [one for one in cached if one not in halves],
                *([one for one in cached if seeded.random() < share] for share in (0.2, 0.5, 0.8)),
            ]
            wanted = {tuple(subset) for subset in subsets if 0 < len(subset) < len(cached)}
            states += [State(flushed, tuple(sorted((*through, *subset)))) for subset in sorted(wanted)]
            states.append(State(index))
            flushed, through, cached = index, [], []
        elif entry.flags & FUA:
            through.append(index)
            states.append(State(flushed, tuple(through)))
        elif entry.length > 0:
            cached.append(index)
    return states


def sample(states: Sequence[State], count: int, seeded: random.Random) -> list[State]:
    """So many states, evenly spread and in the log's order: one of each part, and always the last state."""
    if len(states) <= count:
        return list(states)
    bounds = [len(states) * part // count for part in range(count + 1)]
    chosen = [states[seeded.randrange(low, high)] for low, high in itertools.pairwise(bounds)]
    return [*chosen[:-1], states[-1]]


def make_tree(top: bytes, seeded: random.Random) -> None:
    def put(name: bytes, content: bytes, owner: int = 0, mode: int = 0o640) -> bytes:
        path = os.path.join(top, name)
        if not os.path.isdir(os.path.dirname(path)):
            os.makedirs(os.path.dirname(path), mode=0o750)
            os.chown(os.path.dirname(path), owner, owner)
        with open(path, "wb") as file:
            file.write(content)
        os.chown(path, owner, owner)
        os.chmod(path, mode)
        return path

    for number in range(SMALL_FILES):
        size = seeded.choice((0, 100, 4096, 20_000))
        content = seeded.randbytes(size) if number % 2 else b"a line of a log\n" * (size // 16)
        path = put(b"service-%d/logs/%d.log" % (number % 12, number), content, 1000 + number % 12, 0o600 + number % 64)
        if number % 5 == 0:
            os.setxattr(path, "user.note", b"kept \x00 as is")
    for number in range(3):
        put(b"large/%d" % number, seeded.randbytes(2 * MIB + 123 * number))
    for name in (b"with\nnewline", b"not utf-8 \xff\xfe", b"n" * 240, b"archive.gz"):
        put(b"names/" + name, seeded.randbytes(5000))
    os.setxattr(put(b"names/acl", b"has an ACL"), "system.posix_acl_access", POSIX_ACL)
    with open(put(b"sparse/one", b""), "r+b") as file:
        file.truncate(4 * MIB)
        file.seek(2 * MIB)
        file.write(b"in the middle" * 1000)
    for folder, _, names in os.walk(top):
        for name in names:
            os.utime(os.path.join(folder, name), ns=(OLD * 10**9, OLD * 10**9 + 250_000_000))


def make_filesystem(kind: str, device: str) -> None:
    if kind == "ext4":
        run("mkfs.ext4", "-q", "-b", "4096", "-E", "nodiscard,lazy_itable_init=0,lazy_journal_init=0", device)
    else:
        run("mkfs.btrfs", "--quiet", "--nodiscard", device)


@contextlib.contextmanager
def flushing(point: pathlib.Path) -> Iterator[None]:
    """Flushes a filesystem again and again, as other programs do, so that removed files are gone at once."""
    over = threading.Event()

    def flush() -> None:
        while not over.wait(0.02):
            run("sync", "--file-system", point)

    thread = threading.Thread(target=flush)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextlib.contextmanager
def image(path: pathlib.Path, size: int = SOURCE_BYTES + DESTINATION_BYTES) -> Iterator[int]:
    """The open file; a new one is made as one hole."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        os.ftruncate(fd, size)
        yield fd
    finally:
        os.close(fd)


def require_equal(one: pathlib.Path, other: pathlib.Path) -> None:
    """@raises RuntimeError unless the log, replayed to its end, gives what the device has"""
    with open(one, "rb") as ours, open(other, "rb") as theirs:
        while chunk := ours.read(MIB):
            if chunk != theirs.read(MIB):
                raise RuntimeError(f"the log, replayed to its end, differs from the device before {ours.tell()}")


def unmount(point: str | pathlib.Path) -> None:
    # udev looks at what was just written.
    try:
        run("umount", point)
    except RuntimeError:
        run("udevadm", "settle")
        run("umount", point)


def attach(file: pathlib.Path, offset: int = 0, size: int = 0) -> str:
    return run("losetup", "--find", "--show", f"--offset={offset}", f"--sizelimit={size}", file)


def create(name: str, table: str) -> None:
    run("dmsetup", "create", name, "--table", table)


def run(*command: str | bytes | pathlib.Path) -> str:
    """@raises RuntimeError with all that it printed where it fails"""
    ended = subprocess.run(command, capture_output=True, timeout=600, check=False)
    if ended.returncode != 0:
        said = (ended.stdout + ended.stderr).decode(errors="replace")
        raise RuntimeError(f"{b' '.join(map(os.fsencode, command))!r} ended with {ended.returncode}: {said[-4000:]}")
    return ended.stdout.decode(errors="replace").strip()


if __name__ == "__main__":
    main()
