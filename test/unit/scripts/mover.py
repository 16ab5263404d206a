"""
Runs the mover from inside, where a test must stop it at a line or change something between two of them.
usage: mover.py change-after-link|flip-a-bit FOLDER, whose `hot` and `warm` are mounts
       mover.py kill-at-lines FOLDER EVERY; 1 kills it at each line that it executes, by turns
"""

import importlib
import json
import os
import pathlib
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

folder = pathlib.Path(sys.argv[2])
HOT, WARM = folder / "hot", folder / "warm"
OLD = 10**9
CONTENT = b"a line of a log\n" * 1000


def move(*options: str) -> int:
    sys.argv[1:] = ["--source", str(HOT), "--destination", str(WARM / "logs"), "--destination-mount", str(WARM)]
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
