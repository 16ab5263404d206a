"""\
usage: tiered-storage.sh check|migrate|cleanup|optimize|all [--dry-run] [--json] [--yes] [--settings FILE] [--lock FILE]
       tiered-storage.sh where NAME [--json] [--settings FILE]
       tiered-storage.sh recall PATH [--dry-run] [--json] [--settings FILE] [--lock FILE]
       tiered-storage.sh dedup [--dry-run [--read-cold]] [--at-least SIZE] [--json] [--settings FILE] [--lock FILE]

  check     prints the usage of each tier
  migrate   moves files to slower tiers: old logs from hot to warm, compressed, only files with the names of logs, and
            none in a database's folder; rotated logs below /var/log to warm; old backups from warm to cold; and what
            automation.rules say. While warm is above its high mark, until it is below its low mark, cleanup's snapshots
            go, the oldest first, and only then its oldest files move to cold earlier
  cleanup   deletes old files in warm's temp-processing and logs, and runs docker prune, without volumes. Here a file is
            as old as the time for which it has been there, whatever its time of modification says. A file that somebody
            has open stays. A first run, and one after a week without a run or after a clock that went back, deletes
            nothing: the clock may be wrong. With automation.warmSnapshotsKeptDays, a snapshot of warm is made before,
            without which nothing is deleted; old ones are deleted
  optimize  defragments warm, trims hot; where automation.dedup is set, does what dedup does in place of defragmenting,
            which would store again what files share
  all       all of them in this order, whatever fails
  where     prints, from the journal, where files of that name went, and which of them exist now, also in snapshots of
            warm. NAME may have wildcards, or be a path before or after a move; it also finds NAME.zst. A path on warm
            is found in snapshots also if it never moved
  recall    moves a file back to where it came from, and decompresses it where it was compressed. PATH is where it was
            or is. Its age then counts from the recall, so that no rule moves it again the next night
  dedup     has files of the same content on warm share their room there; each stays a file of its own, and one that is
            written to later is stored by itself again. With --dry-run, prints what several files hold, on warm, on all
            exports of cold, and on both. Files of one room share it already. On cold, and between the tiers, nothing is
            ever shared

  --dry-run        prints a table of all that a run would do, and changes nothing
  --json           prints one JSON document instead: what was done, or in a dry run would be, and the problems
  --yes            cleanup deletes all that is old, even if that is more than automation.deleteAtMostPercent
  --at-least SIZE  dedup looks at files of this size or larger, such as 1MiB; default: 64KiB
  --read-cold      dedup reads files on cold, over the network, where the journal has no hash of them
  --settings FILE  in place of /etc/jts-storage/settings.json; only root, or only you, must be able to write it
  --lock FILE      in place of /run/jts-storage-tiering.lock; the file of the limit of bandwidth is beside it

Settings, see docs/configuration.md; a host has no tier that is null:
  hot.mountPoints                     where the tier is mounted
  hot.logFolders                      folders of logs
  hot.logRoot                         paths of logs below this folder stay the same below warm's logs
  warm.mountPoint, label              where the tier is mounted, and the label that its filesystem must have
  cold.mountPoint, source             where the NAS is mounted, and the SERVER:EXPORT that must be mounted there
  cold.root                           the folder on it that holds all our files
  coldVolumes                         the same of further exports, by name, and the archives that each holds
  automation.logsToWarmAfterDays      days since the last write
  automation.backupsToColdAfterDays   days since the last write
  automation.systemLogs               the folder of the system's logs
  automation.attributes               strict: a file stays if its destination cannot keep all its attributes; or
                                      best-effort: it moves without them
  automation.tempAfterDays            how long files stay in warm's temp-processing
  automation.warmLogsAfterDays        how long files stay in warm's logs
  automation.deleteAtMostPercent      cleanup deletes nothing where it would be more than this share of warm's size
  automation.warmHighPercent          the high mark
  automation.warmLowPercent           the low mark
  automation.warmSnapshotsKeptDays    how long cleanup's snapshots stay; absent: it makes none
  automation.usageWarningPercent      check logs a warning above it
  automation.usageCriticalPercent     check fails above it
  automation.rules                    name, source, pattern, olderThanDays, by (modification or access), to (warm,
                                      cold or a volume), destination, compress, keep
  automation.dedup                    whether optimize has files on warm share their room, and does not defragment it
  automation.transfers.streams        how many files at a time to and from cold; none: one for each processor, at most 4
  automation.transfers.bandwidthMiBPerSecond
                                      MiB per second to and from cold, of all our programs together, on average over
                                      some seconds; none: no limit
  automation.dockerPrune              whether cleanup runs docker system prune, which removes what is not used
  movesJournal                        a line of JSON for each move
  stateFolder                         keeps when the last cleanup was
  probeSeconds                        how long a filesystem may take to answer

Exit status: 0 all well · 1 something failed, is away or above the critical usage, or the journal has no such file; the
log says what and what to do · 2 wrong usage or settings · 75 another run holds the lock

Examples:
  tiered-storage.sh all --dry-run
  tiered-storage.sh where 'server.log*'
  tiered-storage.sh recall /data/hot/kafka/logs/server.log.1
  tiered-storage.sh dedup --dry-run --at-least 1MiB
"""

import argparse
import json
import os
import re
import shlex
import shutil
import signal
import stat
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from jts_storage import duplicates, mover, retention
from jts_storage.archives import CHECKSUM, STAMP, require_own
from jts_storage.bandwidth import limit_of
from jts_storage.bounded import bounded, output_of
from jts_storage.increments import FULL_ENDING, full_of
from jts_storage.journal import moves_of
from jts_storage.log import log
from jts_storage.options import Automation
from jts_storage.problem import HERE, Problem, reason_of, with_remedy
from jts_storage.program import Parser, Run, human, print_json, printable, take_lock
from jts_storage.settings import Cold, Settings, Warm
from jts_storage.snapshots import Snapshots, in_snapshots
from jts_storage.tiers import is_above, mount_at, prove_cold, prove_warm, usage_of

ACTIONS = ("check", "migrate", "cleanup", "optimize", "all")
DAY_SECONDS = 86400
# How often the usage is checked again under pressure: a filesystem may report freed space late, and a compressed file
# frees less than its size.
ROUNDS = 3
# Where backups go, below cold's root.
ARCHIVES = "archives/database"
# The mover's reasons to skip a file that is due.
STAYED = ("open", "changed meanwhile")


def main(words: Sequence[str]) -> int:
    parser = Parser(__doc__ or "")
    parser.add_argument("actions", nargs="*")
    parser.add_argument("--dry-run", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--yes", action="store_true")
    parser.add_argument("--lock", default="/run/jts-storage-tiering.lock")
    parser.add_argument("--at-least", metavar="SIZE")
    parser.add_argument("--read-cold", action="store_true")
    options = parser.parse_intermixed_args(words)
    if options.actions == ["dedup"]:
        return duplicates.main(options, parser)
    if options.at_least is not None or options.read_cold:
        parser.error("--at-least and --read-cold are for dedup")
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
    """One rule for moves, ours or of the settings, as the mover's arguments."""

    name: str
    to: str
    sources: tuple[str, ...]
    arguments: tuple[str, ...]
    is_on_warm: bool
    """Whether its files leave the warm tier."""
    only_under_pressure: bool = False
    """Whether it only applies while warm is above its high mark."""
    by: str = mover.MODIFICATION
    exceptions: frozenset[str] = frozenset()
    """The names of files that stay."""


class Tiering(Run):
    """One run over the tiers, and its results."""

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
        self.snapshots = None if settings.warm is None else Snapshots(self, settings.warm, self.commands)
        self.shared: dict[str, int] | None = None

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
            "snapshots": None if self.snapshots is None else self.snapshots.report,
            **({} if self.shared is None else {"shared": self.shared}),
            "totals": {"moved": self.moved, "deleted": {"files": len(files), "bytes": sum(files)}},
            "problems": [
                *self.problems,
                *(f"{_quoted(one['path'])} was not moved: {one['reason']}" for one in self.not_moved),
                *(f"{_quoted(one['path'])} was not deleted: {one['reason']}" for one in self.not_deleted),
            ],
        }

    def check(self) -> None:
        hot, warm = self.settings.hot, self.settings.warm
        for point in () if hot is None else hot.mount_points:
            # On a small host, the folders may be on the root filesystem, so nothing more is required.
            self.check_tier("hot", point, partial(_require_mounted, point))
        if warm is not None:
            self.check_tier("warm", warm.mount_point, partial(prove_warm, warm))
        for cold in self.settings.colds().values():
            self.check_tier("cold", cold.mount_point, partial(prove_cold, cold))

    def check_tier(self, tier: str, point: str, prove: Callable[[], object]) -> None:
        try:
            prove()
        except Problem as problem:
            self.fail(f"{tier}: {problem}", f"mount {point}")
            return
        try:
            usage = usage_of(point, self.settings.probe_seconds)
        except Problem:
            self.fail(f"{tier}: {point} does not answer", f"{HERE}/storage-health.sh")
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
                f"{tier}: {point} is above the critical {automation.usage_critical_percent:g} %",
                f"{HERE}/tiered-storage.sh migrate; {HERE}/tiered-storage.sh cleanup",
            )
        elif percent > automation.usage_warning_percent:
            log("warning", f"{tier}: {point} is above {automation.usage_warning_percent:g} %")

    def migrate(self) -> None:
        warm = self.settings.warm
        if warm is None:
            log("info", "no warm tier: nothing to migrate to or from")
            return
        try:
            prove_warm(warm)
        except Problem as problem:
            self.fail(f"nothing migrated: {problem}", f"mount {warm.mount_point}")
            return
        moving = movings(self.settings, warm)
        for one in moving:
            if one.to == "warm":
                self.move(one, warm.mount_point, one.arguments)
        # What moves to cold stays in the snapshots, so these go first; the moves then go by what is still needed.
        if self.snapshots is not None:
            self.snapshots.release(spare_newest=False)
        # Moves to cold come last: where cold hangs, nothing else waits for it.
        there = {name: cold for name, cold in self.settings.colds().items() if self.is_cold_there(name, cold)}
        if there:
            to_cold = [one for one in moving if one.to in there]
            holder = there.get(self.settings.cold_name_for("backups"))
            if self.settings.automation.backup_volumes and holder is not None:
                to_cold = self.without_mixing(holder, to_cold)
            self.move_to_cold(there, warm, to_cold)
        high = self.settings.automation.warm_high_percent
        if self.is_warm_above(warm, high) and not (self.dry_run and there):
            self.fail(
                f"warm is above {high:g} %, and there is nothing more that may move to cold",
                f"{HERE}/tiered-storage.sh cleanup; then look what grew: du --one-file-system --max-depth=2 "
                f"{warm.mount_point}",
            )

    def is_cold_there(self, name: str, cold: Cold) -> bool:
        try:
            prove_cold(cold)
        except Problem as problem:
            self.fail(f"nothing moves to {name}: {problem}", f"mount {cold.mount_point}")
            return False
        try:
            usage_of(cold.mount_point, self.settings.probe_seconds)
        except Problem:
            self.fail(f"nothing moves to {name}: {cold.mount_point} does not answer", f"{HERE}/storage-health.sh")
            return False
        return True

    def without_mixing(self, cold: Cold, moving: list[Moving]) -> list[Moving]:
        """The same without what would mix our archives with those of another host."""
        try:
            bounded(require_own, cold.root, time.time(), seconds=self.settings.probe_seconds)
            return moving
        except Problem as problem:
            self.fail(f"archives of volumes stay on warm: {problem}")
            archives = f"--destination={cold.root}/{ARCHIVES}"
            return [one for one in moving if archives not in one.arguments]

    def move_to_cold(self, colds: Mapping[str, Cold], warm: Warm, moving: Sequence[Moving]) -> None:
        """
        Moves old files to cold, each to its export. Above its high mark, warm's oldest ones go too, until it is below
        its low mark.
        """
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
                self.move(one, colds[one.to].mount_point, (*one.arguments, *sooner))
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
        return is_above(warm.mount_point, percent, self.settings.probe_seconds)

    def cutoff_for_low_mark(self, warm: Warm, moving: Sequence[Moving]) -> int:
        """
        A time in seconds since 1970: once all files that were last used before it have moved, warm is below its low
        mark. It is at least a day ago, since last night's backup should stay close by. 0: nothing more may move.
        """
        try:
            usage = usage_of(warm.mount_point, self.settings.probe_seconds)
        except Problem:
            return 0
        need = usage.used - usage.total * self.settings.automation.warm_low_percent / 100
        latest, cutoff = time.time() - DAY_SECONDS, 0
        files = sorted(
            (mover.last_used(seen, one.by), seen.st_blocks * 512)
            for one in moving
            if one.is_on_warm
            for source in one.sources
            for seen in _files_of_one_name(source, one.exceptions)
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
        words += self.words_of_transfer(mount, moving.sources)
        if self.dry_run:
            words.append("--dry-run")
        if self.dry_run or self.options.json:
            words.append("--list")
        status, summary = _run_part(mover.main, words)
        if status == 128 + signal.SIGALRM:
            # The mover ends itself so when nothing moves any more, as on a NAS that was disconnected.
            log("warning", f"{mount} stopped answering; the next run finishes the moves")
        if status != 0:
            self.fail(f"some files of the rule {moving.name} were not moved to {mount} (status {status})")
        if summary is None:
            return
        self.moved["files"] += summary["moved"]["files"]
        self.moved["bytes"] += summary["moved"]["bytes"]
        self.files, self.bytes = self.moved["files"], self.moved["bytes"]
        self.conflicts = (self.conflicts or 0) + summary.get("conflicts", 0)
        self.add_backlog(moving.name, summary)
        self.moves += summary.get("moves", [])
        self.not_moved += summary["failed"]
        self.add_skipped(summary["skipped"])

    def words_of_transfer(self, mount: str, sources: Sequence[str]) -> list[str]:
        """The mover's arguments for what goes to cold, or comes from there."""
        transfers, limit = self.settings.automation.transfers, limit_of(self.settings)
        if transfers is None or not any(self.settings.cold_of(one) for one in (mount, *sources)):
            return []
        words = [] if not transfers.streams else [f"--workers={transfers.streams}"]
        if limit is not None:
            words += [f"--bandwidth={limit}", f"--lock={self.options.lock}"]
            words += [f"--network-mount={one.mount_point}" for one in self.settings.colds().values()]
        return words

    def recall(self, path: str) -> int:
        """Moves a file back to where the journal says that it came from."""
        found = origin_and_place(self.settings.moves_journal, path)
        if found is None:
            name = shlex.quote(os.path.basename(path))
            raise Problem(f"the journal has no move of {_quoted(path)}", f"{HERE}/tiered-storage.sh where {name}")
        origin, place = found
        if origin == place:
            raise Problem(f"by the journal, the file is at {_quoted(place)}, where it came from; nothing was moved")
        point = self.tier_of(origin)
        if point is None:
            raise Problem(
                f"{_quoted(origin)} is not on any of the tiers, so no file is moved there",
                f"cp --archive {_quoted(place)} {_quoted(origin)}",
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
        sources = (os.path.dirname(place),)
        self.move(Moving("recall", "hot", sources, tuple(arguments), False), point, [*arguments, "--list"])
        if self.moves == [] and self.status == 0:
            skipped, remedy = "; ".join(self.skipped), ""
            if not skipped:
                skipped, remedy = "there is no such file", f"{HERE}/tiered-storage.sh where {shlex.quote(name)}"
            self.fail(f"{_quoted(place)} was not recalled: {skipped}", remedy)
        if self.options.json:
            print_json(self.report("recall"))
        else:
            for one in self.moves:
                would = "a run would have recalled" if self.dry_run else "recalled"
                print(f"{would} {_quoted(one['from'])} to {_quoted(one['to'])} ({one['bytes']} bytes)")
        return self.status

    def tier_of(self, path: str) -> str | None:
        """The mount point of the tier that a path is on; None: it is not on a tier."""
        settings = self.settings
        points = [
            *(() if settings.hot is None else settings.hot.mount_points),
            *(() if settings.warm is None else (settings.warm.mount_point,)),
            *(one.mount_point for one in settings.colds().values()),
        ]
        return max((point for point in points if f"{path}/".startswith(f"{point}/")), key=len, default=None)

    def require_tier(self, path: str) -> None:
        """@raises Problem unless the tier that a path is on is mounted, and answers"""
        warm, cold, point = self.settings.warm, self.settings.cold_of(path), self.tier_of(path)
        if cold is not None and point == cold.mount_point:
            prove_cold(cold)
        elif warm is not None and point == warm.mount_point:
            prove_warm(warm)
        elif point is not None:
            _require_mounted(point)
        if point is not None:
            usage_of(point, self.settings.probe_seconds)

    def add_backlog(self, rule: str, summary: dict[str, Any]) -> None:
        """Counts the files that were due and stayed. Under pressure a rule has several rounds; the last one counts."""
        self.stayed[rule] = len(summary["failed"]) + sum(summary["skipped"].get(reason, 0) for reason in STAYED)
        self.backlog = sum(self.stayed.values())

    def add_skipped(self, skipped: dict[str, int]) -> None:
        for reason, count in skipped.items():
            self.skipped[reason] = self.skipped.get(reason, 0) + count

    def cleanup(self) -> None:
        warm, automation = self.settings.warm, self.settings.automation
        if warm is not None and self.snapshots is not None:
            reason = self.reason_by_clock("cleanup")
            if reason is not None:
                log("warning", f"nothing deleted in this run: {reason}")
            else:
                try:
                    prove_warm(warm)
                except Problem as problem:
                    self.fail(f"nothing deleted: {problem}", f"mount {warm.mount_point}")
                else:
                    self.clean(warm, self.snapshots)
        if automation.docker_prune and shutil.which("docker") is not None:
            # Never with --volumes: volumes hold data.
            prune = ("timeout", "--kill-after=10", "15m", "docker", "system", "prune", "--force")
            self.perform(*prune, remedy="systemctl status docker; or automation.dockerPrune: false")

    def clean(self, warm: Warm, snapshots: Snapshots) -> None:
        """Deletes what is old on warm; where the settings say so, only once there is a snapshot of it."""
        automation = self.settings.automation
        kept_days = automation.warm_snapshots_kept_days
        try:
            if kept_days is not None:
                snapshots.expire(kept_days)
                snapshots.make()
        except Problem as problem:
            self.fail(f"nothing deleted: {problem}")
            return
        is_temp_known = self.delete_aged(warm, "temp-processing", automation.temp_after_days)
        are_logs_known = self.delete_aged(warm, "logs", automation.warm_logs_after_days)
        if kept_days is not None:
            snapshots.keep([one["bytes"] for one in self.deletions], is_all=is_temp_known and are_logs_known)
        snapshots.release(spare_newest=True)

    def delete_aged(self, warm: Warm, name: str, days: float) -> bool:
        """Deletes what is old in a folder of warm; returns whether it is known what was deleted."""
        folder = f"{warm.mount_point}/{name}"
        percent = 100 if self.options.yes else self.settings.automation.delete_at_most_percent
        words = ["--folder", folder, "--mount", warm.mount_point, "--older-than-days", f"{days:g}"]
        words += ["--at-most-percent", f"{percent:g}"]
        status, summary = _run_part(retention.main, [*words, "--dry-run"] if self.dry_run else words)
        if status != 0:
            self.fail(f"not all old files in {folder} were deleted (status {status})")
        if summary is None:
            return False
        self.deletions += summary["deleted"]
        self.not_deleted += summary["failed"]
        self.add_backlog(folder, summary)
        self.add_skipped(summary["skipped"])
        return True

    def optimize(self) -> None:
        hot, warm = self.settings.hot, self.settings.warm
        if warm is not None and self.settings.automation.dedup:
            self.share(warm)
        elif warm is not None:
            self.defragment(warm)
        for point in () if hot is None else hot.mount_points:
            if mount_at(point) is None:
                self.fail(f"{point} is not trimmed: nothing is mounted there", f"mount {point}")
            else:
                trim = ("timeout", "--kill-after=10", "1h", "fstrim", "--quiet-unsupported", "--verbose", point)
                self.perform(*trim, remedy=f"{HERE}/storage-health.sh; dmesg --level=err,warn")

    def share(self, warm: Warm) -> None:
        """In place of defragmenting, which would store again what files share."""
        self.commands.append(f"{HERE}/tiered-storage.sh dedup")
        if self.dry_run:
            return
        try:
            sharing = duplicates.shared_on(
                warm,
                self.settings.moves_journal,
                at_least=duplicates.AT_LEAST_BYTES,
                seconds=duplicates.DAILY_SECONDS,
            )
        except (Problem, OSError) as problem:
            self.fail(reason_of(problem))
            return
        self.shared = None if sharing is None else sharing.totals

    def defragment(self, warm: Warm) -> None:
        try:
            live = prove_warm(warm)
        except Problem as problem:
            self.fail(f"warm is not defragmented: {problem}", f"mount {warm.mount_point}")
            return
        if live.type != "btrfs":
            log("info", f"warm is not defragmented: it is {live.type}, not btrfs")
            return
        try:
            subvolumes = output_of(["btrfs", "subvolume", "list", warm.mount_point], 60)
        except Problem:
            remedy = f"btrfs subvolume list {warm.mount_point}"
            self.fail("warm is not defragmented: its subvolumes cannot be listed", remedy)
            return
        if subvolumes:
            log("info", "warm is not defragmented: it has subvolumes, and what they share would be stored twice")
            return
        defragment = ("timeout", "--kill-after=10", "2h", "btrfs", "filesystem", "defragment", "-r", warm.mount_point)
        self.perform(*defragment, remedy=f"{HERE}/storage-health.sh; dmesg --level=err,warn")

    def perform(self, *command: str, remedy: str) -> None:
        """Runs a command; a dry run only lists it. `remedy`: what to try where it fails."""
        text = " ".join(command)
        self.commands.append(text)
        if self.dry_run:
            return
        log("info", f"running: {text}")
        # Its output is not a part of the report.
        status = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=2, check=False).returncode
        if status != 0:
            self.fail(f"failed with status {status}: {text}", remedy)


def movings(settings: Settings, warm: Warm) -> list[Moving]:
    """
    What moves, by our rules and those of the settings. Warm's logs, which cleanup deletes, move to cold only under
    pressure.
    """
    hot, automation = settings.hot, settings.automation
    # Without a cold tier, nothing moves to it.
    tops = {"warm": warm.mount_point, "cold": "", **{name: one.root for name, one in settings.colds().items()}}

    def moving(
        name: str,
        sources: Sequence[str],
        to: str,
        destination: str,
        *,
        days: float,
        by: str = mover.MODIFICATION,
        options: Sequence[str] = (),
        pattern: str = "*",
        only_under_pressure: bool = False,
        exceptions: frozenset[str] = frozenset(),
    ) -> Moving:
        is_on_warm = all(source.startswith(f"{warm.mount_point}/") for source in sources)
        arguments = [f"--source={source}" for source in sources]
        arguments += [f"--destination={tops[to]}/{destination}", f"--older-than-days={days:g}", f"--pattern={pattern}"]
        arguments.append(f"--by={by}")
        if is_on_warm:
            arguments.append(f"--source-mount={warm.mount_point}")
        arguments += [f"--except={one}" for one in sorted(exceptions)]
        return Moving(
            name,
            to,
            tuple(sources),
            (*arguments, *options),
            is_on_warm=is_on_warm and "--keep" not in options,
            only_under_pressure=only_under_pressure,
            by=by,
            exceptions=exceptions,
        )

    found: list[Moving] = []
    log_days = automation.logs_to_warm_after_days
    if hot is not None and hot.log_folders:
        options = [f"--relative-to={hot.log_root}", "--only-logs", "--compress"]
        found.append(moving("logs", hot.log_folders, "warm", "logs", days=log_days, options=options))
    if automation.system_logs is not None:
        options = ["--only-rotated", "--compress"]
        # Somebody may have moved the folder to another disk, and left a link, which only root can make there.
        sources = [os.path.realpath(automation.system_logs)]
        found.append(moving("system logs", sources, "warm", "logs/system", days=log_days, options=options))
    sources = [f"{warm.mount_point}/daily-backups"]
    to, days = settings.cold_name_for("backups"), automation.backups_to_cold_after_days
    exceptions = _kept_together(sources[0], automation)
    found.append(moving("backups", sources, to, ARCHIVES, days=days, exceptions=exceptions))
    found += [
        moving(
            rule.name,
            [rule.source],
            rule.to,
            rule.destination,
            days=rule.older_than_days,
            by=rule.by or mover.MODIFICATION,
            options=[*(["--compress"] if rule.compress else []), *(["--keep"] if rule.keep else [])],
            pattern=rule.pattern,
        )
        for rule in automation.rules
    ]
    sources = [f"{warm.mount_point}/logs"]
    to = settings.cold_name_for("logs")
    found.append(moving("warm logs", sources, to, "archives/logs", days=36500, only_under_pressure=True))
    return found


def _kept_together(folder: str, automation: Automation) -> frozenset[str]:
    """
    The names of increments, which stay on warm until they are deleted, and of the full archives that they need, with
    their checksums. So do the newest full ones, where there are to be increments: the next ones need them.
    """
    try:
        names = os.listdir(folder)
    except OSError:
        return frozenset()
    kept = {one for name in names if (full := full_of(name)) for one in (name, full)}
    if automation.incremental_backups is not None:
        for volume in automation.backup_volumes:
            pattern = re.compile(rf"{re.escape(volume)}-{STAMP.pattern}{re.escape(FULL_ENDING)}")
            kept |= set(sorted(filter(pattern.fullmatch, names))[-1:])
    return frozenset(kept | {f"{one}{CHECKSUM}" for one in kept})


def origin_and_place(journal: str, path: str) -> tuple[str, str] | None:
    """
    Where a file that is or was at that path came from at first, and where it is now, by the journal, also over several
    moves. None: the journal has no such move.
    """
    came_from: dict[str, str] = {}
    went_to: dict[str, str] = {}
    known = set()
    # The last move of each name counts, since names are used again.
    for move in moves_of(journal, "*"):
        known |= {move["from"], move["to"]}
        if move["action"] == "undo":
            came_from.pop(move["to"], None)
            went_to.pop(move["from"], None)
        elif move["action"] != "copy":
            went_to[move["from"]] = move["to"]
            # An earlier move from there was that of another file, or of this one, which is back now.
            went_to.pop(move["to"], None)
            if move["action"] == "recall":
                came_from.pop(move["from"], None)
            else:
                came_from[move["to"]] = move["from"]
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
    """Prints where files of that name went; returns the exit status, 0: the journal has one."""
    moves = list(moves_of(settings.moves_journal, name))
    places = dict.fromkeys(one[end] for one in moves for end in ("to", "from"))
    there = {place: _is_there(place, settings.probe_seconds) for place in places}
    kept = _kept_in_snapshots(settings, [*places, os.path.normpath(name)])
    there |= dict.fromkeys(kept, True)
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
    if moves or kept:
        return 0
    log("warning", with_remedy(f"the journal has no move of {_quoted(name)}", f"head {settings.moves_journal}"))
    return 1


def _is_there(path: str, seconds: float) -> bool | None:
    """Whether the file exists; None: its filesystem does not answer."""
    try:
        return bounded(os.path.lexists, path, seconds=seconds)
    except Problem:
        return None


def _kept_in_snapshots(settings: Settings, paths: Sequence[str]) -> list[str]:
    """Where warm's snapshots have what is or was at those paths, the newest of each path first."""
    if settings.warm is None:
        return []
    try:
        return bounded(in_snapshots, settings.warm, tuple(dict.fromkeys(paths)), seconds=settings.probe_seconds)
    except Problem as problem:
        log("warning", f"snapshots of warm were not looked at: {problem}")
        return []


def _require_mounted(point: str) -> None:
    if mount_at(point) is None:
        raise Problem(f"nothing is mounted at {point}")


def _files_of_one_name(top: str, exceptions: frozenset[str]) -> list[os.stat_result]:
    """The regular files below a folder, on its filesystem, that have only one name, and none of the exceptions'."""
    found: list[os.stat_result] = []
    if os.path.islink(top) or not os.path.isdir(top):
        return found
    device = os.stat(top).st_dev
    for path, folders, files in os.walk(top):
        folders[:] = [name for name in folders if _device_of(os.path.join(path, name)) == device]
        for name in set(files) - exceptions:
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
    Runs the mover or the retention in a process of its own, since it may end itself.

    @returns its exit status, as a shell reports it, and the JSON that it printed; None: it printed none
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
        summary = json.loads(printed)
    except ValueError:
        summary = None
    return 128 - status if status < 0 else status, summary


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
