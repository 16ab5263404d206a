"""\
usage: performance-test.sh [--quick] [--tier hot|warm|cold]... [--json] [--dry-run] [--settings FILE] [--lock FILE]

Measures each tier with fio: 1 MiB blocks in sequence (8 at a time), and 4 KiB blocks at random (32 at a time), written
and read without the page cache; for cold that is the throughput of the NAS and the network. Compares with the last run
of the same size, in percent, and keeps the figures. It loads the disks: run it when the services can bear that.

On the hot tier, the mount with the most free space is measured; on cold, the folder cold.root.

  --quick          64 MiB and 5 s for each test, in place of 4 GiB and 30 s
  --tier TIER      only that tier; may be repeated
  --json           prints one JSON document in place of the table: "at", "size" (quick or full), "bytes", and "tiers":
                   for each "tier", "path" and "problem" (null: measured), and "tests" by name (sequentialWrite,
                   sequentialRead, randomWrite, randomRead), each with "bytesPerSecond", "operationsPerSecond",
                   "p99Microseconds" and "changePercent" of the bytes per second (null: nothing to compare with)
  --dry-run        prints what would be measured and where, and writes nothing
  --settings FILE  in place of /etc/jts-storage/settings.json; only root, or only you, must be able to write it
  --lock FILE      in place of /run/jts-storage-performance.lock

A tier is not measured where the declared filesystem is not mounted, or where the test would leave it above
automation.usageWarningPercent or with less than twice the test's size free. The test's file is in a new folder
.jts-performance-… at the top of what is measured, and is removed at the end, also after a failure or a signal; after a
kill, the next run removes it.

Settings, see docs/configuration.md: hot.mountPoints; warm.mountPoint, label; cold.mountPoint, source, root;
automation.usageWarningPercent; probeSeconds; stateFolder, where performance.json keeps the last run of each size.

Exit status: 0 all tiers were measured · 1 a tier could not be measured; the log says why · 2 wrong usage or settings ·
75 another run holds the lock
"""

import contextlib
import glob
import json
import math
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from jts_storage.bounded import bounded, output_of
from jts_storage.files import make_state_folder, write_whole
from jts_storage.log import log
from jts_storage.problem import HERE, Problem, reason_of
from jts_storage.program import Parser, human, plain_number, take_lock
from jts_storage.settings import Settings
from jts_storage.tiers import mount_at, prove_cold, prove_warm, usage_of

TIERS = ("hot", "warm", "cold")
FILE = "jts-performance.fio"
PREFIX = ".jts-performance-"
# Name → fio's pattern, block size and depth.
TESTS = {
    "sequentialWrite": ("write", "1M", 8),
    "sequentialRead": ("read", "1M", 8),
    "randomWrite": ("randwrite", "4k", 32),
    "randomRead": ("randread", "4k", 32),
}


def main(words: Sequence[str]) -> int:
    parser = Parser(__doc__ or "")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--tier", action="append", choices=TIERS)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--dry-run", action="store_true")
    parser.add_argument("--lock", default="/run/jts-storage-performance.lock")
    options = parser.parse_args(words)
    settings = parser.read_settings(options)
    if not options.dry_run and shutil.which("fio") is None:
        parser.error("there is no fio", "apt-get install fio")
    size = Size("quick", 64 << 20, 5) if options.quick else Size("full", 4 << 30, 30)
    if not options.dry_run:
        take_lock(options.lock)
    results: list[dict[str, Any]] = []
    for tier in options.tier or TIERS:
        path = place_of(tier, settings)
        if path is not None:
            results.append(measure(tier, path, size, settings, dry_run=options.dry_run))
    if not results:
        parser.error("the settings have no such tier")
    if not options.dry_run:
        file = f"{settings.state_folder}/performance.json"
        kept = _read(file)
        document = compare(results, size, kept.get(size.name, {}))
        print(json.dumps(document, indent=2, ensure_ascii=False) if options.json else "\n".join(_text(document)))
        make_state_folder(settings.state_folder)
        write_whole(file, f"{json.dumps(keep(document, kept), indent=2)}\n")
    return 1 if any(one["problem"] is not None for one in results) else 0


@dataclass(frozen=True)
class Size:
    """How much is measured, and how long each test takes."""

    name: str
    bytes: int
    seconds: int

    @property
    def limit(self) -> int:
        """How many seconds a tier may take. fio first writes the whole file once, at 4 MiB/s or more."""
        return 4 * self.seconds + 60 + (self.bytes >> 22)


def place_of(tier: str, settings: Settings) -> str | None:
    """The folder to measure a tier in; None where the host has no such tier."""
    if tier == "warm":
        return None if settings.warm is None else settings.warm.mount_point
    if tier == "cold":
        return None if settings.cold is None else settings.cold.root
    points = () if settings.hot is None else settings.hot.mount_points
    best, most = (points[0] if points else None), -1
    for point in points:
        if mount_at(point) is None:
            continue
        try:
            usage = usage_of(point, settings.probe_seconds)
        except Problem:
            continue
        if usage.total - usage.used > most:
            best, most = point, usage.total - usage.used
    return best


def measure(tier: str, path: str, size: Size, settings: Settings, *, dry_run: bool) -> dict[str, Any]:
    """The figures of a tier, or the problem, for the JSON document."""
    result: dict[str, Any] = {"tier": tier, "path": path, "problem": None, "tests": None}
    try:
        require_room(tier, path, size, settings)
        if dry_run:
            print(f"would measure {tier} at {path} with {human(size.bytes)}, at most {size.limit} s")
        else:
            log("info", f"measuring {tier} at {path}, at most {size.limit} s")
            result["tests"] = run_fio(path, size)
    except (Problem, OSError) as problem:
        reason = reason_of(problem)
        log("warning", f"{tier} is not measured: {reason}")
        result["problem"] = reason
    return result


def require_room(tier: str, path: str, size: Size, settings: Settings) -> None:
    """@raises Problem where the tier cannot be measured there"""
    point = path
    try:
        if tier == "hot" and mount_at(path) is None:
            raise Problem(f"nothing is mounted at {path}")
        if tier == "warm" and settings.warm is not None:
            prove_warm(settings.warm)
        if tier == "cold" and settings.cold is not None:
            point = settings.cold.mount_point
            prove_cold(settings.cold)
    except Problem as problem:
        raise Problem(str(problem), f"mount {point}") from None
    try:
        usage = usage_of(path, settings.probe_seconds)
    except Problem:
        raise Problem(f"{path} does not answer", f"{HERE}/storage-health.sh") from None
    limit = settings.automation.usage_warning_percent
    is_short = usage.total - usage.used < 2 * size.bytes or usage.percent > limit
    if is_short or (usage.used + size.bytes) * 100 // usage.total > limit:
        raise Problem(
            f"{path} has too little room for {human(size.bytes)}: {usage.percent} % of {human(usage.total)} used",
            f"{HERE}/performance-test.sh --quick, or make room",
        )


def run_fio(path: str, size: Size) -> dict[str, Any]:
    """The figures of each test. @raises Problem where fio fails, or does not end in time"""
    command = ["fio", "--output-format=json", f"--filename={FILE}", f"--size={size.bytes}"]
    command += [f"--runtime={size.seconds}", "--direct=1", "--ioengine=libaio", "--end_fsync=1"]
    for name, (pattern, block, depth) in TESTS.items():
        command += [f"--name={name}", "--stonewall", f"--rw={pattern}", f"--bs={block}", f"--iodepth={depth}"]
    with scratch_folder(path):
        try:
            return figures_of(json.loads(output_of(command, size.limit)))
        except (Problem, ValueError, KeyError, TypeError):
            raise Problem(f"fio failed or did not end within {size.limit} s", f"{HERE}/storage-health.sh") from None


def figures_of(document: dict[str, Any]) -> dict[str, Any]:
    """The figures of each test, from fio's JSON. @raises ValueError, KeyError or TypeError where they are not in it"""
    jobs = document["jobs"]
    if len(jobs) != len(TESTS) or any(job["error"] != 0 for job in jobs):
        raise ValueError("failed")
    found = {}
    for job in jobs:
        figures = job["write" if job["jobname"].endswith("Write") else "read"]
        found[job["jobname"]] = {
            "bytesPerSecond": plain_number(figures["bw_bytes"]),
            "operationsPerSecond": plain_number(figures["iops"]),
            "p99Microseconds": plain_number(figures["clat_ns"].get("percentile", {}).get("99.000000", 0) / 1000),
        }
    return found


@contextlib.contextmanager
def scratch_folder(path: str) -> Iterator[None]:
    """
    Makes a folder there, which is the working directory meanwhile, and removes it at the end. fio must name its file
    without a path: whoever owns `path` could put a link in the folder's place.
    """
    for left in glob.glob(f"{glob.escape(path)}/{PREFIX}*/"):
        try:
            remove_left(left)
        except OSError as problem:
            log("warning", f"{left} could not be removed: {reason_of(problem)}")
    scratch = tempfile.mkdtemp(prefix=PREFIX, dir=path)
    try:
        os.chdir(scratch)
        seen = os.stat(".")
        if seen.st_uid != os.geteuid() or stat.S_IMODE(seen.st_mode) != 0o700:
            raise Problem(f"{scratch} was replaced while it was made")
        yield
    finally:
        # If a NAS hangs here, the next run removes it.
        try:
            bounded(_unlink, FILE, seconds=10)
            os.chdir("/")
            bounded(os.rmdir, scratch, seconds=10)
        except Problem:
            log("warning", f"{scratch} could not be removed; the next run does, or: rm -r {scratch}")
        os.chdir("/")


def remove_left(folder: str) -> None:
    seen = os.lstat(folder.rstrip("/"))
    if stat.S_ISDIR(seen.st_mode) and seen.st_uid == os.geteuid():
        log("info", f"removing what a killed run left: {folder}")
        _unlink(os.path.join(folder, FILE))
        os.rmdir(folder)


def _unlink(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def compare(results: Sequence[dict[str, Any]], size: Size, last: dict[str, Any]) -> dict[str, Any]:
    """The JSON document of the results, with the change since the last run of that size."""
    for result in results:
        before: dict[str, Any] = next(
            (one for one in last.get("tiers", []) if (one["tier"], one["path"]) == (result["tier"], result["path"])), {}
        )
        for name, figures in (result["tests"] or {}).items():
            then = (before.get("tests") or {}).get(name, {}).get("bytesPerSecond", 0)
            figures["changePercent"] = None if then == 0 else _tenths((figures["bytesPerSecond"] / then - 1) * 100)
    return {
        "version": 1,
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "size": size.name,
        "bytes": size.bytes,
        "comparedWith": last.get("at"),
        "tiers": list(results),
    }


def _tenths(number: float) -> float:
    return plain_number(math.floor(number * 10 + 0.5) / 10)


def keep(document: dict[str, Any], kept: dict[str, Any]) -> dict[str, Any]:
    """What to keep of all runs: a tier that was not measured keeps its last figures."""
    measured = [one for one in document["tiers"] if one["tests"] is not None]
    names = {one["tier"] for one in measured}
    others = [one for one in kept.get(document["size"], {}).get("tiers", []) if one["tier"] not in names]
    return {**kept, document["size"]: {**document, "tiers": [*others, *measured]}}


def _read(path: str) -> dict[str, Any]:
    """What was kept; empty where nothing was, or it cannot be read."""
    try:
        with open(path, encoding="utf-8") as file:
            kept = json.load(file)
    except (OSError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}


def _text(document: dict[str, Any]) -> list[str]:
    lines = [f"{'tier':<5} {'test':<16} {'speed':>12} {'operations':>12} {'99 % within':>12} {'change':>9}"]
    for one in document["tiers"]:
        for name, figures in (one["tests"] or {}).items():
            change = figures["changePercent"]
            lines.append(
                f"{one['tier']:<5} {name:<16} {human(figures['bytesPerSecond']):>10}/s "
                f"{int(figures['operationsPerSecond']):>10}/s {int(figures['p99Microseconds']):>9} us "
                f"{'-' if change is None else f'{change:.15g} %':>9}"
            )
    return lines
