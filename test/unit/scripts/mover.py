"""
Runs the mover from inside, where a test must stop it at a line or change something between two of them.
usage: mover.py change-after-link|flip-a-bit|grow FOLDER, whose `hot` and `warm` are mounts
       mover.py rotate FOLDER name|journal; logrotate comes before the name is taken, or after
       mover.py open FOLDER; somebody opens the file to append to it, while it is being taken away
       mover.py company FOLDER ROTATIONS SEED; programs rotate logs and append to them while the mover runs
       mover.py kill-at-lines FOLDER EVERY; 1 kills it at each line that it executes, by turns
"""

import collections
import contextlib
import importlib
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

SCRIPTS = pathlib.Path(__file__).parents[3] / "scripts"
sys.dont_write_bytecode = True
sys.path.insert(0, str(SCRIPTS))
mover: Any = importlib.import_module("jts_storage.mover")
removal: Any = importlib.import_module("jts_storage.removal")

folder = pathlib.Path(sys.argv[2])
HOT, WARM = folder / "hot", folder / "warm"
OLD = 10**9
LOGS = 300
CONTENT = b"a line of a log\n" * 1000


def move(*options: str, source: pathlib.Path = HOT) -> int:
    sys.argv[1:] = ["--source", str(source), "--destination", str(WARM / "logs"), "--destination-mount", str(WARM)]
    sys.argv[1:] += ["--older-than-days", "1", "--lock", str(folder / "lock"), *options]
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


def kill_at(count: int) -> None:
    """Ends us as kill -9 does, at the nth line that the mover executes."""
    left = count

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal left
        if not frame.f_code.co_filename.startswith(f"{SCRIPTS}/"):
            return None
        if event == "line":
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    threading.settrace(trace)
    sys.settrace(trace)


def kill_at_lines(every: int, *options: str) -> int:
    name = "warm/logs/service/app.log" + (".zst" if "--compress" in options else "")
    lines = 1
    while True:
        put_file()

        def killed(count: int = lines) -> int:
            kill_at(count)
            return move(*options)

        ended = in_child(killed)
        # Whenever it was, the content is somewhere under its own name.
        assert "hot/service/app.log" in files() or name in files(), (lines, files())
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


def change_after_link() -> dict[str, Any]:
    source = put_file()
    link = os.link

    def link_and_change(*arguments: Any, **options: Any) -> None:
        link(*arguments, **options)
        with source.open("ab") as log:
            log.write(b"one more\n")

    mover.os.link = link_and_change
    return {"status": move(), "files": files(), "intact": source.read_bytes() == CONTENT + b"one more\n"}


def flip_a_bit() -> dict[str, Any]:
    put_file()
    write = mover.write
    mover.write = lambda fd, data, offset: write(fd, bytes([data[0] ^ 1]) + data[1:], offset)
    return {"status": move(), "files": files()}


def before(owner: Any, function: str, work: Callable[[], object]) -> None:
    """Has the work done once, before the function's first call."""
    real, left = getattr(owner, function), [work]

    def with_work(*arguments: Any, **options: Any) -> Any:
        if left:
            left.pop()()
        return real(*arguments, **options)

    setattr(owner, function, with_work)


def contents() -> dict[str, str]:
    return {name: (folder / name).read_text() for name in files()}


def grow() -> dict[str, Any]:
    """Between the look at it and its reading, so that the hash has what the copy is cut off from."""
    source = put_file()
    before(mover.Move, "copy", lambda: source.open("ab").write(b"one more\n"))
    return {"status": move(), "files": files()}


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
        before(removal, "take_name", logrotate)
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
        # It sleeps in open(2), which our lease holds up.
        while b"break_lease" not in (stack := pathlib.Path(f"/proc/{child}/stack").read_bytes()):
            assert os.waitpid(child, os.WNOHANG) == (0, 0), stack

    before(removal, "take_name", append)
    status = move()
    assert os.waitpid(child, 0)[1] == 0
    return {"status": status, "files": files(), "intact": source.read_bytes() == CONTENT + b"one more\n"}


def company(rotations: int, seed: int) -> dict[str, Any]:
    """Every file that was rotated, and every line that was appended, must be somewhere in the end, and once."""
    service = HOT / "service"
    service.mkdir()
    (kept := HOT / "kept").mkdir()
    names = [service / f"{number}.log" for number in range(LOGS)]
    reading = {}
    workers = []
    for worker in (rotating, appending):
        result = os.memfd_create(worker.__name__)
        child = os.fork()
        if child == 0:
            said = worker(names, rotations, random.Random(f"{seed} {worker.__name__}"))
            os.pwrite(result, json.dumps(said).encode(), 0)
            os._exit(0)
        workers.append(child)
        reading[worker.__name__] = result
    lines: list[str] = []
    runs, moved = 0, 0

    def harvest(top: pathlib.Path) -> None:
        nonlocal moved
        for path in sorted(top.rglob("*")):
            if path.is_file():
                lines.extend(path.read_text().splitlines())
                path.unlink()
                moved += top == WARM

    left = set(workers)
    while left:
        assert in_child(lambda: move(source=service)) == 0
        harvest(WARM)
        runs += 1
        left -= {child for child in left if os.waitpid(child, os.WNOHANG)[0]}
    assert in_child(lambda: move(source=service)) == 0
    for top in (WARM, HOT, kept):
        harvest(top)
    written = {name: json.loads(os.pread(result, 1 << 26, 0)) for name, result in reading.items()}
    wanted = sorted([*written["rotating"], *written["appending"]])
    found = sorted(lines)
    lost = sorted(set(wanted) - set(found))
    twice = sorted(line for line, count in collections.Counter(found).items() if count > 1)
    return {
        "runs": runs,
        "movedFiles": moved,
        "rotations": len(written["rotating"]),
        "appends": len(written["appending"]),
        "lost": lost,
        "twice": twice,
    }


def rotating(names: list[pathlib.Path], rotations: int, seeded: random.Random) -> list[str]:
    """As logrotate does it, with numbers: the oldest first, each over whatever has its name by now. None is deleted."""
    made = []
    for number in range(rotations):
        log = names[number % LOGS] if seeded.random() < 0.9 else seeded.choice(names)
        for index in (2, 1):
            with contextlib.suppress(FileNotFoundError):
                os.rename(f"{log}.{index}", f"{log}.{index + 1}" if index < 2 else HOT / "kept" / str(number))
        with contextlib.suppress(FileNotFoundError):
            os.rename(log, f"{log}.1")
        new = log.with_name(f"new-{number}")
        new.write_text(f"rotated {number}\n")
        os.utime(new, (OLD, OLD))
        os.rename(new, log)
        made.append(f"rotated {number}")
    return made


def appending(names: list[pathlib.Path], appends: int, seeded: random.Random) -> list[str]:
    """Opens, writes and closes, and never makes a file."""
    said = []
    for number in range(appends):
        path = f"{seeded.choice(names)}{seeded.choice(['', '.1'])}"
        try:
            file = os.open(path, os.O_WRONLY | os.O_APPEND)
        except FileNotFoundError:
            continue
        os.write(file, f"appended {number}\n".encode())
        # So old that the mover wants it again.
        os.utime(file, (OLD, OLD))
        os.close(file)
        said.append(f"appended {number}")
    return said


match sys.argv[1]:
    case "kill-at-lines":
        every = int(sys.argv[3])
        print(json.dumps({"plain": kill_at_lines(every), "compressed": kill_at_lines(every, "--compress")}))
    case "change-after-link":
        result = change_after_link()
        print("\n" + json.dumps(result))
    case "flip-a-bit":
        result = flip_a_bit()
        print("\n" + json.dumps(result))
    case "grow":
        result = grow()
        print("\n" + json.dumps(result))
    case "rotate":
        result = rotate(sys.argv[3])
        print("\n" + json.dumps(result))
    case "open":
        result = open_meanwhile()
        print("\n" + json.dumps(result))
    case "company":
        print("\n" + json.dumps(company(int(sys.argv[3]), int(sys.argv[4]))))
