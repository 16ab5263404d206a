"""Archives: files NAME-STAMP.ENDING with a checksum beside them, which have their names only once they are whole."""

import contextlib
import datetime
import hashlib
import json
import os
import re
import select
import signal
import subprocess
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from typing import IO, Any, NoReturn, TypeVar

from jts_storage.bounded import OURS_ALONE
from jts_storage.files import first_line
from jts_storage.log import log
from jts_storage.mounts import closing
from jts_storage.problem import Problem, reason_of
from jts_storage.program import Run, human, print_json
from jts_storage.settings import ColdRetention, Settings
from jts_storage.tiers import usage_of

T = TypeVar("T")
CHUNK_BYTES = 1 << 20
MIB = 1 << 20
STAMP = re.compile(r"\d{8}T\d{6}Z")
STAMP_FORMAT = "%Y%m%dT%H%M%SZ"
CHECKSUM = ".sha256"
# On all processors.
COMPRESS = ("zstd", "--quiet", "--threads=0", "--stdout")
# Of a filesystem, one after the other: it is away.
MISSES = 5
ENDING_SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)


class ArchivingRun(Run):
    """A run that tells what it did, in the log and as JSON."""

    def __init__(self, settings: Settings, dry_run: bool, as_json: bool) -> None:
        super().__init__(settings, dry_run)
        self.as_json = as_json
        self.done: list[dict[str, Any]] = []
        self.would_have = "would have " if dry_run else ""
        if dry_run and not as_json:
            # What would happen is what was asked for, so it is the output.
            os.dup2(1, 2)

    def tell(self, did: str, what: str, more: str = "", **facts: Any) -> None:
        """What was done to what; in a dry run, what would have been."""
        log("info", f"{self.would_have}{did} {what}{more}")
        self.done.append({"did": did, "what": what, **facts})

    def verify_each(self, archives: Iterable[tuple[str, dict[str, Any], Callable[[], str | None]]]) -> None:
        """
        Tells of archives, by path and facts, what their looks find: nothing where they are good; None where they went
        away while they were read.
        """
        told = []
        for path, facts, look in archives:
            problem = look()
            if problem is None:
                log("info", f"{path} went away meanwhile")
                continue
            if problem:
                self.fail(problem)
            elif not self.as_json:
                print(f"ok  {path}", flush=True)
            told.append({**facts, "ok": not problem, "problem": problem or None})
        if self.as_json:
            print_json({"archives": told, "failed": self.problems})

    def print_summary(self, action: str) -> None:
        """Where JSON was asked for."""
        if self.as_json:
            print_json({"action": action, "dryRun": self.dry_run, "done": self.done, "failed": self.problems})


def stamp_of(seconds: float) -> str:
    """As archives have it in their names, which then sort as time does."""
    return time.strftime(STAMP_FORMAT, time.gmtime(seconds))


def _is_stamp(text: str) -> bool:
    try:
        return STAMP.fullmatch(text) is not None and bool(time.strptime(text, STAMP_FORMAT))
    except ValueError:
        return False


def require_room(last: int | None, source: int | None, point: str, seconds: float, remedy: str) -> None:
    """
    What an archive takes, in bytes, goes by the last one of its name, and a quarter more; else it is at most what its
    source uses. None: unknown. Where neither is known, writing it shows whether there is room.

    @raises Problem where the filesystem at that point has less, or doesn't answer within so many seconds
    """
    if last is not None:
        needed, basis = last + last // 4 + MIB, "as the last one took, and a quarter more"
    elif source is not None:
        needed, basis = source + MIB, "at most: what its source uses, since there is no last one to go by"
    else:
        return
    free = usage_of(point, seconds).available
    if free < needed:
        raise Problem(
            f"it needs about {human(needed)} ({basis}), {point} has {human(free)} free. "
            f"Do: make room there; or, to try nevertheless: {remedy}"
        )


def size_of_last(folder: str, ending: str, *names: str) -> int | None:
    """Bytes of the newest archive with one of those names; None: there is none."""
    stamps = [(stamp, name) for name in filter(None, names) for stamp in _stamps_of(folder, name, ending)]
    if not stamps:
        return None
    stamp, name = max(stamps)
    return os.path.getsize(f"{folder}/{name}-{stamp}{ending}")


def pack(commands: Sequence[Sequence[str]], temporary: str, well: Sequence[int] = (0,)) -> str:
    """
    Writes what a pipeline prints to a file that nobody else reads. `well`: statuses with which its first command may
    end, as tar(1) does with 1 where a file changed or went away while it was read.

    @returns its SHA-256
    @raises Problem where one of them fails, or the file can't be written
    """
    children: list[subprocess.Popen[bytes]] = []
    digest = hashlib.sha256()
    try:
        for command in commands:
            child = subprocess.Popen(
                command,
                stdin=children[-1].stdout if children else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                # Where we are killed, no other run begins while they still use what is packed.
                pass_fds=OURS_ALONE,
            )
            if children:
                # The one before is to be told by SIGPIPE where this one ends.
                _stdout_of(children[-1]).close()
            children.append(child)
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with open(fd, "wb", buffering=0) as file:
            # As it comes, not only once there is a chunk of it.
            while chunk := os.read(_stdout_of(children[-1]).fileno(), CHUNK_BYTES):
                digest.update(chunk)
                view = memoryview(chunk)
                while view:
                    view = view[file.write(view) or 0 :]
    except OSError as problem:
        for child in children:
            child.kill()
        raise Problem(f"{problem.filename or commands[0][0]}: {problem.strerror}") from None
    finally:
        for child in children:
            _stdout_of(child).close()
            child.wait()
    for index, (command, child) in enumerate(zip(commands, children, strict=True)):
        if child.returncode not in (well if index == 0 else (0,)):
            raise Problem(f"{command[0]} failed with status {child.returncode}")
    return digest.hexdigest()


def _stdout_of(child: subprocess.Popen[bytes]) -> IO[bytes]:
    assert child.stdout is not None
    return child.stdout


def publish(temporary: str, target: str, sha256: str, reader: Callable[[int], None]) -> None:
    """
    Gives an archive its name, and TARGET.sha256, once it is on the device, reads back from there as it was written, and
    `reader` takes it, which gets an open file. Replaces nothing.

    @raises Problem where neither name is there
    """
    checksum = f"{temporary}{CHECKSUM}"
    try:
        with open(temporary, "rb", buffering=0) as file:
            os.fsync(file.fileno())
            # Out of the page cache, which would only give back what we gave it.
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
                raise Problem(f"{target} reads back differently from what was written: check its device")
            os.lseek(file.fileno(), 0, os.SEEK_SET)
            try:
                reader(file.fileno())
            except Problem as problem:
                raise Problem(f"{target}: {problem}") from None
        with open(checksum, "w", encoding="utf-8") as file_of_sum:
            file_of_sum.write(f"{sha256}  {os.path.basename(target)}\n")
            file_of_sum.flush()
            os.fsync(file_of_sum.fileno())
        # The archive last: one that has its name is whole, and has its checksum.
        os.link(checksum, f"{target}{CHECKSUM}")
        try:
            os.link(temporary, target)
        except OSError:
            os.unlink(f"{target}{CHECKSUM}")
            raise
        remove_temporary(temporary)
        fd = os.open(os.path.dirname(target), os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
    except OSError as problem:
        raise Problem(f"{target}: {problem.strerror}") from None


def remove_temporary(temporary: str) -> None:
    """With its checksum, whatever there is of them."""
    for path in (temporary, f"{temporary}{CHECKSUM}"):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


def read_through(commands: Sequence[Sequence[str]]) -> Callable[[int], None]:
    """A reader that takes what a pipeline takes; what that prints is not kept."""

    def read(fd: int) -> None:
        children: list[subprocess.Popen[bytes]] = []
        for index, command in enumerate(commands):
            is_last = index == len(commands) - 1
            child = subprocess.Popen(
                command,
                stdin=fd if not children else children[-1].stdout,
                stdout=subprocess.DEVNULL if is_last else subprocess.PIPE,
            )
            if children:
                _stdout_of(children[-1]).close()
            children.append(child)
        if [child.wait() for child in children] != [0] * len(children):
            raise Problem(f"it cannot be read as what it should be, by {' | '.join(one[0] for one in commands)}")

    return read


# Both formats tell where they were cut.
read_tar = read_through([["zstd", "--quiet", "--decompress", "--stdout"], ["tar", "--list", "--file=-"]])


def require_sum(path: str, wanted: str) -> None:
    """@raises Problem unless the file has that SHA-256, which is a line of its checksum file"""
    try:
        with open(path, "rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as problem:
        raise Problem(f"{path} cannot be read: {problem.strerror}") from None
    if found != wanted.split(" ")[0]:
        raise Problem(f"{path} is not what its checksum says: it is damaged")


def verify(path: str, wanted: str, reader: Callable[[int], None]) -> None:
    """@raises Problem unless the archive is as its checksum says, and `reader` takes it to its end"""
    require_sum(path, wanted)
    try:
        with open(path, "rb") as file:
            reader(file.fileno())
    except (Problem, OSError):
        raise Problem(f"{path} cannot be unpacked, though it is as it was written") from None


def sum_beside(path: str) -> str:
    """@raises Problem where there is none, or it can't be read"""
    checksum = f"{path}{CHECKSUM}"
    line = first_line(checksum)
    if not line:
        raise Problem(f"{checksum} cannot be read" if os.path.isfile(checksum) else f"{path} has no checksum beside it")
    return line


def _stamps_of(folder: str, name: str, ending: str) -> list[str]:
    """Of the archives NAME-STAMP ENDING that have their checksum beside them: others are not ours."""
    found = []
    for file in os.listdir(folder):
        stamp = file.removeprefix(f"{name}-").removesuffix(ending)
        path = os.path.join(folder, file)
        if (
            file == f"{name}-{stamp}{ending}"
            and _is_stamp(stamp)
            and os.path.isfile(path)
            and not os.path.islink(path)
            and os.path.isfile(f"{path}{CHECKSUM}")
        ):
            found.append(stamp)
    return sorted(found)


def expired(
    folder: str, name: str, ending: str, days: int, count: int, now: int, weekly: bool = False, old_name: str = ""
) -> list[str]:
    """
    Those of NAME-STAMP ENDING that may go: older than so many days, and `count` newer ones are there, so that a clock
    that jumps doesn't take them all. `weekly`: the first of each week stays. `old_name`: what they were called before.
    """
    oldest = stamp_of(now - days * 86400)
    names = (name, old_name) if old_name else (name,)
    archives = sorted((stamp, one) for one in names for stamp in _stamps_of(folder, one, ending))
    going, last = [], None
    for index, (stamp, one) in enumerate(archives):
        week = _week_of(stamp)
        if weekly and week != last:
            last = week
        elif index + count < len(archives) and stamp < oldest:
            going.append(f"{one}-{stamp}{ending}")
    return going


def superseded(stamps: Sequence[str], retention: ColdRetention, now: int) -> list[str]:
    """
    Those of an archive's stamps that may go. The newest of each of the last weeks, months and years with any stays, and
    so do as many of the newest as the largest of these numbers. Those of a time to come stay, and nothing goes by them.
    """
    past = sorted((stamp for stamp in stamps if _is_stamp(stamp) and stamp <= stamp_of(now)), reverse=True)
    kept = set(past[: max(1, retention.weekly, retention.monthly, retention.yearly)])
    periods: tuple[tuple[int, Callable[[str], object]], ...] = (
        (retention.weekly, _week_of),
        (retention.monthly, lambda stamp: stamp[:6]),
        (retention.yearly, lambda stamp: stamp[:4]),
    )
    for count, period_of in periods:
        newest: dict[object, str] = {}
        for stamp in past:
            newest.setdefault(period_of(stamp), stamp)
        kept.update(list(newest.values())[:count])
    return [stamp for stamp in reversed(past) if stamp not in kept]


def _week_of(stamp: str) -> int:
    return (datetime.date(int(stamp[:4]), int(stamp[4:6]), int(stamp[6:8])).toordinal() + 306) // 7


def watched(point: str, seconds: float, work: Callable[[], T]) -> T:
    """
    What a function returns, which must be JSON's, called in a process of its own. Where the filesystem at that point
    stops to answer meanwhile, five times within so many seconds each, that is killed with all that it started: what
    writes to a NAS that is away waits for ever, and so would whoever waits for that.

    @raises Problem with its words, or where that stopped to answer
    """
    with closing(os.memfd_create("answer")) as answer:
        # No signal may end this one between the start and what takes it back.
        held = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING_SIGNALS)
        child = os.fork()
        if child == 0:
            _work_and_end(work, answer, held)
        try:
            os.setpgid(child, child)
            signal.pthread_sigmask(signal.SIG_SETMASK, held)
            is_ended = _ends_while_it_answers(child, point, seconds)
        finally:
            os.killpg(child, signal.SIGKILL)
        if not is_ended:
            raise Problem(f"{point} stopped to answer; the next run tries again")
        os.waitpid(child, 0)
        told = json.loads(os.pread(answer, os.fstat(answer).st_size, 0) or b'{"problem": "it ended without a word"}')
    if "problem" in told:
        raise Problem(told["problem"])
    value: T = told["value"]
    return value


def _ends_while_it_answers(child: int, point: str, seconds: float) -> bool:
    misses = 0
    with closing(os.pidfd_open(child)) as ended:
        while misses < MISSES:
            if select.select([ended], [], [], seconds)[0]:
                return True
            try:
                usage_of(point, seconds)
                misses = 0
            except Problem:
                misses += 1
    return False


def _work_and_end(work: Callable[[], object], answer: int, mask: set[signal.Signals | int]) -> NoReturn:
    """In the process that was forked for it: nothing of the parent's is to be cleaned up here."""
    try:
        os.setpgid(0, 0)
        for number in ENDING_SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        with closing(os.open(os.devnull, os.O_RDONLY)) as nothing:
            os.dup2(nothing, 0)
        try:
            told: dict[str, Any] = {"value": work()}
        except Problem as problem:
            told = {"problem": str(problem)}
        except OSError as problem:
            told = {"problem": f"{problem.filename}: {reason_of(problem)}"}
        os.write(answer, json.dumps(told).encode())
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(0)
