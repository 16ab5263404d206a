"""
What it costs to know when files were last read: reads files with each way that the kernel has, and prints a table.

usage: access.py MOUNT-POINT [--files N] [--runs N]

The filesystem must be one to try things on: it is remounted, and gets a folder of files, which is removed at the end.
Each round drops what is cached, reads all files from the beginning to the end, and flushes. Prints the median of its
seconds, and what the disk was given to write, in KiB.
"""

import argparse
import ctypes
import os
import shutil
import signal
import statistics
import subprocess
import time

LIBC = ctypes.CDLL(None, use_errno=True)
# fanotify_init(2), fanotify_mark(2)
FAN_UNLIMITED_QUEUE, FAN_MARK_ADD, FAN_MARK_MOUNT, FAN_OPEN, AT_FDCWD = 0x10, 0x1, 0x10, 0x20, -100
DAYS_AGO = 40


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("point")
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    folder = f"{options.point}/access-bench"
    try:
        paths = make(folder, options.files)
        # atime: without it, mount(8) takes over the noatime that was there.
        ways = [
            ("noatime", "noatime", True, False),
            ("relatime, first read of a day", "atime,relatime", True, False),
            ("relatime, again that day", "atime,relatime", False, False),
            ("strictatime", "atime,strictatime", False, False),
            ("noatime, and a listener by fanotify", "noatime", True, True),
        ]
        print(f"{'':<38}{'seconds':>8}{'KiB written':>13}")
        for name, option, is_aged, listens in ways:
            subprocess.run(["mount", "-o", f"remount,{option}", options.point], check=True)
            rounds = [one_round(options.point, paths, is_aged, listens) for _ in range(options.runs)]
            seconds, kib = (statistics.median(one[index] for one in rounds) for index in (0, 1))
            print(f"{name:<38}{seconds:>8.2f}{kib:>13.0f}", flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run(["mount", "-o", "remount,noatime", options.point], check=False)


def make(folder: str, files: int) -> list[str]:
    paths = []
    for number in range(files):
        if number % 100 == 0:
            below = f"{folder}/{number // 100}"
            os.makedirs(below)
        paths.append(f"{below}/{number}")
        with open(paths[-1], "wb") as file:
            file.write(os.urandom(4096))
    return paths


def one_round(point: str, paths: list[str], is_aged: bool, listens: bool) -> tuple[float, float]:
    if is_aged:
        when = time.time() - DAYS_AGO * 86400
        for path in paths:
            os.utime(path, (when, when))
    os.sync()
    with open("/proc/sys/vm/drop_caches", "w") as file:
        file.write("3")
    listener = listen(point) if listens else None
    before, start = written(point), time.monotonic()
    for path in paths:
        with open(path, "rb", buffering=0) as file:
            file.read(4096)
    subprocess.run(["sync", "--file-system", point], check=True)
    seconds, kib = time.monotonic() - start, (written(point) - before) / 2
    if listener is not None:
        os.kill(listener, signal.SIGTERM)
        os.waitpid(listener, 0)
    return seconds, kib


def listen(point: str) -> int:
    """Starts a process that takes the name of each file that is opened there; returns its number."""
    events = LIBC.fanotify_init(FAN_UNLIMITED_QUEUE, os.O_RDONLY)
    mask = ctypes.c_uint64(FAN_OPEN)
    if events < 0 or LIBC.fanotify_mark(events, FAN_MARK_ADD | FAN_MARK_MOUNT, mask, AT_FDCWD, point.encode()) != 0:
        raise OSError(ctypes.get_errno(), "fanotify")
    child = os.fork()
    if child != 0:
        os.close(events)
        return child
    seen: dict[str, float] = {}
    while True:
        block = os.read(events, 1 << 16)
        for at in range(0, len(block), 24):
            fd = int.from_bytes(block[at + 16 : at + 20], "little")
            seen[os.readlink(f"/proc/self/fd/{fd}")] = time.time()
            os.close(fd)


def written(point: str) -> int:
    """Sectors of 512 bytes that the filesystem's disk was given to write, see iostats.rst of the kernel."""
    source = subprocess.run(
        ["findmnt", "--noheadings", "--output", "SOURCE", point], check=True, capture_output=True, text=True
    ).stdout.strip()
    name = os.path.basename(os.path.realpath(source))
    with open(f"/sys/class/block/{name}/stat") as file:
        return int(file.read().split()[6])


if __name__ == "__main__":
    main()
