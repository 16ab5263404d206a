"""
Compares the mover with rsync and mv, which don't verify what they wrote; with rsync followed by rsync --checksum, which
does; and, where it compresses, with zstd. All move the same files from and to the same filesystems.

usage: mover.py PACKAGE SOURCE DESTINATION-MOUNT STATE [--large-mib N] [--small-files N] [--runs N]
PACKAGE is the folder jts_storage.

Each starts with nothing cached, and ends when its destination is flushed. Prints the median seconds of each as JSON.
"""

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import time

# Further apart than what zstd looks back for: 2 MiB.
TEXT_BYTES = 8 << 20


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("package", "source", "destination", "state"):
        parser.add_argument(name)
    parser.add_argument("--large-mib", type=int, default=256)
    parser.add_argument("--small-files", type=int, default=2000)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    source, destination = os.path.join(options.source, "bench"), os.path.join(options.destination, "bench")
    move = [
        "/usr/bin/python3",
        "-I",
        "-B",
        options.package,
        "move",
        "--source",
        source,
        "--destination",
        destination,
        "--destination-mount",
        options.destination,
        "--older-than-days",
        "1",
    ]
    move += ["--lock", f"{options.state}/lock", "--journal", f"{options.state}/moves.jsonl", "--json"]
    rsync = ["rsync", "-aHAX"]
    ends = [f"{source}/", f"{destination}/"]
    plain: dict[str, list[list[str]]] = {
        "mv": [["mv", "--no-clobber", "--", f"{source}/files", f"{destination}/"]],
        "rsync": [[*rsync, "--remove-source-files", *ends]],
        "rsync, rsync --checksum": [[*rsync, *ends], [*rsync, "--checksum", "--remove-source-files", *ends]],
        "mover": [move],
    }
    compressed: dict[str, list[list[str]]] = {
        "rsync": plain["rsync"],
        "zstd -T0": [["zstd", "-T0", "--quiet", "--rm", "-r", f"{source}/files", "--output-dir-mirror", destination]],
        "mover": [[*move, "--compress"]],
    }
    large, small = (4, options.large_mib << 18), (options.small_files, 4096)
    figures = {}
    for what, (count, size), tools in (
        ("large", large, plain),
        ("small", small, plain),
        ("large, compressed", large, compressed),
        ("small, compressed", small, compressed),
    ):
        seconds: dict[str, list[float]] = {tool: [] for tool in tools}
        for _ in range(options.runs):
            # In turn, so that a slow minute of the machine slows down all of them.
            for tool, commands in tools.items():
                for path in (source, destination):
                    shutil.rmtree(path, ignore_errors=True)
                os.makedirs(destination)
                make(f"{source}/files", count, size, is_text=tools is compressed)
                seconds[tool].append(time_of(commands, source, destination))
                found = sum(len(names) for _, _, names in os.walk(destination))
                assert found == count, f"{tool} moved {found} of {count} files"
        medians = {tool: statistics.median(times) for tool, times in seconds.items()}
        figures[what] = {tool: round(median, 2) for tool, median in medians.items()}
        for tool, median in medians.items():
            if tool != "mover":
                figures[what][f"mover / {tool}"] = round(medians["mover"] / median, 2)
    for path in (source, destination):
        shutil.rmtree(path, ignore_errors=True)
    print(json.dumps(figures))


def make(folder: str, count: int, size: int, is_text: bool) -> None:
    for number in range(count):
        path = f"{folder}/{number % 20}/{number}.log"
        os.makedirs(os.path.dirname(path), exist_ok=True)
        text = text_of(number, min(size, TEXT_BYTES)) if is_text else b""
        with open(path, "wb") as file:
            left = size
            while left > 0:
                left -= file.write((text if is_text else os.urandom(min(left, 1 << 20)))[:left])
        os.utime(path, (10**9, 10**9))


def text_of(number: int, size: int) -> bytes:
    """Lines as a service logs them, which zstd compresses to about a fifth."""
    seeded = random.Random(number)
    lines = []
    for line in range(size // 70 + 1):
        price, order = seeded.randrange(10**6), seeded.randrange(1 << 40)
        lines.append(f"2026-06-30T12:00:{line % 60:02}Z INFO order {order:x} of client {number}: filled at {price}\n")
    return "".join(lines).encode()


def time_of(commands: list[list[str]], source: str, destination: str) -> float:
    subprocess.run(["sync"], check=True)
    with open("/proc/sys/vm/drop_caches", "w", encoding="ascii") as caches:
        caches.write("3")
    began = time.monotonic()
    for command in commands:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    subprocess.run(["sync", "--file-system", destination, source], check=True)
    return time.monotonic() - began


main()
