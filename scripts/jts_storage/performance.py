"""\
usage: performance-test.sh [--quick] [--tier hot|warm|cold]... [--slower-percent N] [--picture FILE] [--json]
                           [--settings FILE] [--lock FILE]
       performance-test.sh --history [--quick] [--tier hot|warm|cold]... [--slower-percent N] [--picture FILE] [--json]
                           [--settings FILE]
       performance-test.sh --dry-run [--quick] [--tier hot|warm|cold]... [--settings FILE] [--lock FILE]

Measures each mount of each tier with fio: 1 MiB blocks in sequence (8 at a time), and 4 KiB blocks at random (32 at a
time), written and read without the page cache; for cold that is the throughput of the NAS and the network. It loads
the disks: run it when the services can bear that.

On the hot tier, each volume is measured at its own mount point; on cold, the folder `root` of each export. A filesystem
that is mounted at several of these is measured once. One mount after another is measured. Each may take at most 20
minutes, 96 seconds with --quick.

Prints for each mount a table of its last ten runs of that size, the newest on the right: of blocks in sequence the
bytes per second, of blocks at random the operations per second, and of each the time in which 99 % of the operations
ended. The median is that of the runs before the newest; the change is from this median to the newest run. SLOWER marks
a speed that is lower, or a time that is longer, by more than --slower-percent.

  --quick             64 MiB and 5 s for each test, in place of 4 GiB and 30 s; these are compared only with each other
  --tier TIER         only that tier; may be repeated
  --slower-percent N  how much slower the newest run must be to be marked; default: 25
  --picture FILE      writes the same as a picture, with a line for each figure of each mount: an SVG file, whose name
                      must end in .svg
  --json              prints one JSON document in place of the table: "at", "size" (quick or full), "bytes", and:
                      "tiers": for each mount "tier", "path" and "problem" (null: measured), and "tests" by name
                      (sequentialWrite, sequentialRead, randomWrite, randomRead), each with "bytesPerSecond",
                      "operationsPerSecond", "p99Microseconds" and "changePercent" of the bytes per second (null:
                      nothing to compare with);
                      "history": for each mount "tier", "path", "size", "runs", the oldest first, each with "at" and
                      "tests", and "trends", each with "test", "figure", "median", "changePercent", "isSlower"
  --history           measures nothing, and shows what is kept, of both sizes or with --quick of that one. In the JSON
                      document, "at", "size" and "bytes" are null, and "tiers" is empty
  --dry-run           prints what would be measured and where, and writes nothing
  --settings FILE     in place of /etc/jts-storage/settings.json; only root, or only you, must be able to write it
  --lock FILE         in place of /run/jts-storage-performance.lock

A mount is not measured where the declared filesystem is not mounted, or where the test would leave it above
automation.usageWarningPercent or with less than twice the test's size free. The test's file is in a new folder
.jts-performance-… at the top of what is measured, and is removed at the end, also after a failure or a signal; after a
kill, the next run removes it.

Settings, see docs/configuration.md: hot.mountPoints; warm.mountPoint, label; cold.mountPoint, source, root;
automation.usageWarningPercent; probeSeconds; stateFolder, where performance.json keeps the last ten runs of each mount
and size. A mount that the settings no longer have is dropped from it. If it cannot be read, it is renamed to
performance.json.damaged, and a new one begins.

Exit status: 0 all mounts were measured, also where one is slower · 1 a mount could not be measured, or something could
not be written; the log says why · 2 wrong usage or settings · 75 another run holds the lock
"""

import contextlib
import glob
import json
import os
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from jts_storage.bounded import bounded, output_of
from jts_storage.files import write_whole
from jts_storage.log import log
from jts_storage.measurements import (
    BYTES,
    OPERATIONS,
    P99,
    History,
    Run,
    Trend,
    add_run,
    as_json,
    read_histories,
    short,
    signed,
    trends_of,
    write_histories,
)
from jts_storage.picture import draw
from jts_storage.problem import HERE, Problem, reason_of, with_remedy
from jts_storage.program import Parser, human, plain_number, print_json, printable, take_lock
from jts_storage.settings import Settings
from jts_storage.tiers import mount_at, prove_cold, prove_mount, prove_warm, usage_of

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
# In the table.
UNITS = {BYTES: "bytes/s", OPERATIONS: "op/s", P99: "99 %"}


def main(words: Sequence[str]) -> int:
    parser = Parser(__doc__ or "")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--tier", action="append", choices=TIERS)
    parser.add_argument("--slower-percent", default="25")
    parser.add_argument("--picture", metavar="FILE")
    parser.add_argument("--json", action="store_true")
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--history", action="store_true")
    only.add_argument("--dry-run", action="store_true")
    parser.add_argument("--lock", default="/run/jts-storage-performance.lock")
    options = parser.parse_args(words)
    if not re.fullmatch(r"[1-9]\d?", options.slower_percent):
        parser.error("--slower-percent needs a whole number from 1 to 99")
    picture = picture_file(parser, options.picture, options.dry_run)
    settings = parser.read_settings(options)
    places = [(tier, path) for tier in TIERS if tier in (options.tier or TIERS) for path in places_of(tier, settings)]
    if not places:
        parser.error("the settings have no such tier")
    size = Size("quick", 64 << 20, 5) if options.quick else Size("full", 4 << 30, 30)
    if options.dry_run:
        return status_of(measure_all(places, size, settings, dry_run=True))
    file, limit = f"{settings.state_folder}/performance.json", int(options.slower_percent)
    if options.history:
        kept = read_histories(file, keep_aside=False)
        document: dict[str, Any] = {"version": 1, "at": None, "size": None, "bytes": None, "tiers": []}
        shown = shown_of(kept, places, ("quick",) if options.quick else ("full", "quick"), limit)
    else:
        if shutil.which("fio") is None:
            parser.error("there is no fio", "apt-get install fio")
        take_lock(options.lock)
        kept = read_histories(file, keep_aside=True)
        results = measure_all(places, size, settings, dry_run=False)
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        document = {"version": 1, "at": at, "size": size.name, "bytes": size.bytes, "tiers": results}
        kept = with_results(kept, document, settings)
        shown = shown_of(kept, places, (size.name,), limit)
        add_changes(results, shown)
        warn_of_slower([one for one in shown if one[0].runs[-1].at == at])
    if options.json:
        print_json({**document, "history": [_with_trends(*one) for one in shown]})
    else:
        print("\n".join(_text(shown)))
    if not options.history:
        write_histories(file, kept)
    if picture is not None:
        write_whole(picture, draw(shown, limit))
    return status_of(document["tiers"])


def picture_file(parser: Parser, path: str | None, dry_run: bool) -> str | None:
    """The whole path of the picture. What is wrong with it is said before anything is measured."""
    if path is None:
        return None
    if dry_run:
        parser.error("--dry-run writes nothing, and so no --picture")
    # So that a mistaken name replaces no other file.
    if not path.endswith(".svg"):
        parser.error(f"--picture: {path} does not end in .svg")
    # Measuring changes the working directory.
    whole = os.path.abspath(path)
    if not os.path.isdir(os.path.dirname(whole)) or os.path.isdir(whole):
        parser.error(f"--picture: there can be no file {path}", f"mkdir --parents {os.path.dirname(whole)}")
    return whole


@dataclass(frozen=True)
class Size:
    """How much is measured, and how long each test takes."""

    name: str
    bytes: int
    seconds: int

    @property
    def limit(self) -> int:
        """How many seconds a mount may take. fio first writes the whole file once, at 4 MiB/s or more."""
        return 4 * self.seconds + 60 + (self.bytes >> 22)


def places_of(tier: str, settings: Settings) -> list[str]:
    """The folders to measure a tier in: one of each mount. Bind mounts, such as those of the hot tree, are left out."""
    if tier == "hot":
        return [] if settings.hot is None else [*settings.hot.mount_points]
    if tier == "warm":
        return [] if settings.warm is None else [settings.warm.mount_point]
    return [one.root for one in settings.colds().values()]


def measure_all(
    places: Sequence[tuple[str, str]], size: Size, settings: Settings, *, dry_run: bool
) -> list[dict[str, Any]]:
    """What `measure` says of each place, without those on a filesystem that another place is on."""
    results, paths = [], dict[str, str]()
    for tier, path in places:
        cold = settings.cold_of(path) if tier == "cold" else None
        live = mount_at(path if cold is None else cold.mount_point)
        first = path if live is None else paths.setdefault(live.device, path)
        if first == path:
            results.append(measure(tier, path, size, settings, dry_run=dry_run))
        else:
            log("info", f"{path} is not measured: it is the same filesystem as {first}")
    return results


def status_of(results: Sequence[dict[str, Any]]) -> int:
    return 1 if any(one["problem"] is not None for one in results) else 0


def measure(tier: str, path: str, size: Size, settings: Settings, *, dry_run: bool) -> dict[str, Any]:
    """The figures of a mount, or the problem, for the JSON document."""
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
        log("warning", f"{tier} at {path} is not measured: {reason}")
        result["problem"] = reason
    return result


def require_room(tier: str, path: str, size: Size, settings: Settings) -> None:
    """@raises Problem where the mount cannot be measured"""
    point = path
    try:
        if tier == "hot":
            prove_mount(path)
        if tier == "warm" and settings.warm is not None:
            prove_warm(settings.warm)
        cold = settings.cold_of(path) if tier == "cold" else None
        if cold is not None:
            point = cold.mount_point
            prove_cold(cold)
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
            "make room there" if size.name == "quick" else f"{HERE}/performance-test.sh --quick, or make room there",
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
            BYTES: plain_number(figures["bw_bytes"]),
            OPERATIONS: plain_number(figures["iops"]),
            P99: plain_number(figures["clat_ns"].get("percentile", {}).get("99.000000", 0) / 1000),
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


def with_results(kept: Sequence[History], document: dict[str, Any], settings: Settings) -> list[History]:
    """What to keep: what a mount that was not measured had, stays; what the settings no longer have, goes."""
    declared = {(tier, path) for tier in TIERS for path in places_of(tier, settings)}
    histories = [one for one in kept if (one.tier, one.path) in declared]
    for one in document["tiers"]:
        if one["tests"] is not None:
            run = Run(document["at"], one["tests"])
            histories = add_run(histories, one["tier"], one["path"], document["size"], run)
    return histories


Shown = Sequence[tuple[History, Sequence[Trend]]]


def shown_of(
    kept: Sequence[History], places: Sequence[tuple[str, str]], sizes: Sequence[str], limit_percent: int
) -> Shown:
    """The histories of these places, in their order, with their trends."""
    by_place = {(one.tier, one.path, one.size): one for one in kept}
    wanted = [by_place.get((tier, path, size)) for tier, path in places for size in sizes]
    return [(one, trends_of(one, limit_percent)) for one in wanted if one is not None]


def add_changes(results: Sequence[dict[str, Any]], shown: Shown) -> None:
    """Adds to each test of the results how its bytes per second changed."""
    for result in results:
        if result["tests"] is None:
            continue
        trends = next(trends for one, trends in shown if (one.tier, one.path) == (result["tier"], result["path"]))
        changes = {one.test: one.change_percent for one in trends if one.figure != P99}
        result["tests"] = {
            test: {**figures, "changePercent": changes[test]} for test, figures in result["tests"].items()
        }


def warn_of_slower(shown: Shown) -> None:
    remedy = (
        f"{HERE}/performance-test.sh when the host has little to do; if it is slower again: {HERE}/storage-health.sh"
    )
    for history, trends in shown:
        slower = [f"{one.test} {UNITS[one.figure]} {signed(one.change_percent)}" for one in trends if one.is_slower]
        if slower:
            what = f"{history.tier} at {history.path} is slower than the median of its earlier runs"
            log("warning", with_remedy(f"{what}: {', '.join(slower)}", remedy))


def _with_trends(history: History, trends: Sequence[Trend]) -> dict[str, Any]:
    return {
        **as_json(history),
        "trends": [
            {
                "test": one.test,
                "figure": one.figure,
                "median": one.median,
                "changePercent": one.change_percent,
                "isSlower": one.is_slower,
            }
            for one in trends
        ],
    }


def _text(shown: Shown) -> list[str]:
    lines = [] if shown else ["no measurements are kept"]
    for history, trends in shown:
        # Month and day: hours would make the table wider than a screen.
        days = "".join(f"{run.at[5:10]:>7}" for run in history.runs)
        lines.append(f"{history.tier} {printable(history.path)}, {history.size}")
        lines.append(f"  {'':<23}{days} {'median':>8} {'change':>9}")
        for one in trends:
            values = "".join(f"{short(value, one.figure):>7}" for value in one.values)
            median = "-" if one.median is None else short(one.median, one.figure)
            mark = "  SLOWER" if one.is_slower else ""
            name = f"{one.test} {UNITS[one.figure]}"
            lines.append(f"  {name:<23}{values} {median:>8} {signed(one.change_percent):>9}{mark}")
    return lines
