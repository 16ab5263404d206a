"""
Kills the mover at seeded moments, over trees of everything that a service may leave, and checks after each kill that no
file is lost.
usage: moverTorture.py PACKAGE SOURCE DESTINATION STATE --kills N [--seed N] [--seconds N] [--full]

PACKAGE is the folder jts_storage, SOURCE a folder, DESTINATION a mount point, STATE a folder for lock and journal;
--full fills DESTINATION in the middle of each round, except for some bytes. One round of three is compressed. Each
round makes a tree, starts the mover and kills it until it ends by itself, and then runs it once more without a kill.
After that, every file must be on exactly one side, with its content, owner, mode, time and extended attributes, or
untouched where it must stay. Prints figures as JSON, and in `losses` each file for which that is not so.
"""

import argparse
import contextlib
import hashlib
import importlib
import json
import os
import pathlib
import random
import shutil
import signal
import stat
import subprocess
import sys
import time
from types import ModuleType
from typing import Any

OLD = 10**9
# Exit status: another run holds the lock. A process that the killed run was about to start keeps it until its exec(2).
HELD = 75
POSIX_ACL = bytes.fromhex(
    "02000000 01000700ffffffff 02000400e8030000 04000500ffffffff 10000500ffffffff 20000500ffffffff"
)
STAYS = (b"young", b"open", b"growing", b"twice", b"twice again", b"link", b"folder link", b"pipe")


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("package", "source", "destination", "state"):
        parser.add_argument(name)
    parser.add_argument("--kills", type=int, required=True)
    parser.add_argument("--seed", type=int, default=20260711)
    parser.add_argument("--seconds", type=float, default=1e9, help="make no further round after so long")
    parser.add_argument("--full", action="store_true")
    options = parser.parse_args()
    torture = Torture(options)
    began = time.monotonic()
    rounds = 0
    while torture.kills < options.kills and time.monotonic() - began < options.seconds:
        torture.round(compress=rounds % 3 == 1)
        rounds += 1
    figures = {
        "rounds": rounds,
        "kills": torture.kills,
        "runsThatEnded": torture.ended,
        "killsWhileFull": torture.kills_while_full,
        "files": torture.files,
        "bytes": torture.bytes,
    }
    print(json.dumps({**figures, "seconds": round(time.monotonic() - began, 1), "losses": torture.losses[:20]}))


class Torture:
    def __init__(self, options: argparse.Namespace) -> None:
        self.options, self.random = options, random.Random(options.seed)
        self.mover = load(options.package)
        self.source = os.fsencode(os.path.join(options.source, "torture"))
        self.destination = os.fsencode(os.path.join(options.destination, "torture"))
        self.filler = os.path.join(options.destination, "filler")
        self.journal = os.path.join(options.state, "moves.jsonl")
        self.kills = self.kills_while_full = self.ended = self.files = self.bytes = 0
        self.losses: list[str] = []
        self.whole: dict[bool, float] = {}
        # Removes what an interrupted test has left.
        self.clear()

    def round(self, compress: bool) -> None:
        make_tree(self.source, self.destination, self.random)
        before = {**describe(self.source), **describe(self.destination)}
        target = {
            path: self.target(path, compress)
            for path in before
            if path.startswith(self.source) and os.path.basename(path) not in STAYS
        }
        isfull = False
        with open(os.path.join(self.source, b"open"), "ab"):
            if compress not in self.whole:
                self.whole[compress] = self.time_a_run(compress)
                shutil.rmtree(self.source)
                shutil.rmtree(self.destination)
                return
            for run in range(1000):
                with open(os.path.join(self.source, b"growing"), "ab") as growing:
                    growing.write(b"more ")
                if self.options.full and run in (1, 4):
                    isfull = run == 1
                    self.fill(self.random.randrange(60_000)) if isfull else os.unlink(self.filler)
                # A round must end even if its runs take longer than the one that was timed.
                moment = self.random.random() ** 1.5 * self.whole[compress] * max(1.1, run / 20)
                child = self.start(compress)
                time.sleep(moment)
                os.kill(child, signal.SIGKILL)
                status = os.waitpid(child, 0)[1]
                self.require_all(target, f"after kill {self.kills}")
                if status != signal.SIGKILL:
                    if os.waitstatus_to_exitcode(status) == HELD:
                        continue
                    self.ended += 1
                    # While the destination is full, it ends early, and some files are left to move.
                    if not isfull:
                        break
                else:
                    self.kills += 1
                    self.kills_while_full += isfull
            if os.path.exists(self.filler):
                os.unlink(self.filler)
            self.finish(compress)
        self.compare(before, target, compress)
        self.clear()

    def target(self, path: bytes, compress: bool) -> bytes:
        moved = path.replace(self.source, self.destination, 1)
        if path.endswith(b"different.gz"):
            return moved.removesuffix(b".gz") + b"~20010909T014640Z.gz"
        return (
            moved + b".zst" if compress and not path.endswith(b".gz") and len(os.path.basename(path)) <= 251 else moved
        )

    def start(self, compress: bool, output: int | None = None) -> int:
        child = os.fork()
        if child == 0:
            silence = os.open("/dev/null", os.O_WRONLY)
            os.dup2(silence if output is None else output, 1)
            os.dup2(silence, 2)
            sys.argv[1:] = [
                "--source",
                os.fsdecode(self.source),
                "--destination",
                os.fsdecode(self.destination),
                "--destination-mount",
                self.options.destination,
            ]
            sys.argv[1:] += [
                "--older-than-days",
                "1",
                "--lock",
                os.path.join(self.options.state, "lock"),
                "--journal",
                self.journal,
                "--json",
            ]
            sys.argv[1:] += ["--compress"] if compress else []
            status = 99
            try:
                status = self.mover.main()
            finally:
                sys.stdout.flush()
                os._exit(status)
        return child

    def time_a_run(self, compress: bool) -> float:
        began = time.monotonic()
        os.waitpid(self.start(compress), 0)
        return time.monotonic() - began

    def finish(self, compress: bool) -> None:
        """Runs the mover without a kill: it must move all files."""
        output = os.memfd_create("summary")
        status, end = HELD, time.monotonic() + 60
        while status == HELD and time.monotonic() < end:
            status = os.waitstatus_to_exitcode(os.waitpid(self.start(compress, output), 0)[1])
        failed = [one["path"] for one in json.loads(os.pread(output, 1 << 24, 0) or b'{"failed": []}')["failed"]]
        os.close(output)
        if (status, failed) != (0, []):
            self.losses.append(f"the last run ended with {status}, not moved: {failed}")

    def fill(self, left: int) -> None:
        """Fills the destination, except for so many bytes."""
        with open(self.filler, "wb") as filler:
            space = os.fstatvfs(filler.fileno())
            # A process of a killed run may still write, and a filesystem needs some room for itself.
            for size in range(space.f_bavail * space.f_frsize - left, 0, -65536):
                with contextlib.suppress(OSError):
                    os.posix_fallocate(filler.fileno(), 0, size)
                    return

    def require_all(self, target: dict[bytes, bytes], when: str) -> None:
        """Each file is on at least one side under its own name, or on the source under its private one."""
        self.losses += [
            f"{path!r} is nowhere {when}"
            for path, moved in target.items()
            if not any(map(os.path.lexists, (path, self.private_of(path), moved)))
        ]

    def private_of(self, path: bytes) -> bytes:
        """The path with the private name that the mover gives a file."""
        folder, name = os.path.split(path)
        return os.path.join(folder, os.fsencode(self.mover.private_name_of(os.fsdecode(name))))

    def compare(self, before: dict[bytes, dict[str, Any]], target: dict[bytes, bytes], compress: bool) -> None:
        after = {**describe(self.source), **describe(self.destination)}
        expected = {target.get(path, path): was for path, was in before.items() if not path.endswith(b"growing")}
        after.pop(os.path.join(self.source, b"growing"), None)
        for path in expected.keys() | after.keys():
            if expected.get(path) != after.get(path):
                self.losses.append(f"{path!r} is {after.get(path)}, not {expected.get(path)}, compressed: {compress}")
        self.files += len(target)
        self.bytes += sum(before[path]["bytes"] for path in target)
        with open(self.journal, encoding="utf-8", errors="surrogateescape") as lines:
            journaled = {(os.fsencode(line["from"]), line["sha256"]) for line in map(json.loads, lines)}
        for path in target:
            if (path, before[path]["sha256"]) not in journaled:
                self.losses.append(f"the journal has no line of {path!r}")

    def clear(self) -> None:
        for path in (self.source, self.destination):
            shutil.rmtree(path, ignore_errors=True)
        for file in (self.journal, self.journal + ".1", self.filler):
            if os.path.exists(file):
                os.unlink(file)


def load(package: str) -> ModuleType:
    sys.dont_write_bytecode = True
    sys.path.insert(0, os.path.dirname(package))
    return importlib.import_module(f"{os.path.basename(package)}.mover")


def make_tree(root: bytes, destination: bytes, seeded: random.Random) -> None:
    def put(
        name: bytes, content: bytes, *, uid: int = 0, mode: int = 0o640, old: float = OLD, top: bytes = root
    ) -> bytes:
        path = os.path.join(top, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content)
        os.chown(path, uid, uid)
        os.chmod(path, mode)
        os.utime(path, (old, old + 0.25))
        return path

    for service in (b"postgresql", b"kafka"):
        put(service + b"/logs/app.log", b"log of " + service)
    for number in range(10):
        put(b"many/%d.log" % number, seeded.randbytes(seeded.randrange(40_000)), uid=1000 + number)
    for name in (
        b"with space",
        b"with\nnewline",
        b"-rf",
        "größe €".encode(),
        b"not utf-8 \xff\xfe",
        b"'quote\"",
        b"n" * 255,
        b"*",
    ):
        put(b"names/" + name, name)
    put(b"empty", b"")
    put(b"archive.gz", seeded.randbytes(5000))
    put(b"large", seeded.randbytes(1_200_000) + b"x")
    put(b"read-only/deep/file", b"in a folder that nobody may write to")
    os.chmod(os.path.join(root, b"read-only/deep"), 0o555)
    os.chmod(os.path.join(root, b"read-only"), 0o555)
    sparse = put(b"sparse", b"")
    with open(sparse, "r+b") as file:
        file.truncate(2 << 20)
        file.seek(1 << 20)
        file.write(b"in the middle" * 1000)
    os.utime(sparse, (OLD, OLD))
    marked = put(b"marked", b"has extended attributes", mode=0o4755)
    if has_xattrs(destination):
        os.setxattr(marked, "user.note", b"kept \x00 as is")
        os.setxattr(marked, "system.posix_acl_access", POSIX_ACL)
        os.utime(marked, (OLD, OLD))
    put(b"equal.gz", b"equal")
    put(b"equal.gz", b"equal", top=destination)
    put(b"different.gz", b"one")
    put(b"different.gz", b"another", top=destination)
    put(b"young", b"young", old=time.time())
    put(b"open", b"open")
    put(b"growing", b"grew: ", old=time.time())
    os.link(put(b"twice", b"two names"), os.path.join(root, b"twice again"))
    os.symlink("large", os.path.join(root, b"link"))
    os.symlink("/etc", os.path.join(root, b"folder link"))
    os.mkfifo(os.path.join(root, b"pipe"))


def has_xattrs(folder: bytes) -> bool:
    """Whether the filesystem has extended attributes. NFSv3 has none, and the mover then leaves a file with some."""
    probe = os.path.join(folder, b"probe")
    os.makedirs(folder, exist_ok=True)
    with open(probe, "wb"):
        pass
    try:
        os.setxattr(probe, "user.probe", b"x")
        os.setxattr(probe, "system.posix_acl_access", POSIX_ACL)
        return True
    except OSError:
        return False
    finally:
        os.unlink(probe)


def describe(top: bytes) -> dict[bytes, dict[str, Any]]:
    found: dict[bytes, dict[str, Any]] = {}
    for folder, folders, files in os.walk(top):
        for name in folders + files:
            path = os.path.join(folder, name)
            seen = os.lstat(path)
            if stat.S_ISDIR(seen.st_mode):
                continue
            if stat.S_ISREG(seen.st_mode):
                content = (
                    subprocess.run(
                        ["zstd", "--quiet", "--decompress", "--stdout", "--", path], stdout=subprocess.PIPE, check=False
                    ).stdout
                    if path.endswith(b".zst")
                    else pathlib.Path(os.fsdecode(path)).read_bytes()
                )
                xattrs = {
                    name: os.getxattr(path, name).hex()
                    for name in sorted(os.listxattr(path))
                    if not name.startswith("security.")
                }
                found[path] = {
                    "sha256": hashlib.sha256(content).hexdigest(),
                    "bytes": len(content),
                    "mode": seen.st_mode,
                    "owner": (seen.st_uid, seen.st_gid),
                    "mtime": seen.st_mtime,
                    "links": seen.st_nlink,
                    "xattrs": xattrs,
                }
            else:
                found[path] = {"mode": seen.st_mode}
    return found


main()
