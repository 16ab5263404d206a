"""Archives: files NAME-STAMP.ENDING with a checksum beside them. Only complete ones have such names."""

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
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import IO, Any, Generic, NoReturn, TypeVar

from jts_storage.bandwidth import Pace, pace_of
from jts_storage.bounded import LOCKS
from jts_storage.files import first_line
from jts_storage.log import log
from jts_storage.mounts import closing
from jts_storage.options import ColdRetention
from jts_storage.problem import Problem, reason_of
from jts_storage.program import WEEK_SECONDS, Run, human, print_json
from jts_storage.settings import Settings
from jts_storage.tiers import usage_of

T = TypeVar("T")
Item = TypeVar("Item")
Reader = Callable[[int, Pace], None]
"""Reads an open archive from its begin to its end, at a pace; raises Problem where it cannot."""
CHUNK_BYTES = 1 << 20
MIB = 1 << 20
STAMP = re.compile(r"[0-9]{8}T[0-9]{6}Z")
STAMP_FORMAT = "%Y%m%dT%H%M%SZ"
CHECKSUM = ".sha256"
# --threads=0: on all processors.
COMPRESS = ("zstd", "--quiet", "--threads=0", "--stdout")
DECOMPRESS = ("zstd", "--quiet", "--decompress", "--stdout")
LIST_TAR = ("tar", "--list", "--file=-")
# A filesystem that does not answer so many times in a row is away.
MISSES = 5
ENDING_SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)


class ArchivingRun(Run):
    """A run that reports what it did, in the log and as JSON."""

    def __init__(self, settings: Settings, dry_run: bool, as_json: bool) -> None:
        super().__init__(settings, dry_run)
        self.as_json = as_json
        self.done: list[dict[str, Any]] = []
        self.would_have = "would have " if dry_run else ""
        if dry_run and not as_json:
            # The log says what would be done, so it is the output of a dry run.
            os.dup2(1, 2)

    def report(self, did: str, what: str, more: str = "", **facts: Any) -> None:
        """
        Logs what was done, or in a dry run would have been, and keeps it for the JSON document.

        @param more  only for the log
        @param facts  only for the JSON document
        """
        log("info", f"{self.would_have}{did} {what}{more}")
        self.done.append({"did": did, "what": what, **facts})

    def verify_each(self, archives: Iterable[tuple[str, dict[str, Any], Callable[[], str | None]]]) -> None:
        """
        Verifies archives, and prints the result of each.

        @param archives  path, facts for the JSON document, and a function that verifies the archive. It returns the
            problem; empty: the archive is good; None: it was removed meanwhile
        """
        results = []
        for path, facts, look in archives:
            problem = look()
            if problem is None:
                log("info", f"{path} was removed meanwhile")
                continue
            if problem:
                self.fail(problem)
            elif not self.as_json:
                print(f"ok  {path}", flush=True)
            results.append({**facts, "ok": not problem, "problem": problem or None})
        if self.as_json:
            print_json({"archives": results, "failed": self.problems})

    def print_summary(self, action: str) -> None:
        """Prints the JSON document, with --json."""
        if self.as_json:
            print_json({"action": action, "dryRun": self.dry_run, "done": self.done, "failed": self.problems})


def stamp_of(seconds: float) -> str:
    """The stamp in the names of archives; it sorts as time does. Of a time before 1970, that of 1970."""
    # Nothing is older. A year of fewer digits, as of an age of 400,000 days, would sort after all others.
    return time.strftime(STAMP_FORMAT, time.gmtime(max(0, seconds)))


def _is_stamp(text: str) -> bool:
    try:
        return STAMP.fullmatch(text) is not None and bool(time.strptime(text, STAMP_FORMAT))
    except ValueError:
        return False


def require_room(
    point: str,
    *,
    last_bytes: int | None,
    source_bytes: int | None,
    seconds: float,
    try_command: str,
    reserved_bytes: int = 0,
) -> int:
    """
    Estimates what an archive needs: the size of the last one of its name and a quarter more, else at most what its
    source uses. Where neither is known, nothing is checked.

    @param last_bytes  the size of the last archive; None: unknown
    @param source_bytes  what the source uses; None: unknown
    @param seconds  how long the filesystem may take to answer
    @param try_command  the command that makes the archive without this check
    @param reserved_bytes  what other archives that are being made may need; default: 0
    @returns the bytes that it needs; 0: unknown
    @raises Problem where the filesystem at that point has less room, or does not answer
    """
    if last_bytes is not None:
        needed, basis = last_bytes + last_bytes // 4 + MIB, "the size of the last one and a quarter more"
    elif source_bytes is not None:
        needed, basis = source_bytes + MIB, "at most: it is what its source uses, since there is no last one"
    else:
        return 0
    free = usage_of(point, seconds).available
    if free < needed + reserved_bytes:
        raise Problem(
            f"it needs about {human(needed)} ({basis}), {point} has {human(free)} free",
            f"make room there; or, to try nevertheless: {try_command}",
        )
    return needed


def size_of_last(folder: str, ending: str, *names: str) -> int | None:
    """Bytes of the newest archive with one of those names; None: there is none."""
    stamps = [(stamp, name) for name in filter(None, names) for stamp in _stamps_of(folder, name, ending)]
    if not stamps:
        return None
    stamp, name = max(stamps)
    return os.path.getsize(f"{folder}/{name}-{stamp}{ending}")


def require_own(root: str, now: float) -> None:
    """
    Archives of volumes do not say whose they are. Those of configurations do.

    @param root  the folder on cold that holds all our files
    @param now  seconds since 1970
    @raises Problem where another host has archived below it in the last week
    """
    folder, recent = f"{root}/archives/configs", stamp_of(now - WEEK_SECONDS)
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
        found = re.fullmatch(rf"configs-(.+)-({STAMP.pattern})\.tar\.zst", name)
        if found is not None and found[1] != os.uname().nodename and found[2] > recent:
            raise Problem(
                f"the host {found[1]} archives below {root} too, and the names of archives do not say whose they are",
                "give each host a cold.root of its own, and move there what is this host's; where that is an earlier "
                f"name of this host, move {folder}/configs-{found[1]}-* away",
            )


def pack(commands: Sequence[Sequence[str]], temporary: str, good_statuses: Sequence[int] = (0,)) -> str:
    """
    Writes what a pipeline prints to a file that only root can read.

    @param good_statuses  exit statuses with which the first command has succeeded, since tar(1) ends with 1 where a
        file changed while it was read; default: 0
    @returns its SHA-256
    @raises Problem where a command fails, or the file cannot be written
    """
    children: list[subprocess.Popen[bytes]] = []
    digest, pace = hashlib.sha256(), pace_of(temporary)
    try:
        for command in commands:
            child = subprocess.Popen(
                command,
                stdin=children[-1].stdout if children else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                # With the lock: if this process is killed, no other run begins while they still read the source.
                pass_fds=LOCKS,
            )
            if children:
                # So that the command before gets SIGPIPE where this one ends.
                _stdout_of(children[-1]).close()
            children.append(child)
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with open(fd, "wb", buffering=0) as file:
            # Not by file.read, which waits for a whole chunk.
            while chunk := os.read(_stdout_of(children[-1]).fileno(), CHUNK_BYTES):
                digest.update(chunk)
                pace.let_pass(len(chunk))
                view = memoryview(chunk)
                while view:
                    view = view[file.write(view) or 0 :]
                pace.write_out(fd)
    except OSError as problem:
        for child in children:
            child.kill()
        raise Problem(f"{problem.filename or commands[0][0]}: {problem.strerror}") from None
    finally:
        for child in children:
            _stdout_of(child).close()
            child.wait()
    for index, (command, child) in enumerate(zip(commands, children, strict=True)):
        if child.returncode not in (good_statuses if index == 0 else (0,)):
            raise Problem(f"{command[0]} failed with status {child.returncode}")
    return digest.hexdigest()


def _stdout_of(child: subprocess.Popen[bytes]) -> IO[bytes]:
    assert child.stdout is not None
    return child.stdout


def publish(temporary: str, target: str, sha256: str, reader: Reader, *, more_lines: str = "") -> None:
    """
    Gives an archive its name, and writes TARGET.sha256, once it is on the device, reads back from there as it was
    written, and the reader can read it. Replaces nothing.

    @param reader  raises Problem where it cannot read the file
    @param more_lines  what TARGET.sha256 has besides; default: nothing
    @raises Problem where it got neither name
    """
    checksum, pace = f"{temporary}{CHECKSUM}", pace_of(temporary)
    try:
        with open(temporary, "rb", buffering=0) as file:
            os.fsync(file.fileno())
            # Drops it from the page cache, so that it is read from the device.
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            if pace.sha256_of(file.fileno()) != sha256:
                raise Problem(
                    f"{target} reads back differently from what was written",
                    "dmesg --level=err,warn; smartctl --all on its disk",
                )
            os.lseek(file.fileno(), 0, os.SEEK_SET)
            try:
                reader(file.fileno(), pace)
            except Problem as problem:
                raise Problem(f"{target}: {problem}") from None
        with open(checksum, "w", encoding="utf-8") as file_of_sum:
            file_of_sum.write(f"{sha256}  {os.path.basename(target)}\n{more_lines}")
            file_of_sum.flush()
            os.fsync(file_of_sum.fileno())
        # The archive gets its name last, so that one with its name is complete, and has its checksum.
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
    """Removes a file and its checksum, where they exist."""
    for path in (temporary, f"{temporary}{CHECKSUM}"):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


def read_through(commands: Sequence[Sequence[str]]) -> Reader:
    """A reader that gives the file to a pipeline, and raises Problem where a command of it fails."""

    def read(fd: int, pace: Pace) -> None:
        children: list[subprocess.Popen[bytes]] = []
        with pace.reading(fd) as stdin:
            for index, command in enumerate(commands):
                is_last = index == len(commands) - 1
                child = subprocess.Popen(
                    command,
                    stdin=stdin if not children else children[-1].stdout,
                    stdout=subprocess.DEVNULL if is_last else subprocess.PIPE,
                )
                if children:
                    _stdout_of(children[-1]).close()
                children.append(child)
            statuses = [child.wait() for child in children]
        if any(statuses):
            raise Problem(f"it is damaged: {' | '.join(one[0] for one in commands)} cannot read it")

    return read


# Both programs notice where a file is cut off.
read_tar = read_through([DECOMPRESS, LIST_TAR])


def require_sum(path: str, wanted: str) -> None:
    """@raises Problem unless the file has the SHA-256 in `wanted`, the line of its checksum file"""
    try:
        with open(path, "rb", buffering=0) as file:
            found = pace_of(path).sha256_of(file.fileno())
    except OSError as problem:
        raise Problem(f"{path} cannot be read: {problem.strerror}") from None
    if found != wanted.split(" ")[0]:
        raise Problem(f"{path} does not match its checksum: it is damaged")


def verify(path: str, wanted: str, reader: Reader) -> None:
    """@raises Problem unless the archive matches its checksum, and the reader can read it to its end"""
    require_sum(path, wanted)
    try:
        with open(path, "rb", buffering=0) as file:
            reader(file.fileno(), pace_of(path))
    except (Problem, OSError):
        raise Problem(f"{path} cannot be unpacked, although it matches its checksum") from None


def sum_beside(path: str) -> str:
    """The line of the checksum beside an archive. @raises Problem where there is none, or it cannot be read"""
    checksum = f"{path}{CHECKSUM}"
    line = first_line(checksum)
    if not line:
        raise Problem(f"{checksum} cannot be read" if os.path.isfile(checksum) else f"{path} has no checksum beside it")
    return line


def second_line(path: str) -> str:
    """The second line of a file; empty where there is none."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return [*file.read().split("\n"), ""][1]
    except OSError:
        return ""


def _stamps_of(folder: str, name: str, ending: str) -> list[str]:
    """The stamps of the archives of that name that have their checksum beside them: others are not ours."""
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
    folder: str,
    name: str,
    ending: str,
    *,
    days: int,
    count: int,
    now: int,
    keep_weekly: bool = False,
    old_name: str = "",
    increments: Sequence[tuple[str, str, str]] = (),
) -> list[str]:
    """
    The names of the archives NAME-STAMP.ENDING that may be deleted, and of the increments, which come first.

    @param days  only if they are older than this
    @param count  only if there are so many newer ones, so that a clock that jumps does not delete them all
    @param now  seconds since 1970
    @param keep_weekly  not the first one of each week; default: False
    @param old_name  the name that earlier versions gave them; empty: none
    @param increments  their stamps and names, and the name of the archive that each one needs. That one stays while it
        is needed; an increment without it is not counted; default: none
    """
    oldest = stamp_of(now - days * 86400)
    names = (name, old_name) if old_name else (name,)
    full = sorted((stamp, f"{one}-{stamp}{ending}", "") for one in names for stamp in _stamps_of(folder, one, ending))
    there = {one for _, one, _ in full}
    archives = sorted([*full, *increments])
    newer = sum(needed == "" or needed in there for _, _, needed in archives)
    going, kept, last = list[str](), set[str](), None
    for stamp, one, needed in archives:
        newer -= needed == "" or needed in there
        week = _week_of(stamp)
        if keep_weekly and needed == "" and week != last:
            last = week
        elif newer >= count and stamp < oldest:
            going.append(one)
            continue
        kept.add(needed)
    # Increments go before what they need.
    return sorted((one for one in going if one not in kept), key=lambda one: one.endswith(ending))


def superseded(stamps: Sequence[str], retention: ColdRetention, now: int) -> list[str]:
    """
    The stamps of the archives of one name that may be deleted. The newest one of each of the last weeks, months and
    years that have one stays. So do the newest ones, as many as the largest of these numbers. Stamps in the future
    stay, and do not count.
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


class Watch(Generic[T]):
    """
    Functions that are called side by side, each in a process of its own; JSON must be able to hold what they return.
    Where the filesystem at that point stops answering meanwhile, these processes are killed with all that they started:
    what writes to a NAS that is away waits for ever, and so would whoever waits for it. So they are where the `with`
    ends otherwise.

    @param seconds  how long the filesystem may take to answer, five times in a row
    """

    def __init__(self, point: str, seconds: float) -> None:
        self.point, self.seconds = point, seconds
        # Process → descriptors of its answer, and of the process itself.
        self.children: dict[int, tuple[int, int]] = {}
        self.given_up: list[int] = []

    def __enter__(self) -> "Watch[T]":
        return self

    def __exit__(self, *_: object) -> None:
        for child in list(self.children):
            self._end(child)

    def start(self, work: Callable[[], T]) -> int:
        """Calls a function; returns its process."""
        answer = os.memfd_create("answer")
        # No signal may end this process between the fork and the `with` that kills the child.
        held = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING_SIGNALS)
        child = os.fork()
        if child == 0:
            _work_and_end(work, answer, held)
        os.setpgid(child, child)
        self.children[child] = answer, os.pidfd_open(child)
        signal.pthread_sigmask(signal.SIG_SETMASK, held)
        return child

    def next_ended(self) -> tuple[int, T | Problem]:
        """
        Waits until one of the functions has ended: its process, and what it returned, or why it did not do its work.
        Where the filesystem stopped answering, all have ended so.
        """
        if not self.given_up:
            child = self._next_while_it_answers()
            if child is not None:
                return child, self._result_of(child)
            self.given_up = list(self.children)
            for one in self.given_up:
                self._end(one)
        return self.given_up.pop(0), Problem(f"{self.point} stopped answering; the next run tries again")

    def _result_of(self, child: int) -> T | Problem:
        answer = os.dup(self.children[child][0])
        with closing(answer):
            # With what it started, and did not wait for.
            self._end(child)
            os.waitpid(child, 0)
            result = json.loads(os.pread(answer, os.fstat(answer).st_size, 0) or b'{"problem": "it gave no answer"}')
        return Problem(result["problem"]) if "problem" in result else result["value"]

    def _end(self, child: int) -> None:
        """Kills a process with all that it started; does not wait for it."""
        os.killpg(child, signal.SIGKILL)
        for fd in self.children.pop(child):
            os.close(fd)

    def _next_while_it_answers(self) -> int | None:
        misses = 0
        of = {ended: child for child, (_, ended) in self.children.items()}
        while misses < MISSES:
            ready = select.select(list(of), [], [], self.seconds)[0]
            if ready:
                return of[ready[0]]
            try:
                usage_of(self.point, self.seconds)
                misses = 0
            except Problem:
                misses += 1
        return None


def watched(point: str, seconds: float, work: Callable[[], T]) -> T:
    """
    What a function returns, called in a process of its own, see `Watch`.

    @raises Problem with the function's message, or where the filesystem stopped answering
    """
    with Watch[T](point, seconds) as watch:
        watch.start(work)
        _, result = watch.next_ended()
    if isinstance(result, Problem):
        raise result
    return result


def side_by_side(
    watch: Watch[T],
    streams: int,
    items: Iterable[Item],
    begin: Callable[[Item, Sequence[Item]], Callable[[], T] | None],
    end: Callable[[Item, T | Problem], None],
) -> None:
    """
    Does a work for each item, in their order, several of them at the same time.

    @param streams  how many at most
    @param begin  called here with an item, and those that are under way: the item's work. None: it can only be said
        once one of these has ended. What it raises as Problem is the item's result
    @param end  called here with each item and its result, as soon as that is known
    """
    waiting, under_way = deque(items), dict[int, Item]()
    while waiting or under_way:
        while waiting and len(under_way) < streams:
            try:
                work = begin(waiting[0], tuple(under_way.values()))
            except Problem as problem:
                end(waiting.popleft(), problem)
                continue
            if work is None:
                break
            under_way[watch.start(work)] = waiting.popleft()
        if under_way:
            child, result = watch.next_ended()
            end(under_way.pop(child), result)


def _work_and_end(work: Callable[[], object], answer: int, mask: set[signal.Signals | int]) -> NoReturn:
    """Runs in the forked process, and ends it. The parent's handlers would clean up what is the parent's."""
    try:
        os.setpgid(0, 0)
        for number in ENDING_SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        with closing(os.open(os.devnull, os.O_RDONLY)) as nothing:
            os.dup2(nothing, 0)
        try:
            result: dict[str, Any] = {"value": work()}
        except Problem as problem:
            result = {"problem": str(problem)}
        except OSError as problem:
            result = {"problem": f"{problem.filename}: {reason_of(problem)}"}
        os.write(answer, json.dumps(result).encode())
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(0)
