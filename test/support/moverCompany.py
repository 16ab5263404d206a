"""
Kills the mover at seeded moments while logrotate and other programs use the files that it moves.
usage: moverCompany.py PACKAGE SOURCE DESTINATION STATE --rotations N [--turns N] [--seed N]

PACKAGE is the folder jts_storage, SOURCE a folder, DESTINATION a mount point, STATE a folder for lock, journal and
logrotate's own files. There are rounds until logrotate has made so many rotations, and some of each kind. In each,
logrotate goes over all of its logs --turns times. Meanwhile the mover is started and killed until the programs end, and
then runs once without a kill. One round of three is compressed. After each round, every line that a program wrote must
exist exactly once, under whatever name. No private name of the mover may be left, and the journal must have each file
that was moved. Prints figures as JSON, and in `lost`, `twice` and `wrong` where that is not so.

Lines may be missing only where it is known which file was replaced, and by whom: the replacing program holds that file
open until it is gone, so that the mover does not move it. logrotate itself would lose lines that are written while it
copies or compresses, see logrotate(8): nobody writes then.
"""

import argparse
import collections
import contextlib
import ctypes
import errno
import fcntl
import gzip
import hashlib
import itertools
import json
import mmap
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Iterable
from typing import Any

import zstandard

LOGROTATE = "/usr/sbin/logrotate"
# Each write makes a file some seconds younger, so that no two files with the same name have the same time.
OLD = 10**9
# Exit status: another run holds the lock. A process that the killed run was about to start keeps it until its exec(2).
HELD = 75
LOGS = 20
# More than the turns of a round, so that logrotate never deletes a log.
KEPT = 60
CREATE = "create 0640 root root"
SETS = {
    "numbered": CREATE,
    "dated": f"{CREATE}\ndateext\ndateformat -%s-TURN",
    "truncated": "copytruncate",
    "compressed": f"{CREATE}\ncompress",
    "delayed": f"{CREATE}\ncompress\ndelaycompress",
}
# logrotate loses what is written while it copies or compresses these.
LOCKED = ("truncated", "compressed", "delayed")
ROTATED = re.compile(r"^(?:renaming|truncating) \S*/(\w+)/\d+\.log(?: to \S+)?$", re.MULTILINE)
NOT_ROTATED = re.compile(r"^error: error (?:renaming|truncating) \S*/(\w+)/\d+\.log(?: to \S+)?:", re.MULTILINE)
# Indexes of the numbers that the programs of a round share.
ROTATIONS, ENDED = 0, 1
GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
RENAME_NOREPLACE = 1
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("package", "source", "destination", "state"):
        parser.add_argument(name)
    parser.add_argument("--rotations", type=int, required=True)
    parser.add_argument("--turns", type=int, default=30)
    parser.add_argument("--seed", type=int, default=20260711)
    options = parser.parse_args()
    if not os.access(LOGROTATE, os.X_OK):
        sys.exit(f"there is no {LOGROTATE}. Next: apt-get install logrotate")
    if options.turns >= KEPT:
        parser.error(f"--turns must be below {KEPT}")
    series = Series(options)
    began = time.monotonic()
    # On a busy machine some of the five kinds may be behind.
    while series.rotations.total() < options.rotations or sum(times > 20 for times in series.rotations.values()) < 5:
        series.round()
    print(json.dumps({**series.figures(), "seconds": round(time.monotonic() - began, 1)}))


class Series:
    def __init__(self, options: argparse.Namespace) -> None:
        self.options, self.random = options, random.Random(options.seed)
        self.source = pathlib.Path(options.source, "company")
        self.kept = pathlib.Path(options.source, "kept")
        self.destination = pathlib.Path(options.destination, "company")
        self.state = pathlib.Path(options.state)
        self.journal = self.state / "moves.jsonl"
        self.whole = 0.5
        self.rounds = self.kills = self.ended = self.moved = 0
        self.rotations: collections.Counter[str] = collections.Counter()
        self.done: collections.Counter[str] = collections.Counter()
        self.not_moved: collections.Counter[str] = collections.Counter()
        self.lost: list[str] = []
        self.twice: list[str] = []
        self.wrong: list[str] = []

    def figures(self) -> dict[str, Any]:
        return {
            "rounds": self.rounds,
            "kills": self.kills,
            "runsThatEnded": self.ended,
            "movedFiles": self.moved,
            "rotations": self.rotations.total(),
            "rotationsOf": self.rotations,
            **self.done,
            "notMoved": self.not_moved,
            "lostLines": len(self.lost),
            "doubledLines": len(self.twice),
            "lost": self.lost[:20],
            "twice": self.twice[:20],
            "wrong": self.wrong[:20],
        }

    def round(self) -> None:
        for folder in (self.source, self.kept, self.destination):
            shutil.rmtree(folder, ignore_errors=True)
        for file in self.state.glob("moves.jsonl*"):
            file.unlink()
        for folder in (self.source, self.kept):
            folder.mkdir()
        compress = self.rounds % 3 == 1
        shared = memoryview(mmap.mmap(-1, 16)).cast("Q")
        programs = [program(self, shared) for program in PROGRAMS]
        while any(program.is_running() for program in programs):
            self.run_and_kill(compress)
        self.finish(compress)
        self.compare([program.result() for program in programs])
        self.rounds += 1

    def start(self, compress: bool, output: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
        command = ["/usr/bin/python3", "-I", "-B", self.options.package, "move", "--json", "--older-than-days", "0"]
        command += ["--source", str(self.source), "--destination", str(self.destination)]
        command += ["--destination-mount", self.options.destination, "--lock", str(self.state / "lock")]
        command += ["--journal", str(self.journal), *(["--compress"] if compress else [])]
        return subprocess.Popen(command, stdout=output, stderr=subprocess.DEVNULL, start_new_session=True)

    def run_and_kill(self, compress: bool) -> None:
        """Kills it at a random moment of a run, or once its journal has grown by a random size."""
        began = time.monotonic()
        mover = self.start(compress)
        if self.random.random() < 0.5:
            moment = self.random.random() * self.whole * 1.1
            with contextlib.suppress(subprocess.TimeoutExpired):
                mover.wait(moment)
        else:
            size = self.journal_size() + self.random.randrange(1, 60_000)
            while mover.poll() is None and self.journal_size() < size:
                time.sleep(0.0005)
        if mover.poll() is None:
            # Only the mover itself, or with all that it has started, as systemd does it.
            self.random.choice((mover.kill, lambda: os.killpg(mover.pid, signal.SIGKILL)))()
        status = mover.wait()
        if status == -signal.SIGKILL:
            self.kills += 1
        elif status != HELD:
            self.ended += 1
            self.whole = time.monotonic() - began

    def journal_size(self) -> int:
        try:
            return self.journal.stat().st_size
        except FileNotFoundError:
            return 0

    def finish(self, compress: bool) -> None:
        """
        Runs it without a kill: it moves all files, except those whose name, and name with the time, the destination
        already has.
        """
        status, end = HELD, time.monotonic() + 60
        while status == HELD and time.monotonic() < end:
            mover = self.start(compress, subprocess.PIPE)
            said = mover.communicate()[0]
            status = mover.returncode
        if status not in (0, 1):
            self.wrong.append(f"the last run ended with {status}")
            return
        summary = json.loads(said)
        self.not_moved.update(one["reason"] for one in summary["failed"])
        self.not_moved.update(summary["skipped"])

    def compare(self, results: list[dict[str, Any]]) -> None:
        written: list[str] = []
        discarded: set[str] = set()
        for result in results:
            written += result["written"]
            discarded.update(result["discarded"])
            self.rotations.update(result["rotations"])
            self.done[result["did"]] += result["times"]
        with self.journal.open() as journal:
            journaled = {(move["to"], move["sha256"]) for move in map(json.loads, journal)}
        places: dict[str, list[str]] = collections.defaultdict(list)
        for top in (self.source, self.kept, self.destination):
            for path in top.rglob("*"):
                if path.name.startswith(".jts-"):
                    self.wrong.append(f"{path} is left")
                if not path.is_file():
                    continue
                moved = top == self.destination
                content = path.read_bytes()
                if content.startswith(ZSTD):
                    content = zstandard.ZstdDecompressor().decompressobj().decompress(content)
                if moved and not content.startswith(Restores.did.encode()):
                    self.moved += 1
                    if (str(path), hashlib.sha256(content).hexdigest()) not in journaled:
                        self.wrong.append(f"the journal has no line of {path}")
                lines = gzip.decompress(content) if content.startswith(GZIP) else content
                for line in lines.decode().splitlines():
                    places[line].append(str(path))
        self.lost += [line for line in written if line not in places and line not in discarded]
        self.twice += [f"{line}: {files}" for line, files in places.items() if len(files) > 1]
        self.wrong += [f"nobody wrote {line!r} of {places[line]}" for line in places.keys() - set(written)]


class Program:
    """One of the other programs, in a process of its own, which ends with ours."""

    did = ""
    # How many steps it does for each rotation of logrotate.
    pace = 1.0

    def __init__(self, series: Series, shared: memoryview) -> None:
        self.source, self.kept, self.state = series.source, series.kept, series.state
        self.destination = series.destination
        self.turns, self.shared = series.options.turns, shared
        self.random = random.Random(f"{series.options.seed} {series.rounds} {self.did}")
        self.written: list[str] = []
        self.discarded: list[str] = []
        self.rotations: collections.Counter[str] = collections.Counter()
        self.times = 0
        self.seconds = itertools.count(OLD + PROGRAMS.index(type(self)) * 10**7)
        self.said = os.memfd_create(self.did)
        self.status: int | None = None
        self.child = os.fork()
        if self.child == 0:
            LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            try:
                self.work()
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            finally:
                self.shared[ENDED] += isinstance(self, Logrotate)
            said = {"written": self.written, "discarded": self.discarded, "rotations": self.rotations}
            os.pwrite(self.said, json.dumps({**said, "did": self.did, "times": self.times}).encode(), 0)
            os._exit(0)

    def is_running(self) -> bool:
        if self.status is None:
            pid, status = os.waitpid(self.child, os.WNOHANG)
            self.status = status if pid else None
        return self.status is None

    def result(self) -> dict[str, Any]:
        if self.status != 0:
            sys.exit(f"the program that makes {self.did} ended with {self.status}")
        said: dict[str, Any] = json.loads(os.pread(self.said, 1 << 28, 0))
        os.close(self.said)
        return said

    def work(self) -> None:
        while not self.shared[ENDED]:
            if self.times < self.shared[ROTATIONS] * self.pace:
                self.times += self.step()
            else:
                time.sleep(0.001)

    def step(self) -> bool:
        """Returns whether the step was done."""
        raise NotImplementedError

    def write(self, fd: int, path: pathlib.Path) -> None:
        """Writes a line that nobody else writes and that names the file, and closes the file."""
        line = f"{self.did} {len(self.written)}: {path.parent.name}/{path.name}"
        try:
            os.write(fd, f"{line}\n".encode())
            self.written.append(line)
            second = next(self.seconds)
            os.utime(fd, (second, second))
        finally:
            os.close(fd)

    def make(self, path: pathlib.Path) -> bool:
        """Makes a file with a line, unless one of this name exists."""
        try:
            fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o640)
        except FileExistsError:
            return False
        self.write(fd, path)
        return True

    def append(self, path: pathlib.Path) -> bool:
        """Opens, writes and closes a file that exists."""
        try:
            fd = os.open(path, os.O_WRONLY | os.O_APPEND)
        except FileNotFoundError:
            return False
        self.write(fd, path)
        return True


class Logrotate(Program):
    """Debian's logrotate, on logs of each kind, each with at least one line. The other programs end after its turns."""

    did = "linesForLogrotate"

    def work(self) -> None:
        for name in SETS:
            (self.source / name).mkdir()
        for turn in range(self.turns):
            self.rotate([name for name in SETS if name not in LOCKED], turn)
            with (self.state / "writing").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                self.rotate(LOCKED, turn)

    def rotate(self, names: Iterable[str], turn: int) -> None:
        config = ""
        for name in names:
            for number in range(LOGS):
                log = self.source / name / f"{number}.log"
                # The mover may take it away or put it back in between.
                while not self.append(log) and not self.make(log):
                    pass
                self.times += 1
                if name == "compressed":
                    self.save(log, turn)
            config += f"{self.source}/{name}/*.log {{\nrotate {KEPT}\n{SETS[name]}\n}}\n".replace("TURN", str(turn))
        path = self.state / "logrotate.conf"
        path.write_text(config)
        path.chmod(0o644)
        command = [LOGROTATE, "--verbose", "--force", "--state", str(self.state / "logrotate.state"), str(path)]
        # Its status is not checked: it fails where a log is removed while it rotates that log.
        printed = subprocess.run(command, capture_output=True, text=True, check=False).stderr
        self.rotations.update(ROTATED.findall(printed))
        self.rotations.subtract(NOT_ROTATED.findall(printed))
        self.shared[ROTATIONS] = self.rotations.total()

    def save(self, log: pathlib.Path, turn: int) -> None:
        """
        Keeps a log that logrotate renamed and could not compress, since the mover had it just then: logrotate's next
        turn would put another one in its place.
        """
        with contextlib.suppress(FileNotFoundError):
            os.rename(f"{log}.1", f"{log}.1-{turn}")


class Renames(Program):
    """Rotates as logrotate does, with numbers, but quicker: the oldest first, each over whatever has its name."""

    did = "emulatedRotations"

    def work(self) -> None:
        self.folder = self.source / "emulated"
        self.folder.mkdir()
        super().work()

    def step(self) -> bool:
        log = self.folder / f"{self.times % LOGS if self.random.random() < 0.9 else self.random.randrange(LOGS)}.log"
        for old, new in (
            (f"{log}.2", self.kept / str(next(self.seconds))),
            (f"{log}.1", f"{log}.2"),
            (log, f"{log}.1"),
        ):
            with contextlib.suppress(FileNotFoundError):
                os.rename(old, new)
        return self.make(log)


class Appends(Program):
    """Opens, writes and closes what others have made, and what it makes itself."""

    did = "appends"
    pace = 1.1

    def work(self) -> None:
        (self.source / "appended").mkdir()
        super().work()

    def step(self) -> bool:
        name = self.random.choice([*SETS, "emulated", "appended", "folders"])
        log = self.source / name / f"{self.random.randrange(LOGS)}.log"
        if name == "appended":
            self.write(os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640), log)
            return True
        if name == "folders":
            return self.append(self.source / name / str(self.random.randrange(LOGS)) / "0.log")
        if name in ("numbered", "truncated", "delayed", "emulated") and self.random.random() < 0.3:
            log = log.with_name(f"{log.name}.1")
        if name not in LOCKED:
            return self.append(log)
        with (self.state / "writing").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return self.append(log)


class Replaces(Program):
    """Writes a new file, and renames it over the old one."""

    did = "replacements"
    pace = 0.2

    def work(self) -> None:
        self.folder = self.source / "replaced"
        self.folder.mkdir()
        super().work()

    def step(self) -> bool:
        path = self.folder / f"{self.random.randrange(LOGS)}.state"
        new = path.with_name(f"{path.name}.new-{len(self.written)}")
        self.make(new)
        while True:
            try:
                held = os.open(path, os.O_RDONLY)
            except FileNotFoundError:
                if rename_without_replacing(new, path):
                    return True
                continue
            try:
                # While we have it open, the mover does not move it: we have replaced what is gone after the rename.
                if os.fstat(held).st_nlink == 0:
                    continue
                try:
                    os.rename(new, path)
                except FileNotFoundError:
                    return False
                if os.fstat(held).st_nlink == 0:
                    self.discarded += os.pread(held, 1 << 20, 0).decode().splitlines()
                return True
            finally:
                os.close(held)


class Restores(Program):
    """Puts files at the destination, under names that the mover wants just then; replaces none, as nobody may."""

    did = "restoredFiles"
    pace = 0.1

    def step(self) -> bool:
        folder = self.random.choice([*SETS, "emulated"])
        names = ls(self.source / folder)
        if not names or not (self.destination / folder).is_dir():
            return False
        return self.make(self.destination / folder / f"{self.random.choice(names)}{self.random.choice(['', '.zst'])}")


class Remakes(Program):
    """Renames folders away and makes new ones of the same names with files in them, and removes empty ones."""

    did = "remadeFolders"
    pace = 0.1

    def work(self) -> None:
        self.top = self.source / "folders"
        self.top.mkdir()
        super().work()

    def step(self) -> bool:
        folder = self.top / str(self.random.randrange(LOGS))
        with contextlib.suppress(FileNotFoundError):
            os.rename(folder, f"{folder}-{next(self.seconds)}")
        folder.mkdir()
        for name in range(2):
            self.make(folder / f"{name}.log")
        for other in self.random.choices(os.listdir(self.top), k=5):
            with contextlib.suppress(OSError):
                os.rmdir(self.top / other)
        return True


def ls(folder: pathlib.Path) -> list[str]:
    """The names that other programs may use too."""
    with contextlib.suppress(FileNotFoundError):
        return [name for name in os.listdir(folder) if not name.startswith(".")]
    return []


def rename_without_replacing(old: pathlib.Path, new: pathlib.Path) -> bool:
    """Returns False where something has the new name; True also where the old one is gone."""
    if LIBC.renameat2(-1, os.fsencode(old), -1, os.fsencode(new), RENAME_NOREPLACE) == 0:
        return True
    number = ctypes.get_errno()
    if number in (errno.ENOENT, errno.EEXIST):
        return number == errno.ENOENT
    raise OSError(number, os.strerror(number), str(old))


PROGRAMS = (Logrotate, Renames, Appends, Replaces, Remakes, Restores)
main()
