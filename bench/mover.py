"""
The mover against rsync and mv, which verify nothing that they wrote: the same files, from and to the same filesystems.
usage: mover.py PACKAGE SOURCE DESTINATION-MOUNT STATE [--large-mib N] [--small-files N] [--runs N]
PACKAGE is the folder jts_storage.

Each starts with nothing cached, and ends when its destination is flushed. Prints the median seconds of each as JSON.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import time


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
        "python3",
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
    tools = {
        "mv": ["mv", "--no-clobber", "--", f"{source}/files", f"{destination}/"],
        "rsync": ["rsync", "-aHAX", "--remove-source-files", f"{source}/", f"{destination}/"],
        "mover": [*move, "--lock", f"{options.state}/lock", "--journal", f"{options.state}/moves.jsonl", "--json"],
    }
    files = {"large": (4, options.large_mib << 18), "small": (options.small_files, 4096)}
    told = {}
    for what, (count, size) in files.items():
        seconds: dict[str, list[float]] = {tool: [] for tool in tools}
        for _ in range(options.runs):
            # Side by side, so that a slow minute of the machine is everybody's.
            for tool, command in tools.items():
                for path in (source, destination):
                    shutil.rmtree(path, ignore_errors=True)
                os.makedirs(destination)
                make(f"{source}/files", count, size)
                seconds[tool].append(time_of(command, source, destination))
                found = sum(len(names) for _, _, names in os.walk(destination))
                assert found == count, f"{tool} moved {found} of {count} files"
        told[what] = {tool: round(statistics.median(times), 2) for tool, times in seconds.items()}
        told[what]["mover / rsync"] = round(told[what]["mover"] / told[what]["rsync"], 2)
    for path in (source, destination):
        shutil.rmtree(path, ignore_errors=True)
    print(json.dumps(told))


def make(folder: str, count: int, size: int) -> None:
    for number in range(count):
        path = f"{folder}/{number % 20}/{number}.log"
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(os.urandom(size))
        os.utime(path, (10**9, 10**9))


def time_of(command: list[str], source: str, destination: str) -> float:
    subprocess.run(["sync"], check=True)
    with open("/proc/sys/vm/drop_caches", "w", encoding="ascii") as caches:
        caches.write("3")
    began = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    subprocess.run(["sync", "--file-system", destination, source], check=True)
    return time.monotonic() - began


main()
