"""\
usage: tiered-storage.sh check|migrate|cleanup|optimize|all [--dry-run] [--json] [--yes] [--settings FILE] [--lock FILE]
       tiered-storage.sh where NAME [--json] [--settings FILE]
       tiered-storage.sh recall PATH [--dry-run] [--json] [--settings FILE] [--lock FILE]

  check     prints the usage of each tier
  migrate   moves old logs from hot to warm, compressed: by names that logs have, and nothing of a database's folder;
            what was rotated below /var/log; old backups from warm to cold; and what the settings' rules say. Where
            warm is above its high mark, what is oldest there goes to cold sooner, until warm is below its low mark
  cleanup   deletes old files of warm's temp-processing and logs; docker prune, without volumes. A file's age is how
            long it has been there, whatever time it bears; what somebody has open stays. A first run, and one after a
            week without any or after a clock that went back, deletes nothing: the clock may be wrong
  optimize  defragments warm, trims hot
  all       all of them in this order, whatever fails
  where     tells from the journal where files of that name went, and which of them are there now. NAME may have
            wildcards, or be a path, from which or to which it was moved; NAME.zst is NAME
  recall    moves a file back to the tier that it came from, decompressed where it was compressed: PATH is where it was,
            or where it is. Its age then counts from that on, so that no rule takes it away the next night

  --dry-run        prints a table of all that a run would do, and changes nothing
  --json           prints one JSON document instead: what was done, or in a dry run would be, and what went wrong
  --yes            cleanup deletes all that is old, also where that is more than automation.deleteAtMostPercent
  --settings FILE  in place of /etc/jts-storage/settings.json; root's or yours, and nobody else's to write
  --lock FILE      in place of /run/jts-storage-tiering.lock

Settings, as README.md tells them; a tier that is null isn't there:
  hot.mountPoints, logFolders  where the tier is mounted; folders of logs
  hot.logRoot                  below warm's logs they have the paths that they have below this one
  warm.mountPoint, label       and the filesystem's label that proves which one is mounted
  cold.mountPoint, source      and SERVER:EXPORT that proves it
  cold.root                    the folder below it that is ours
  automation.logsToWarmAfterDays, backupsToColdAfterDays   age is that of the last write
  automation.systemLogs                                    the folder of the system's logs
  automation.attributes        strict: what the destination can't keep all attributes of stays; or best-effort
  automation.tempAfterDays, warmLogsAfterDays              what is older there is deleted
  automation.deleteAtMostPercent                           of warm's size
  automation.warmHighPercent, warmLowPercent               the marks
  automation.usageWarningPercent, usageCriticalPercent
  automation.rules             name, source, pattern, olderThanDays, to (warm or cold), destination, compress, keep
  automation.dockerPrune       docker system prune, which removes stopped containers and what no one uses
  movesJournal                 a line of JSON for each move
  stateFolder, probeSeconds    how long a filesystem may take to answer

Exit status: 0 all well · 1 something failed, is away or above the critical usage, or the journal has no such file; the
log says what and what to do · 2 wrong usage or settings · 75 another run holds the lock
"""

import argparse
import json
import os
import shlex
import shutil
import signal
import stat
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from jts_storage import mover, retention
from jts_storage.bounded import bounded, output_of
from jts_storage.journal import moves_of
from jts_storage.log import log
from jts_storage.problem import HERE, Problem
from jts_storage.program import Parser, Run, human, print_json, printable, take_lock
from jts_storage.settings import Cold, Settings, Warm
from jts_storage.tiers import mount_at, prove_cold, prove_mount, prove_warm, usage_of

ACTIONS = ("check", "migrate", "cleanup", "optimize", "all")
DAY_SECONDS = 86400
# What a filesystem frees it may tell late, and a compressed file takes less than it says: hence further looks.
ROUNDS = 3
# Reasons why the mover leaves what is due.
STAYED = ("open", "changed meanwhile")


def main(words: Sequence[str]) -> int:
    parser = Parser(__doc__ or "")
    parser.add_argument("actions", nargs="*")
    parser.add_argument("--dry-run", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--yes", action="store_true")
    parser.add_argument("--lock", default="/run/jts-storage-tiering.lock")
    options = parser.parse_intermixed_args(words)
    if options.actions[:1] == ["where"]:
        if len(options.actions) != 2:
            parser.error("where needs one name")
        return where(options.actions[1], parser.read_settings(options), options.json)
    if options.actions[:1] == ["recall"]:
        if len(options.actions) != 2 or not options.actions[1].startswith("/"):
            parser.error("recall needs one absolute path")
        return Tiering(parser.read_settings(options), options).recall(os.path.normpath(options.actions[1]))
    for action in options.actions:
        if action not in ACTIONS:
            parser.error(f"there is no {action}")
    if len(options.actions) != 1:
        parser.error("a subcommand is missing" if not options.actions else "one subcommand at a time")
    tiering = Tiering(parser.read_settings(options), options)
    with tiering.recorded("tiered-storage", options.actions[0]):
        return tiering.run(options.actions[0])


@dataclass(frozen=True)
class Moving:
    """What moves, by a rule of ours or of the settings: the mover's arguments, and where it wins room."""

    name: str
    to: str
    sources: tuple[str, ...]
    arguments: tuple[str, ...]
    is_on_warm: bool
    """Its files leave the warm tier."""
    only_under_pressure: bool = False


class Tiering(Run):
    """One run over the tiers, and what came of it."""

    def __init__(self, settings: Settings, options: argparse.Namespace) -> None:
        super().__init__(settings, options.dry_run)
        self.options = options
        self.lock: int | None = None
        self.usages: list[dict[str, Any]] = []
        self.moves: list[dict[str, Any]] = []
        self.not_moved: list[dict[str, Any]] = []
        self.deletions: list[dict[str, Any]] = []
        self.not_deleted: list[dict[str, Any]] = []
        self.skipped: dict[str, int] = {}
        self.commands: list[str] = []
        self.moved = {"files": 0, "bytes": 0}
        self.stayed: dict[str, int] = {}

    def run(self, action: str) -> int:
        if not self.dry_run and action != "check":
            self.lock = take_lock(self.options.lock)
        works: dict[str, Callable[[], None]] = {
            "check": self.check,
            "migrate": self.migrate,
            "cleanup": self.cleanup,
            "optimize": self.optimize,
        }
        for work in works.values() if action == "all" else [works[action]]:
            work()
        report = printable(self.report(action))
        if self.options.json:
            print_json(report)
            return self.status
        if self.dry_run:
            print("\n".join(_table(report)))
        if action != "check":
            deleted = report["totals"]["deleted"]
            print(
                f"{'a run would have ' if self.dry_run else ''}moved {self.moved['files']} files, "
                f"{self.moved['bytes']} bytes; deleted {deleted['files']} files, {deleted['bytes']} bytes"
            )
        return self.status

    def report(self, action: str) -> dict[str, Any]:
        files = [one["bytes"] for one in self.deletions if one["kind"] == "file"]
        return {
            "subcommand": action,
            "dryRun": self.dry_run,
            "status": self.status,
            "usage": self.usages,
            "moves": self.moves,
            "skipped": self.skipped,
            "deletions": self.deletions,
            "commands": self.commands,
            "totals": {"moved": self.moved, "deleted": {"files": len(files), "bytes": sum(files)}},
            "problems": [
                *self.problems,
                *(f"{_quoted(one['path'])} was not moved: {one['reason']}" for one in self.not_moved),
                *(f"{_quoted(one['path'])} was not deleted: {one['reason']}" for one in self.not_deleted),
            ],
        }

    def check(self) -> None:
        hot, warm, cold = self.settings.hot, self.settings.warm, self.settings.cold
        for point in () if hot is None else hot.mount_points:
            # Plain folders of a small host may lie on the root filesystem; then there is only something to measure.
            self.check_tier("hot", point, partial(_require_mounted, point))
        if warm is not None:
            self.check_tier("warm", warm.mount_point, lambda: prove_mount(warm.mount_point, label=warm.label))
        if cold is not None:
            self.check_tier("cold", cold.mount_point, lambda: prove_mount(cold.mount_point, source=cold.source))

    def check_tier(self, tier: str, point: str, prove: Callable[[], object]) -> None:
        try:
            prove()
        except Problem as problem:
            self.fail(f"{tier}: {problem}. Do: mount {point}")
            return
        try:
            usage = usage_of(point, self.settings.probe_seconds)
        except Problem:
            self.fail(f"{tier}: {point} does not answer. Do: storage-health.sh")
            return
        self.usages.append(
            {
                "tier": tier,
                "mountPoint": point,
                "usedBytes": usage.used,
                "totalBytes": usage.total,
                "usedPercent": usage.percent,
                "usedInodesPercent": usage.inodes_percent,
            }
        )
        if not self.options.json:
            print(
                f"{tier:<4}  {point}: {usage.percent} % of {human(usage.total)} used, {human(usage.used)} of them; "
                f"{usage.inodes_percent} % of its inodes"
            )
        percent, automation = max(usage.percent, usage.inodes_percent), self.settings.automation
        if percent > automation.usage_critical_percent:
            self.fail(
                f"{tier}: {point} is above the critical {automation.usage_critical_percent:g} %. "
                f"Do: {HERE}/tiered-storage.sh migrate; {HERE}/tiered-storage.sh cleanup"
            )
        elif percent > automation.usage_warning_percent:
            log("warning", f"{tier}: {point} is above {automation.usage_warning_percent:g} %")

    def migrate(self) -> None:
        warm, cold = self.settings.warm, self.settings.cold
        if warm is None:
            log("info", "no warm tier: nothing to migrate to or from")
            return
        try:
            prove_warm(warm)
        except Problem as problem:
            self.fail(f"nothing migrated: {problem}. Do: mount {warm.mount_point}")
            return
        moving = movings(self.settings, warm, cold)
        for one in moving:
            if one.to == "warm":
                self.move(one, warm.mount_point, one.arguments)
        # What goes to cold comes last: where that hangs, nothing else waits for it.
        is_cold_there = cold is not None and self.is_cold_there(cold)
        if cold is not None and is_cold_there:
            self.move_to_cold(cold, warm, [one for one in moving if one.to == "cold"])
        high = self.settings.automation.warm_high_percent
        if self.is_warm_above(warm, high) and not (self.dry_run and is_cold_there):
            self.fail(
                f"warm is above {high:g} %, and nothing more of it goes to cold. Do: {HERE}/tiered-storage.sh cleanup; "
                f"then look what grew: du --one-file-system --max-depth=2 {warm.mount_point}"
            )

    def is_cold_there(self, cold: Cold) -> bool:
        try:
            prove_cold(cold)
        except Problem as problem:
            self.fail(f"nothing goes to cold: {problem}. Do: mount {cold.mount_point}")
            return False
        try:
            usage_of(cold.mount_point, self.settings.probe_seconds)
        except Problem:
            self.fail(f"nothing goes to cold: {cold.mount_point} does not answer. Do: storage-health.sh")
            return False
        return True

    def move_to_cold(self, cold: Cold, warm: Warm, moving: Sequence[Moving]) -> None:
        """By age, and what is oldest on warm where that is above its high mark, until it is below its low one."""
        automation = self.settings.automation
        mark, cutoff = automation.warm_high_percent, 0
        for _ in range(ROUNDS):
            if self.is_warm_above(warm, mark):
                cutoff = self.cutoff_for_low_mark(warm, moving)
            before = self.moved["files"]
            for one in moving:
                if one.only_under_pressure and cutoff == 0:
                    continue
                sooner = ("--modified-before", str(cutoff)) if one.is_on_warm else ()
                self.move(one, cold.mount_point, (*one.arguments, *sooner))
            if cutoff == 0 or self.moved["files"] == before or self.dry_run:
                return
            mark = automation.warm_low_percent
            try:
                output_of(["sync", "--file-system", warm.mount_point], 60)
            except Problem as problem:
                log("warning", str(problem))
            if not self.is_warm_above(warm, mark):
                return

    def is_warm_above(self, warm: Warm, percent: float) -> bool:
        try:
            return usage_of(warm.mount_point, self.settings.probe_seconds).percent > percent
        except Problem:
            return False

    def cutoff_for_low_mark(self, warm: Warm, moving: Sequence[Moving]) -> int:
        """
        The time before which enough of warm was last written to that it is below its low mark without that; at most a
        day ago, since last night's backup is wanted close by. 0: there is none.
        """
        try:
            usage = usage_of(warm.mount_point, self.settings.probe_seconds)
        except Problem:
            return 0
        need = usage.used - usage.total * self.settings.automation.warm_low_percent / 100
        latest, cutoff = time.time() - DAY_SECONDS, 0
        files = sorted(
            (seen.st_mtime, seen.st_blocks * 512)
            for one in moving
            if one.is_on_warm
            for source in one.sources
            for seen in _files_of_one_name(source)
        )
        for changed, size in files:
            if need <= 0 or changed >= latest:
                break
            need -= size
            cutoff = int(changed) + 1
        return cutoff

    def move(self, moving: Moving, mount: str, arguments: Sequence[str]) -> None:
        """Runs the mover, under our lock, and adds up what it moved."""
        words = [*arguments, "--destination-mount", mount, "--journal", self.settings.moves_journal, "--json"]
        words.append(f"--attributes={self.settings.automation.attributes}")
        if self.lock is not None:
            words += ["--lock-descriptor", str(self.lock)]
        if self.dry_run:
            words.append("--dry-run")
        if self.dry_run or self.options.json:
            words.append("--list")
        status, told = _run_part(mover.main, words)
        if status == 128 + signal.SIGALRM:
            # It ends itself so when nothing moves any more, as on a NAS that was cut.
            log("warning", f"{mount} stopped to answer; the next run finishes")
        if status != 0:
            self.fail(f"some files of the rule {moving.name} were not moved to {mount} (status {status})")
        if told is None:
            return
        self.moved["files"] += told["moved"]["files"]
        self.moved["bytes"] += told["moved"]["bytes"]
        self.files, self.bytes = self.moved["files"], self.moved["bytes"]
        self.conflicts = (self.conflicts or 0) + told.get("conflicts", 0)
        self.add_backlog(moving.name, told)
        self.moves += told.get("moves", [])
        self.not_moved += told["failed"]
        self.add_skipped(told["skipped"])

    def recall(self, path: str) -> int:
        """Moves a file back to where the journal says that it came from."""
        found = origin_and_place(self.settings.moves_journal, path)
        if found is None:
            name = shlex.quote(os.path.basename(path))
            raise Problem(f"the journal has no move of {_quoted(path)}. Do: {HERE}/tiered-storage.sh where {name}")
        origin, place = found
        if origin == place:
            raise Problem(f"{_quoted(place)} is where it came from, by the journal; nothing was moved")
        point = self.tier_of(origin)
        if point is None:
            raise Problem(
                f"{_quoted(origin)} is on none of the tiers, to which alone files are moved. Do: cp --archive "
                f"{_quoted(place)} {_quoted(origin)}"
            )
        self.require_tier(place)
        self.require_tier(origin)
        if not self.dry_run:
            self.lock = take_lock(self.options.lock)
        name = os.path.basename(place)
        arguments = [f"--source={os.path.dirname(place)}", f"--name={name}", "--recall", "--older-than-days=0"]
        arguments.append(f"--destination={os.path.dirname(origin)}")
        if name.endswith(".zst") and not origin.endswith(".zst"):
            arguments.append("--decompress")
        self.move(Moving("recall", "hot", (), tuple(arguments), False), point, [*arguments, "--list"])
        if self.moves == [] and self.status == 0:
            skipped = "; ".join(self.skipped) or "there is no such file. Do: tiered-storage.sh where NAME"
            self.fail(f"{_quoted(place)} was not recalled: {skipped}")
        if self.options.json:
            print_json(self.report("recall"))
        else:
            for one in self.moves:
                would = "a run would have recalled" if self.dry_run else "recalled"
                print(f"{would} {_quoted(one['from'])} to {_quoted(one['to'])} ({one['bytes']} bytes)")
        return self.status

    def tier_of(self, path: str) -> str | None:
        """The mount point of ours that it is on."""
        settings = self.settings
        points = [
            *(() if settings.hot is None else settings.hot.mount_points),
            *(one.mount_point for one in (settings.warm, settings.cold) if one is not None),
        ]
        return max((point for point in points if f"{path}/".startswith(f"{point}/")), key=len, default=None)

    def require_tier(self, path: str) -> None:
        """@raises Problem unless the tier that it is on is there, and answers"""
        warm, cold, point = self.settings.warm, self.settings.cold, self.tier_of(path)
        if cold is not None and point == cold.mount_point:
            prove_cold(cold)
        elif warm is not None and point == warm.mount_point:
            prove_warm(warm)
        elif point is not None:
            _require_mounted(point)
        if point is not None:
            usage_of(point, self.settings.probe_seconds)

    def add_backlog(self, what: str, told: dict[str, Any]) -> None:
        """Of each rule the last word counts: under pressure it has several rounds."""
        self.stayed[what] = len(told["failed"]) + sum(told["skipped"].get(reason, 0) for reason in STAYED)
        self.backlog = sum(self.stayed.values())

    def add_skipped(self, skipped: dict[str, int]) -> None:
        for reason, count in skipped.items():
            self.skipped[reason] = self.skipped.get(reason, 0) + count

    def cleanup(self) -> None:
        warm, automation = self.settings.warm, self.settings.automation
        if warm is not None:
            reason = self.reason_by_clock("cleanup")
            if reason is not None:
                log("warning", f"nothing deleted in this run: {reason}")
            else:
                try:
                    prove_warm(warm)
                    self.delete_aged(warm, "temp-processing", automation.temp_after_days)
                    self.delete_aged(warm, "logs", automation.warm_logs_after_days)
                except Problem as problem:
                    self.fail(f"nothing deleted: {problem}. Do: mount {warm.mount_point}")
        if automation.docker_prune and shutil.which("docker") is not None:
            # Never with --volumes: those hold data.
            self.perform("timeout", "--kill-after=10", "15m", "docker", "system", "prune", "--force")

    def delete_aged(self, warm: Warm, name: str, days: float) -> None:
        folder = f"{warm.mount_point}/{name}"
        percent = 100 if self.options.yes else self.settings.automation.delete_at_most_percent
        words = ["--folder", folder, "--mount", warm.mount_point, "--older-than-days", f"{days:g}"]
        words += ["--at-most-percent", f"{percent:g}"]
        status, told = _run_part(retention.main, [*words, "--dry-run"] if self.dry_run else words)
        if status != 0:
            self.fail(f"not all that is old in {folder} was deleted (status {status})")
        if told is None:
            return
        self.deletions += told["deleted"]
        self.not_deleted += told["failed"]
        self.add_backlog(folder, told)
        self.add_skipped(told["skipped"])

    def optimize(self) -> None:
        hot, warm = self.settings.hot, self.settings.warm
        if warm is not None:
            self.defragment(warm)
        for point in () if hot is None else hot.mount_points:
            if mount_at(point) is None:
                self.fail(f"{point} is not trimmed: nothing is mounted there. Do: mount {point}")
            else:
                self.perform("timeout", "--kill-after=10", "1h", "fstrim", "--quiet-unsupported", "--verbose", point)

    def defragment(self, warm: Warm) -> None:
        try:
            live = prove_warm(warm)
        except Problem as problem:
            self.fail(f"warm is not defragmented: {problem}. Do: mount {warm.mount_point}")
            return
        if live.type != "btrfs":
            log("info", f"warm is not defragmented: it is {live.type}, not btrfs")
            return
        try:
            subvolumes = output_of(["btrfs", "subvolume", "list", warm.mount_point], 60)
        except Problem:
            self.fail("warm is not defragmented: its subvolumes cannot be listed")
            return
        if subvolumes:
            # What a snapshot shares with a file would be stored twice.
            log("info", "warm is not defragmented: it has subvolumes, and what they share would be doubled")
            return
        self.perform("timeout", "--kill-after=10", "2h", "btrfs", "filesystem", "defragment", "-r", warm.mount_point)

    def perform(self, *command: str) -> None:
        """Runs it, or in a dry run only says so."""
        text = " ".join(command)
        self.commands.append(text)
        if self.dry_run:
            return
        log("info", f"running: {text}")
        # What it prints is no part of the report.
        status = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=2, check=False).returncode
        if status != 0:
            self.fail(f"failed with status {status}: {text}")


def movings(settings: Settings, warm: Warm, cold: Cold | None) -> list[Moving]:
    """By the JTS rules and the settings. Warm's logs, which are deleted in time, go to cold only under pressure."""
    hot, automation = settings.hot, settings.automation
    tops = {"warm": warm.mount_point, "cold": "" if cold is None else cold.root}

    def moving(
        name: str,
        sources: Sequence[str],
        to: str,
        destination: str,
        days: float,
        *more: str,
        pattern: str = "*",
        pressed: bool = False,
    ) -> Moving:
        is_on_warm = all(source.startswith(f"{warm.mount_point}/") for source in sources)
        arguments = [f"--source={source}" for source in sources]
        arguments += [f"--destination={tops[to]}/{destination}", f"--older-than-days={days:g}", f"--pattern={pattern}"]
        if is_on_warm:
            arguments.append(f"--source-mount={warm.mount_point}")
        return Moving(
            name,
            to,
            tuple(sources),
            (*arguments, *more),
            is_on_warm and "--keep" not in more,
            only_under_pressure=pressed,
        )

    found: list[Moving] = []
    if hot is not None and hot.log_folders:
        log_options = (f"--relative-to={hot.log_root}", "--only-logs", "--compress")
        found.append(moving("logs", hot.log_folders, "warm", "logs", automation.logs_to_warm_after_days, *log_options))
    if automation.system_logs is not None:
        rotated = ("--only-rotated", "--compress")
        days = automation.logs_to_warm_after_days
        found.append(moving("system logs", [automation.system_logs], "warm", "logs/system", days, *rotated))
    daily = f"{warm.mount_point}/daily-backups"
    found.append(moving("backups", [daily], "cold", "archives/database", automation.backups_to_cold_after_days))
    for rule in automation.rules:
        more = [*(["--compress"] if rule.compress else []), *(["--keep"] if rule.keep else [])]
        found.append(
            moving(
                rule.name, [rule.source], rule.to, rule.destination, rule.older_than_days, *more, pattern=rule.pattern
            )
        )
    found.append(moving("warm logs", [f"{warm.mount_point}/logs"], "cold", "archives/logs", 36500, pressed=True))
    return found


def origin_and_place(journal: str, path: str) -> tuple[str, str] | None:
    """
    Where a file came from at first, and where it is now, by the journal, of one that is or was at that path; several
    moves may lie between. None: it has no such move.
    """
    came_from: dict[str, str] = {}
    went_to: dict[str, str] = {}
    known = set()
    # Each step by the last move of that name, since names are used again.
    for told in moves_of(journal, "*"):
        known |= {told["from"], told["to"]}
        if told["action"] == "undo":
            came_from.pop(told["to"], None)
            went_to.pop(told["from"], None)
        elif told["action"] != "copy":
            went_to[told["from"]] = told["to"]
            # What went from there before is another one, or this one, which is there again.
            went_to.pop(told["to"], None)
            if told["action"] == "recall":
                came_from.pop(told["from"], None)
            else:
                came_from[told["to"]] = told["from"]
    if path not in known:
        return None
    place = _last_of(went_to, path)
    return _last_of(came_from, place), place


def _last_of(steps: dict[str, str], path: str) -> str:
    for _ in steps:
        if path not in steps:
            break
        path = steps[path]
    return path


def where(name: str, settings: Settings, as_json: bool) -> int:
    """Prints where files of that name went. 0: the journal has one."""
    moves = list(moves_of(settings.moves_journal, name))
    places = dict.fromkeys(one[end] for one in moves for end in ("to", "from"))
    there = {place: _is_there(place, settings.probe_seconds) for place in places}
    if as_json:
        document = {"name": name, "moves": moves, "there": there}
        print_json(document)
    else:
        for one in moves:
            print(
                f"{one['time']}  {one['action']:<8} {_quoted(one['from'])} → {_quoted(one['to'])} "
                f"({one['bytes']} bytes, SHA-256 {one.get('sha256', 'not made, for its holes')})"
            )
        for place, is_there in there.items():
            if is_there is not False:
                print(f"{_quoted(place)} {'is there' if is_there else 'does not answer'}")
    if moves:
        return 0
    log(
        "warning",
        f"the journal has no move of {_quoted(name)}. Do: look at what it begins with: {settings.moves_journal}",
    )
    return 1


def _is_there(path: str, seconds: float) -> bool | None:
    """None: it doesn't answer."""
    try:
        return bounded(os.path.lexists, path, seconds=seconds)
    except Problem:
        return None


def _require_mounted(point: str) -> None:
    if mount_at(point) is None:
        raise Problem(f"nothing is mounted at {point}")


def _files_of_one_name(top: str) -> list[os.stat_result]:
    """The regular files below a folder, on its filesystem, that have no other name."""
    found: list[os.stat_result] = []
    if os.path.islink(top) or not os.path.isdir(top):
        return found
    device = os.stat(top).st_dev
    for path, folders, files in os.walk(top):
        folders[:] = [name for name in folders if _device_of(os.path.join(path, name)) == device]
        for name in files:
            try:
                seen = os.lstat(os.path.join(path, name))
            except OSError:
                continue
            if stat.S_ISREG(seen.st_mode) and seen.st_nlink == 1:
                found.append(seen)
    return found


def _device_of(path: str) -> int | None:
    try:
        return os.lstat(path).st_dev
    except OSError:
        return None


def _run_part(part: Callable[[Sequence[str]], int], words: Sequence[str]) -> tuple[int, dict[str, Any] | None]:
    """
    Runs a part of ours in a process of its own, since it may end itself.

    @returns its status, as a shell tells it, and the JSON that it printed
    """
    reading, writing = os.pipe()
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_DFL)
            os.dup2(writing, 1)
            status = part(words)
            sys.stdout.flush()
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 1
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    os.close(writing)
    try:
        with open(reading, "rb") as pipe:
            printed = pipe.read()
        _, ended = os.waitpid(child, 0)
    except SystemExit:
        os.kill(child, signal.SIGTERM)
        raise
    status = os.waitstatus_to_exitcode(ended)
    try:
        told = json.loads(printed)
    except ValueError:
        told = None
    return 128 - status if status < 0 else status, told


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _table(report: dict[str, Any]) -> list[str]:
    def row(what: str, size: object, text: str) -> str:
        return f"{what:<10}{size:>14}  {text}"

    lines = [row("action", "bytes", "what")]
    lines += [
        row(one["action"], one["bytes"], f"{_quoted(one['from'])} → {_quoted(one['to'])}") for one in report["moves"]
    ]
    for one in report["deletions"]:
        empty = ", an empty folder" if one["kind"] == "folder" else ""
        lines.append(row("delete", one["bytes"], f"{_quoted(one['path'])}{empty}"))
    lines += [row("run", "", one) for one in report["commands"]]
    lines += [row("problem", "", one) for one in report["problems"]]
    return lines
