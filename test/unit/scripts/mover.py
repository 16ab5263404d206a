"""
Runs the mover from inside, where a test must stop it at a line or change something between two of them.
usage: mover.py change-after-link|unflushed|flip-a-bit|lose-extents|grow|change|remount|stall FOLDER [OPTION…], whose
       `hot` and `warm` are mounts
       mover.py rotate FOLDER name|journal; logrotate comes before the name is taken, or after
       mover.py open FOLDER; somebody opens the file to append to it, while it is being taken away
       mover.py others-at-lines FOLDER EVERY; at each of these lines another program rotates the file, appends to it,
       compresses it or renames its folder, while the mover runs, or after it is killed there; prints where content was
       lost or doubled
       mover.py kill-at-lines FOLDER EVERY; kills it at each EVERYth line that it executes
"""

import contextlib
import errno
import gzip
import importlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Any

SCRIPTS = pathlib.Path(__file__).parents[3] / "scripts"
sys.dont_write_bytecode = True
sys.path.insert(0, str(SCRIPTS))
mover: Any = importlib.import_module("jts_storage.mover")
content: Any = importlib.import_module("jts_storage.content")
removal: Any = importlib.import_module("jts_storage.removal")

folder = pathlib.Path(sys.argv[2])
HOT, WARM = folder / "hot", folder / "warm"
OLD = 10**9
CONTENT = b"a line of a log\n" * 1000


def move(*options: str, source: pathlib.Path = HOT) -> int:
    sys.argv[1:] = ["--source", str(source), "--destination", str(WARM / "logs"), "--destination-mount", str(WARM)]
    sys.argv[1:] += ["--older-than-days", "1", "--lock", str(folder / "lock"), "--workers", "1", *options]
    status: int = mover.main()
    return status


def in_child(work: Callable[[], int]) -> int:
    """Its wait status."""
    child = os.fork()
    if child == 0:
        silence = os.open("/dev/null", os.O_WRONLY)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        os._exit(work())
    return os.waitpid(child, 0)[1]


def put_file() -> pathlib.Path:
    path = HOT / "service" / "app.log"
    path.parent.mkdir(mode=0o750, exist_ok=True)
    path.write_bytes(CONTENT)
    os.setxattr(path, "trusted.note", b"kept")
    path.chmod(0o640)
    os.utime(path, (OLD, OLD))
    return path


def files() -> list[str]:
    return sorted(str(path.relative_to(folder)) for top in (HOT, WARM) for path in top.rglob("*") if not path.is_dir())


def at_line(count: int, work: Callable[[], object]) -> None:
    """Does the work at the nth line that the mover executes."""
    left = count

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal left
        if not frame.f_code.co_filename.startswith(f"{SCRIPTS}/"):
            return None
        if event == "line":
            left -= 1
            if left == 0:
                work()
        return trace

    threading.settrace(trace)
    sys.settrace(trace)


def die() -> None:
    """As by kill -9."""
    os.kill(os.getpid(), signal.SIGKILL)


def kill_at_lines(every: int, *options: str) -> int:
    name = "warm/logs/service/app.log" + (".zst" if "--compress" in options else "")
    lines = 1
    while True:
        put_file()

        def killed(count: int = lines) -> int:
            at_line(count, die)
            return move(*options)

        ended = in_child(killed)
        # Whenever it was, the content is somewhere under its own name, or the private one that the next run knows.
        assert {"hot/service/app.log", "hot/service/.jts-leaving-app.log", name} & set(files()), (lines, files())
        assert in_child(lambda: move(*options)) == 0, lines
        assert files() == [name], (lines, files())
        moved = folder / name
        content = (
            subprocess.run(["zstd", "--decompress", "--stdout", str(moved)], capture_output=True, check=True).stdout
            if moved.suffix == ".zst"
            else moved.read_bytes()
        )
        seen = moved.stat()
        assert (content, seen.st_mtime, seen.st_mode & 0o777, seen.st_nlink) == (CONTENT, OLD, 0o640, 1), lines
        assert os.getxattr(moved, "trusted.note") == b"kept"
        assert moved.parent.stat().st_mode & 0o777 == 0o750, lines
        moved.unlink()
        moved.parent.rmdir()
        moved.parent.parent.rmdir()
        if ended != signal.SIGKILL:
            assert ended == 0, ended
            return lines
        lines += every


def change_after_link(*options: str) -> dict[str, Any]:
    source = put_file()
    link = os.link

    def link_and_change(*arguments: Any, **options: Any) -> None:
        link(*arguments, **options)
        with source.open("ab") as log:
            log.write(b"one more\n")

    mover.os.link = link_and_change
    return {"status": move(*options), "files": contents()}


def unflushed(*options: str) -> dict[str, Any]:
    """The folder of the copy cannot be flushed to its device."""
    source = put_file()
    mover.flush = lambda _: False
    real = os.fsync

    def fsync(fd: int) -> None:
        if os.path.exists(f"/proc/self/fd/{fd}/app.log") and os.stat(fd).st_dev == WARM.stat().st_dev:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(fd)

    mover.os.fsync = fsync
    status = move(*options)
    return {"status": status, "files": files(), "intact": source.read_bytes() == CONTENT}


def flip_a_bit(*options: str) -> dict[str, Any]:
    put_file()
    write = content.write
    content.write = lambda fd, data, offset: write(fd, bytes([data[0] ^ 1]) + data[1:], offset)
    return {"status": move(*options), "files": files()}


def lose_extents(*options: str) -> dict[str, Any]:
    """The filesystem fails to say where the rest of the data of a file with large holes is."""
    with put_file().open("r+b") as file:
        file.truncate(256 << 20)
        file.seek(200 << 20)
        file.write(CONTENT)
        os.utime(file.fileno(), (OLD, OLD))
    real = os.lseek

    def lseek(fd: int, offset: int, whence: int) -> int:
        if whence == os.SEEK_DATA and offset > 0:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(fd, offset, whence)

    content.os.lseek = lseek
    return {"status": move(*options), "files": files()}


def before(owner: Any, function: str, work: Callable[[], object]) -> None:
    """Does the work once, before the function's first call."""
    real, left = getattr(owner, function), [work]

    def with_work(*arguments: Any, **options: Any) -> Any:
        if left:
            left.pop()()
        return real(*arguments, **options)

    setattr(owner, function, with_work)


def contents() -> dict[str, str]:
    return {name: (folder / name).read_text() for name in files()}


def grow(*options: str) -> dict[str, Any]:
    """The file grows between its check and its reading, so that the hash has more than the copy."""
    source = put_file()
    before(mover, "transfer", lambda: append(source))
    return {"status": move(*options), "files": files()}


def append(path: pathlib.Path) -> None:
    with path.open("ab") as file:
        file.write(b"one more\n")


def change(*options: str) -> dict[str, Any]:
    """The file changes after it was read."""
    source = put_file()
    before(mover, "give", lambda: append(source))
    status = move(*options)
    return {"status": status, "files": files(), "intact": source.read_bytes() == CONTENT + b"one more\n"}


def remount(*options: str) -> dict[str, Any]:
    """Something else is mounted at the destination while it is read."""
    put_file()
    before(mover, "transfer", lambda: subprocess.run(["mount", "-t", "tmpfs", "other", str(WARM)], check=True))
    return {"status": move(*options), "files": files()}


def stall(*options: str) -> dict[str, Any]:
    """As on a NAS that has stopped answering."""
    put_file()
    real = mover.transfer
    before(mover, "transfer", lambda: time.sleep(60))
    ended = in_child(lambda: move("--stall-seconds", "1", *options))
    left = files()
    mover.transfer = real
    return {"ended": ended, "left": left, "status": in_child(lambda: move(*options)), "files": files()}


def rotate(when: str) -> dict[str, Any]:
    log = put_file()
    old, older = log.with_name("app.log.1"), log.with_name("app.log.2")
    log.rename(old)
    old.write_text("old")
    os.utime(old, (OLD, OLD))
    log.write_text("fresh")

    def logrotate() -> None:
        if old.exists():
            old.rename(older)
        log.rename(old)

    if when == "name":
        before(mover, "take_name", logrotate)
    else:
        before(mover.Journal, "add", logrotate)
    return {"status": move(), "files": contents()}


def open_meanwhile() -> dict[str, Any]:
    source = put_file()
    child = 0

    def append() -> None:
        nonlocal child
        child = os.fork()
        if child == 0:
            with source.open("ab") as file:
                file.write(b"one more\n")
            os._exit(0)
        # It waits in open(2) for our lease.
        while b"break_lease" not in (stack := pathlib.Path(f"/proc/{child}/stack").read_bytes()):
            assert os.waitpid(child, os.WNOHANG) == (0, 0), stack

    before(mover, "take_name", append)
    status = move()
    assert os.waitpid(child, 0)[1] == 0
    return {"status": status, "files": files(), "intact": source.read_bytes() == CONTENT + b"one more\n"}


def rename() -> None:
    log = HOT / "service" / "app.log"
    log.rename(f"{log}.1")


def append_old() -> None:
    # O_NONBLOCK: where another program would wait for the lease, we get an error.
    fd = os.open(HOT / "service" / "app.log", os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK)
    os.write(fd, b"one more\n")
    os.utime(fd, (OLD, OLD))
    os.close(fd)


def compress() -> None:
    """As by logrotate, which has the file open until its name is gone."""
    log = HOT / "service" / "app.log"
    fd = os.open(log, os.O_RDONLY | os.O_NONBLOCK)
    compressed = pathlib.Path(f"{log}.gz")
    compressed.write_bytes(gzip.compress(os.pread(fd, 1 << 20, 0)))
    os.utime(compressed, (OLD, OLD))
    # The mover may have its name.
    with contextlib.suppress(FileNotFoundError):
        log.unlink()
    os.close(fd)


def rename_folder() -> None:
    (HOT / "service").rename(HOT / "service-1")
    (HOT / "service").mkdir()


def others_at_lines(every: int) -> list[str]:
    """Whatever another program does, at whatever line, the content must be in one file in the end."""
    first = 1
    while was_at_line(first + 100, die) and not any(WARM.iterdir()):
        first += 100
    wrong = []
    for work in (rename, append_old, compress, rename_folder):
        for prefix in ("", "killed, then "):
            lines = first
            while was_at_line(lines, die if prefix else partial(try_to, work)):
                if prefix:
                    try_to(work)
                status = in_child(move)
                found = sum(
                    (gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()).count(CONTENT)
                    for path in map(folder.joinpath, files())
                )
                if (status, found, [name for name in files() if ".jts-" in name]) != (0, 1, []):
                    wrong.append(f"{prefix}{work.__name__} at line {lines}: {found} times, status {status}: {files()}")
                lines += every
    return wrong


def try_to(work: Callable[[], None]) -> None:
    with contextlib.suppress(FileNotFoundError, BlockingIOError):
        work()


def was_at_line(count: int, work: Callable[[], object]) -> bool:
    """Moves one file, and does the work at that line of the mover; returns whether it came there."""
    for top in (HOT, WARM):
        for left in top.iterdir():
            shutil.rmtree(left)
    put_file()
    came = os.memfd_create("came")

    def run() -> int:
        at_line(count, lambda: (os.write(came, b"x"), work()))
        return move()

    in_child(run)
    was_there = os.fstat(came).st_size > 0
    os.close(came)
    return was_there


match sys.argv[1]:
    case "kill-at-lines":
        every = int(sys.argv[3])
        print(json.dumps({"plain": kill_at_lines(every), "compressed": kill_at_lines(every, "--compress")}))
    case "change-after-link" | "unflushed" | "flip-a-bit" | "lose-extents" | "grow" | "change" | "remount" | "stall":
        works = {"change-after-link": change_after_link, "flip-a-bit": flip_a_bit, "grow": grow}
        works |= {"unflushed": unflushed, "change": change, "remount": remount, "stall": stall}
        works |= {"lose-extents": lose_extents}
        print("\n" + json.dumps(works[sys.argv[1]](*sys.argv[3:])))
    case "rotate":
        result = rotate(sys.argv[3])
        print("\n" + json.dumps(result))
    case "open":
        result = open_meanwhile()
        print("\n" + json.dumps(result))
    case "others-at-lines":
        print("\n" + json.dumps(others_at_lines(int(sys.argv[3]))))
