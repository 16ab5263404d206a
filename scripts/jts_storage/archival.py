"""\
usage: nas-archival.sh configs|postgresql|development|clickhouse|records|all|list|verify [OPTION…]
       nas-archival.sh restore DATABASE [--before TIME] [--into NAME] [--host NAME] [--list] [OPTION…]
       nas-archival.sh restore-records FILE --into DATABASE [OPTION…]
       nas-archival.sh extract configs|PATH --to FOLDER [--before TIME] [--host NAME] [--list] [OPTION…]
       nas-archival.sh restore-folder NAME|FOLDER --to FOLDER [--only PATH] [OPTION…]

  configs      archives fstab, LVM's metadata, units, our settings and automation.configPaths to archives/configs
  postgresql   dumps each database, and the roles, to archives/database, and reads the dumps to their end
  development  copies folders to development/NAME. What a copy replaces or deletes there goes to development/.removed.
               A NAME that another host or folder copies to, or that has other files, is not touched. A filesystem that
               is mounted in a folder is not copied with it. With automation.developmentCompress, a file NAME that zstd
               makes smaller is NAME.zst there
  clickhouse   has ClickHouse move old partitions to the volume "cold" of their tables' storage policy
  records      archives old partitions or tables of PostgreSQL to archives/records, each in a file of its own, and
               proves each by a restore to the database jts-storage-scratch. Then it drops or detaches those that are
               to go, if they are unchanged and nothing depends on them
  all          all of them in this order, whatever fails; what the host does not have is left out
  list         prints the archives on cold: time, kind, bytes, path
  verify       compares configs, dumps and records with their checksums, and reads them to their end; so it does with
               the compressed files of copied folders. For archives of volumes, see lvm-backup.sh verify
  restore      restores the newest dump of a database into a new database, which gets its name when it is complete.
               The dump is compared with its checksum and read to its end before. Never changes a database that exists
  restore-records  restores a file of archives/records, after the same checks, as a table that is not attached to any
               other. Never changes a table that exists
  extract      unpacks the newest archive of the configuration, or only the file or folder PATH of it, such as
               /etc/fstab, into a folder without files. PATH stays the same in there. What is unpacked keeps its owner
               and mode; only root can read new folders above it
  restore-folder
               brings the copy of a folder back, development/NAME or a FOLDER below development on cold, such as one of
               .removed, into a folder without files. What was compressed is decompressed, and compared with the SHA-256
               of what was copied

  --dry-run        prints what a run would do, and changes nothing
  --json           prints one JSON document: what there is, or what was done
  --try            for configs, postgresql, records, all, restore and restore-records: also where there seems to be too
                   little room
  --before TIME    for restore and extract: what was archived before it, a time as date(1) takes it; default: the newest
  --into NAME      for restore: the new database; default: DATABASE-STAMP, with the stamp of the dump. For
                   restore-records: the database, which exists
  --to FOLDER      for extract and restore-folder: an absolute path
  --only PATH      for restore-folder: only this file or folder of it, by its path in the folder that was copied
  --host NAME      for restore and extract: the host that made the archive; default: this one
  --list           for restore and extract: only prints the archives that there are
  --now TIME       in place of the clock, as date(1) takes it
  --settings FILE  in place of /etc/jts-storage/settings.json; only root, or only you, must be able to write it
  --lock FILE      in place of /run/jts-storage-archival.lock; the file of the limit of bandwidth is beside it

Settings, see docs/configuration.md:
  cold.mountPoint, source               where the NAS is mounted, and the SERVER:EXPORT that must be mounted there
  cold.root                             the folder on it that holds all our files
  coldVolumes                           the same of further exports, by name, and the archives that each holds
  hot.volumeGroup                       the volume group whose metadata is archived with configs
  automation.archivesKeptDays           how long archives of configs and postgresql are kept
  automation.postgresDatabases          the databases to dump; none: all of the cluster that psql connects to
  automation.configPaths                files and folders that the archive of configurations has too
  automation.postgresArchive            which old records are archived, and whether they are dropped then
  automation.developmentFolders         the folders to copy, each under the last name of its path
  automation.developmentKeptDays        how long development/.removed is kept
  automation.developmentCompress        whether these copies are compressed
  automation.clickhouseToColdAfterDays  how old a partition must be
  automation.clickhouseToColdPerRun     how many bytes of partitions a run moves; none: no limit
  automation.transfers.streams          how many databases, or folders, side by side; none: one after another
  automation.transfers.bandwidthMiBPerSecond
                                        MiB per second to and from cold, of all our programs together, on average over
                                        some seconds; none: no limit. What ClickHouse moves does not count
  stateFolder                           keeps when the last run was
  probeSeconds                          how long a filesystem may take to answer

A run does not begin what there is no room for: an archive is expected to take as much as the last one of its name and a
quarter more, and the first one at most what its source uses. Copies of folders are not checked: one that runs out of
room fails, and the next run continues it. A restored database is expected to take what the original takes now and a
quarter more; where there is no original, at least the size of the dump.

Archives are deleted when they are older than automation.archivesKeptDays and seven newer ones are there; what is in
development/.removed, only by its age; archives of records, never. Neither archives nor records of PostgreSQL go in a
first run, after a week without a run, or after a clock that went back, unless --now is given. Roles are dumped with the
hashes of their passwords: only root can read archives.

Exit status: 0 all well · 1 something failed or is away; the log says what and what to do · 2 wrong usage or settings ·
75 another run holds the lock
"""

import argparse
import contextlib
import json
import os
import re
import shlex
import shutil
import subprocess
import tempfile
import time
import urllib.parse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

from jts_storage import postgresql, records
from jts_storage.archives import (
    CHECKSUM,
    COMPRESS,
    DECOMPRESS,
    MIB,
    STAMP,
    STAMP_FORMAT,
    ArchivingRun,
    Reader,
    Watch,
    expired,
    pack,
    publish,
    read_tar,
    read_through,
    remove_temporary,
    require_room,
    side_by_side,
    size_of_last,
    stamp_of,
    sum_beside,
    verify,
    watched,
)
from jts_storage.bandwidth import Pace, limit_cold, pace_of
from jts_storage.bounded import LOCKS, NoAnswer, bounded, output_of
from jts_storage.copies import Sizes, copies_in, copy_compressed, problem_in, restore_folder, set_state
from jts_storage.files import first_line, write_whole
from jts_storage.log import log
from jts_storage.problem import HERE, Problem, reason_of
from jts_storage.program import Parser, human, parse_time, print_json, take_lock
from jts_storage.session import Session
from jts_storage.settings import Cold, Settings
from jts_storage.tiers import mount_at, require_answer, require_cold, require_cold_of, usage_of
from jts_storage.unpacking import require_path, unpack_to_folder

LOOKS = ("list", "verify")
WORKS = ("configs", "postgresql", "development", "clickhouse", "records", "all")
ACTIONS = (*WORKS, *LOOKS, "restore", "restore-records", "extract", "restore-folder")
TEMPORARY = ".jts-archive-"
# The options that have a value → the subcommands that take them.
VALUES = {
    "before": ("restore", "extract"),
    "into": ("restore", "restore-records"),
    "to": ("extract", "restore-folder"),
    "only": ("restore-folder",),
    "host": ("restore", "extract"),
}
# Ends the name of a database until it is complete.
UNFINISHED = "-unfinished"
DAY_SECONDS = 86400
# An archive may only be deleted if there are so many newer ones.
NEWER = 7
CONFIGS = (
    "etc/fstab",
    "etc/jts-storage",
    "etc/systemd/system",
    "etc/lvm",
    "etc/sysctl.d",
    "etc/udev/rules.d",
    "etc/exports",
    "var/lib/jts-storage",
)
COLUMNS = "NAME,SIZE,SERIAL,WWN,FSTYPE,LABEL,UUID,PARTUUID,MOUNTPOINTS"
QUERY_SECONDS = 300
LOOK_SECONDS = 60
# The age of a partition is that of its data where the partition key has a time, else that of its last write. ClickHouse
# copies the parts, and removes the old ones only when the new ones are complete. A partition of which only some parts
# were moved is moved again.
OLD_PARTITIONS = """
SELECT parts.database AS database, parts.table AS table, parts.partition_id AS id,
  toString(sumIf(parts.bytes_on_disk, NOT has(policies.disks, parts.disk_name))) AS bytes,
  max(if(toUnixTimestamp(parts.max_time) > 86400, parts.max_time,
         if(toUInt16(parts.max_date) > 1, toDateTime(parts.max_date), parts.modification_time))) AS newest
FROM system.parts AS parts
INNER JOIN system.tables AS tables ON tables.database = parts.database AND tables.name = parts.table
INNER JOIN system.storage_policies AS policies
  ON policies.policy_name = tables.storage_policy AND policies.volume_name = 'cold'
WHERE parts.active
GROUP BY parts.database, parts.table, parts.partition_id
HAVING newest < now() - toIntervalDay(DAYS) AND countIf(NOT has(policies.disks, parts.disk_name)) > 0
ORDER BY newest, database, table, id
FORMAT JSONEachRow"""


ARCHIVE_NAME = re.compile(rf"(?P<name>.+)-(?P<stamp>{STAMP.pattern})(?P<ending>\.tar\.zst|\.dump|\.sql\.zst)")
READ_DUMP = read_through([["pg_restore", "--file=-"]])
# A dump is read to its end, not only its list of contents. The last lines of roles show that they are complete.
READERS = {
    "configs": read_tar,
    "dump": READ_DUMP,
    "records": READ_DUMP,
    "roles": read_through(
        [
            DECOMPRESS,
            ["tail", "--lines=5"],
            ["grep", "--fixed-strings", "PostgreSQL database cluster dump complete"],
        ]
    ),
}


def main(words: Sequence[str]) -> int:
    parser = Parser(__doc__ or "")
    parser.add_argument("words", nargs="*")
    for option in ("--dry-run", "--json", "--try", "--list"):
        parser.add_argument(option, action="store_true")
    for option in ("now", *VALUES):
        parser.add_argument(f"--{option}")
    parser.add_argument("--lock", metavar="FILE", default="/run/jts-storage-archival.lock")
    options = parser.parse_intermixed_args(words)
    if not options.words:
        parser.error("a subcommand is missing")
    action, *arguments = options.words
    if action not in ACTIONS:
        parser.error(f"there is no {action}")
    settings = parser.read_settings(options)
    try:
        now = parse_time(options.now)
        before = None if options.before is None else stamp_of(parse_time(options.before, "--before"))
        _require_arguments(action, arguments, options)
    except Problem as problem:
        parser.error(str(problem))
    archival = Archival(settings, options, now, arguments, before)
    with archival.recorded("nas-archival", action):
        return archival.run(action)


def _require_arguments(action: str, arguments: Sequence[str], options: argparse.Namespace) -> None:
    """@raises Problem where the subcommand does not take them"""
    if options.list and action not in ("restore", "extract"):
        raise Problem(f"{action} takes no --list")
    for option, takers in VALUES.items():
        value = vars(options)[option]
        if value is not None and action not in takers:
            raise Problem(f"{action} takes no --{option}")
        if value == "":
            raise Problem(f"--{option} needs a value")
    if action == "extract":
        if len(arguments) != 1:
            raise Problem("extract takes configs, or one path")
        require_path(arguments[0], "extract")
        if not options.list and not (options.to or "").startswith("/"):
            raise Problem("extract needs --to with an absolute path")
        return
    if action == "restore-folder":
        if len(arguments) != 1 or not arguments[0]:
            raise Problem("restore-folder takes the name of one copied folder, or a path on cold")
        if not (options.to or "").startswith("/"):
            raise Problem("restore-folder needs --to with an absolute path")
        if options.only is not None:
            require_path(options.only, "--only")
        return
    if action == "restore-records":
        if len(arguments) != 1 or not arguments[0].startswith("/"):
            raise Problem("restore-records takes the absolute path of one file", f"{HERE}/nas-archival.sh list")
        if options.into is None:
            raise Problem("restore-records needs --into with the name of a database")
        return
    if action != "restore":
        if arguments:
            raise Problem(f"{action} takes no {arguments[0]}")
        return
    if len(arguments) != 1 or not arguments[0]:
        raise Problem("restore takes the name of one database")
    unfinished = f"{options.into or f'{arguments[0]}-{stamp_of(0)}'}{UNFINISHED}"
    if not options.list and len(os.fsencode(unfinished)) > postgresql.NAME_BYTES:
        longest = postgresql.NAME_BYTES - len(UNFINISHED)
        raise Problem(
            f"the new database's name would be too long: PostgreSQL takes {postgresql.NAME_BYTES} bytes, and until the "
            f"database is complete its name ends with {UNFINISHED}",
            f"--into NAME, of {longest} bytes at most",
        )


@dataclass(frozen=True)
class Archive:
    """FOLDER/NAME-STAMP.ENDING on the cold tier: the pipeline that prints it, and the function that verifies it."""

    folder: str
    name: str
    ending: str
    commands: tuple[tuple[str, ...], ...]
    reader: Reader
    source_bytes: int | None = None
    """The size of what is archived, not compressed; None: unknown."""
    good_statuses: tuple[int, ...] = (0,)
    """Exit statuses with which the first command has succeeded."""
    old_name: str = ""
    """The name that earlier versions gave such archives; empty: the same."""


class Archival(ArchivingRun):
    """One run of archives and copies to the cold tier."""

    def __init__(
        self, settings: Settings, options: argparse.Namespace, now: int, arguments: Sequence[str], before: str | None
    ) -> None:
        super().__init__(settings, options.dry_run, options.json)
        self.options = options
        self.arguments = arguments
        # A stamp; None: restores take the newest archive.
        self.before = before
        self.now = now
        self.stamp = stamp_of(now)
        self.is_all = False
        transfers = settings.automation.transfers
        # What a dry run prints must not be mixed.
        self.streams = 1 if transfers is None or self.dry_run else transfers.streams or 1
        limit_cold(settings, options.lock)

    def run(self, action: str) -> int:
        only_looks = action in LOOKS or self.options.list
        if not self.dry_run and not only_looks:
            take_lock(self.options.lock)
            # Archives hold what only root and the services may read.
            os.umask(0o077)
        # The user postgres may have no right to be in the working directory.
        os.chdir("/")
        self.is_all = action == "all"
        works = {
            "configs": self.configs,
            "postgresql": self.postgresql,
            "development": self.development,
            "clickhouse": self.clickhouse,
            "records": self.archive_records,
        }
        others = {
            "list": self.print_all,
            "verify": self.verify,
            "restore": self.restore,
            "restore-records": self.restore_records,
            "extract": self.extract,
            "restore-folder": self.restore_folder,
        }
        for work in works.values() if self.is_all else [(works | others)[action]]:
            try:
                work()
            except Problem as problem:
                self.fail(str(problem))
        if not only_looks:
            self.print_summary(action)
        return self.status

    @cached_property
    def reason(self) -> str | None:
        """Why nothing may be deleted for its age in this run; None: it may."""
        return self.reason_by_clock("removed") if self.options.now is None else None

    def print_all(self) -> None:
        self.print_archives(self.archives())

    def print_archives(self, archives: Sequence[dict[str, Any]]) -> None:
        if self.options.json:
            print_json({"archives": archives, "failed": self.problems})
            return
        for one in archives:
            missing = "" if one["hasChecksum"] else "  WITHOUT A CHECKSUM"
            print(f"{one['time']}  {one['kind']:7}  {one['bytes']} bytes  {one['path']}{missing}")

    def archives(self) -> list[dict[str, Any]]:
        """
        The archives on cold, sorted by their names on each of its exports. One that is away fails the run where
        archives go there; where they only went there earlier, it is a warning.
        """
        holders = {self.settings.cold_name_for(kind) for kind in ("configs", "database")}
        exports = self.settings.colds()
        if not exports:
            self.fail("cold cannot be read: this host has no cold tier", f"{HERE}/storage-health.sh")
        found: list[dict[str, Any]] = []
        for name, cold in exports.items():
            try:
                require_answer(cold, self.settings)
                found += bounded(_archives_below, f"{cold.root}/archives", seconds=LOOK_SECONDS)
            except Problem as problem:
                if name in holders:
                    self.fail(f"{name} cannot be read: {problem}", f"{HERE}/storage-health.sh")
                else:
                    log("warning", f"archives that went to {name} earlier are left out: {problem}")
        return found

    def verify(self) -> None:
        archives = (
            (one["path"], one, partial(self.problem_of, one["path"], READERS[one["kind"]]))
            for one in self.archives()
            if one["kind"] in READERS
        )
        copies = (
            (path, {"path": path, "kind": "copy"}, partial(self.problem_of_copy, path))
            for path in self.compressed_copies()
        )
        self.verify_each((*archives, *copies))

    def compressed_copies(self) -> list[str]:
        """The copies of folders that have compressed files; none where cold is away, which fails the run."""
        try:
            folder = f"{require_cold(self.settings, 'development').root}/development"
            found: list[str] = bounded(copies_in, folder, seconds=LOOK_SECONDS)
            return found
        except Problem as problem:
            if self.settings.automation.development_folders:
                self.fail(f"the copies of folders cannot be read: {problem}", f"{HERE}/storage-health.sh")
            return []

    def problem_of_copy(self, path: str) -> str:
        """The problem of a copied folder; empty: all of its compressed files are good."""
        try:
            cold = require_cold_of(self.settings, path)
            problem = watched(cold.mount_point, self.settings.probe_seconds, partial(problem_in, path))
        except Problem as away:
            problem = str(away)
        return f"{path} is not whole: {problem}" if problem else ""

    def problem_of(self, path: str, reader: Reader) -> str | None:
        """The problem of an archive; empty: it is good; None: it was removed while it was read."""

        def look() -> str | None:
            try:
                verify(path, sum_beside(path), reader)
            except Problem as problem:
                return str(problem) if os.path.lexists(path) else None
            return ""

        try:
            return watched(require_cold_of(self.settings, path).mount_point, self.settings.probe_seconds, look)
        except Problem as problem:
            return f"{path} is not verified: {problem}"

    def archive_records(self) -> None:
        rules = self.settings.automation.postgres_archive or ()
        if not rules:
            log("info", "no records to archive (automation.postgresArchive)")
            return
        if self.is_absent("pg_dump"):
            return
        cold = self.ready(records.FOLDER)
        if cold is None:
            return
        if not self.dry_run:
            # What a killed run left.
            postgresql.drop_scratch()
        for rule in rules:
            try:
                with Session(rule.database) as session:
                    tables, others = records.old_tables(session, rule, self.now)
            except Problem as problem:
                self.fail(f"no records of {shlex.quote(rule.database)} are archived: {problem}")
                continue
            for other in others:
                self.fail(other, "leave its records there; or archive it by a rule of its own")
            for table in tables:
                try:
                    self.archive_table(cold, table, rule.then)
                except Problem as problem:
                    self.fail(str(problem))

    def archive_table(self, cold: Cold, table: records.Table, then: str) -> None:
        """@raises Problem where it is not archived, or is to go and stays"""
        folder, name = records.place_of(cold.root, _node(), table)
        path = f"{folder}/{name}-{self.stamp}{records.ENDING}"
        point, seconds = cold.mount_point, self.settings.probe_seconds
        try:
            done = watched(point, seconds, partial(self.prove_table, cold, table, name, path, then))
        except Problem as problem:
            raise Problem(f"{table} is not archived: {problem}") from None
        if done["did"] == "archived":
            size = done["bytes"]
            if size is not None:
                self.files, self.bytes = self.files + 1, self.bytes + size
            self.report("archived", f"{table}", f" to {path}", path=path, bytes=size, rows=done["rows"])
        else:
            log("info", f"{table} is archived already, in {done['path']}")
        if then == "keep":
            return
        if self.reason is not None:
            log("warning", f"{table} stays in this run: {self.reason}")
            return
        did = {"drop": "dropped", "detach": "detached"}[then]
        if not self.dry_run:
            record = done["record"]
            records.remove_table(table, record, then)
            record[did] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            watched(point, seconds, partial(records.write_record, done["path"], record))
        self.report(did, f"{table}", path=done["path"])

    def prove_table(self, cold: Cold, table: records.Table, name: str, path: str, then: str) -> dict[str, Any]:
        """
        Archives a table, unless its last archive has the same rows. Returns what was done, with the path of the archive
        and its record.
        """
        folder = os.path.dirname(path)
        last = records.last_record(folder, name)
        with Session(table.database) as session:
            activity = records.activity_of(session, table)
            if last is not None and then == "keep" and records.is_untouched(last[1], activity):
                return {"did": "nothing", "path": last[0]}
            with records.snapshot_of(session, table) as snapshot:
                facts = records.facts_of(session, table)
                if last is not None and records.is_same(last[1], facts):
                    return self.keep_last(last[0], {**last[1], "activity": activity}, then)
                if self.dry_run:
                    return {"did": "archived", "path": path, "bytes": None, "rows": facts["rows"]}
                self.require_room_for_table(cold, table)
                os.makedirs(folder, exist_ok=True)
                record: dict[str, Any] = {
                    "version": 1,
                    "host": _node(),
                    **records.identity_of(table),
                    **facts,
                    "activity": activity,
                    "archived": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                }
                prove = records.prover(session, table, facts)

                def read(fd: int, pace: Pace) -> None:
                    READ_DUMP(fd, pace)
                    prove(fd, pace)
                    record["bytes"] = os.fstat(fd).st_size
                    records.write_record(path, record)

                command = records.dump_of(table, snapshot)
                archive = Archive(records.FOLDER, name, records.ENDING, (command,), read)
                size = self.make_archive(path, archive)
        return {"did": "archived", "path": path, "bytes": size, "rows": facts["rows"], "record": record}

    def keep_last(self, path: str, record: dict[str, Any], then: str) -> dict[str, Any]:
        """@raises Problem where the archive of a table that is to go is damaged"""
        if then != "keep":
            verify(path, sum_beside(path), READ_DUMP)
        if not self.dry_run:
            records.write_record(path, record)
        return {"did": "nothing", "path": path, "record": record}

    def require_room_for_table(self, cold: Cold, table: records.Table) -> None:
        """@raises Problem where cold, or PostgreSQL's filesystem, has too little room"""
        if vars(self.options)["try"]:
            return
        for folder in (cold.mount_point, postgresql.data_folder()):
            if os.path.isdir(folder):
                require_room(
                    folder,
                    last_bytes=None,
                    source_bytes=table.bytes,
                    seconds=self.settings.probe_seconds,
                    try_command=f"{HERE}/nas-archival.sh records --try",
                )

    def restore_records(self) -> None:
        """@raises Problem where the table is not restored"""
        path, into = os.path.realpath(self.arguments[0]), self.options.into
        cold = require_cold(self.settings)
        if not path.startswith(f"{os.path.realpath(cold.root)}/{records.FOLDER}/"):
            raise Problem(f"{path} is not in {cold.root}/{records.FOLDER}", f"{HERE}/nas-archival.sh list")
        if self.is_absent("pg_restore"):
            return
        point, seconds = cold.mount_point, self.settings.probe_seconds
        record = watched(point, seconds, partial(records.read_record, path))
        if record is None:
            raise Problem(f"{path}{records.RECORD} cannot be read", "docs/runbooks/restore-a-backup.md")
        records.require_free(record, into)
        self.require_room_for(into, record["bytes"])
        problem = self.problem_of(path, READ_DUMP)
        if problem is None or problem:
            raise Problem(problem or f"{path} is not there", f"{HERE}/nas-archival.sh list")
        name = f"{record['schema']}.{record['table']}"
        if not self.dry_run:
            name = watched(point, seconds, partial(records.bring_back, path, record, into))
        self.report("restored", path, f" to {name} of {shlex.quote(into)}", path=path, to=into, rows=record["rows"])

    def restore(self) -> None:
        """@raises Problem where the database is not restored"""
        database = self.arguments[0]
        quoted = urllib.parse.quote(os.fsencode(database), safe="")
        dumps = self.candidates("dump", f"dump of {shlex.quote(database)}", "postgresql-", f"@{quoted}", f"-{quoted}")
        if self.options.list:
            self.print_archives(dumps)
            return
        if not dumps or self.is_absent("pg_restore"):
            return
        path = dumps[-1]["path"]
        into = self.options.into or f"{database}-{_stamp_in(dumps[-1])}"
        self.require_no_database(into)
        self.require_room_for(database, dumps[-1]["bytes"])
        self.require_whole(dumps)
        if not self.dry_run:
            self.fill_new_database(path, into)
        self.report("restored", path, f" to the database {shlex.quote(into)}", path=path, to=into)

    def extract(self) -> None:
        """@raises Problem where it is not extracted"""
        only = None if self.arguments[0] == "configs" else self.arguments[0]
        archives = self.candidates("configs", "archive of its configuration", "configs-", "")
        if self.options.list:
            self.print_archives(archives)
            return
        if not archives:
            return
        self.require_whole(archives)
        path, folder = archives[-1]["path"], self.options.to
        work = partial(unpack_to_folder, path, folder, only, dry_run=self.dry_run)
        watched(require_cold_of(self.settings, path).mount_point, self.settings.probe_seconds, work)
        part = "" if only is None else f", only {shlex.quote(only)},"
        self.report("extracted", path, f"{part} to {folder}", path=path, only=only, to=folder)

    def restore_folder(self) -> None:
        """@raises Problem where the folder is not brought back"""
        cold = require_cold(self.settings, "development")
        copies, name, to = f"{cold.root}/development", self.arguments[0], self.options.to
        folder = os.path.normpath(name if name.startswith("/") else f"{copies}/{name}")
        if not folder.startswith(f"{copies}/"):
            raise Problem(f"{folder} is not below {copies}", f"ls {copies}")
        if not bounded(os.path.isdir, folder, seconds=self.settings.probe_seconds):
            raise Problem(f"there is no folder {folder}", f"ls {copies} {copies}/.removed, for what there is")
        work = partial(restore_folder, folder, to, self.options.only, dry_run=self.dry_run)
        sizes = Sizes(**watched(cold.mount_point, self.settings.probe_seconds, work))
        part = "" if self.options.only is None else f", only {shlex.quote(self.options.only)},"
        more = f"{part} to {to}: {sizes.copied_files} files of {human(sizes.copied_bytes)}"
        self.report("restored", folder, more, path=folder, only=self.options.only, to=to, **sizes.facts())

    def candidates(self, kind: str, what: str, prefix: str, *suffixes: str) -> list[dict[str, Any]]:
        """
        The archives that a restore may take, the oldest first; where there is none, the run fails.

        @param what  what they are, for messages
        @param prefix  what their names have before the host's
        @param suffixes  what their names have after it: the present one, and those of earlier versions
        """
        archives = [one for one in self.archives() if one["kind"] == kind]
        if self.problems:
            return []
        host = self.options.host or _node()
        names = [f"{prefix}{host}{suffix}" for suffix in suffixes]
        found = sorted((one for one in archives if _name_in(one) in names), key=_stamp_in)
        fitting = [one for one in found if self.before is None or _stamp_in(one) < self.before]
        if not found:
            present = re.compile(rf"{re.escape(prefix)}(.+){re.escape(suffixes[0])}")
            hosts = sorted({name[1] for one in archives if (name := present.fullmatch(_name_in(one)))})
            others = f"--host NAME, of one that has: {' '.join(hosts)}" if hosts else f"{HERE}/nas-archival.sh list"
            self.fail(f"{host} has no {what} on cold", others)
        elif not fitting:
            self.fail(
                f"{host} has no {what} on cold from before that time; the oldest is of {found[0]['time']}",
                "a later --before",
            )
        return fitting

    def require_no_database(self, into: str) -> None:
        """@raises Problem where there is a database of that name, or what an interrupted restore has left of it"""
        for name in (into, f"{into}{UNFINISHED}"):
            try:
                is_there = postgresql.has_database(name)
            except Problem:
                raise Problem("PostgreSQL does not answer", "systemctl status postgresql") from None
            if is_there and name == into:
                raise Problem(
                    f"there is a database {shlex.quote(name)}, and a restore never changes one",
                    "--into NAME, of one that there isn't",
                )
            if is_there:
                raise Problem(
                    f"there is a database {shlex.quote(name)}, as an interrupted restore leaves it",
                    f"--into NAME, of another one; or, where nobody needs it: {_drop_command(name)}",
                )

    def require_room_for(self, database: str, dump_bytes: int) -> None:
        """@raises Problem where PostgreSQL's filesystem, which others write to, has too little room for a database"""
        folder = postgresql.data_folder()
        if vars(self.options)["try"] or not os.path.isdir(folder):
            return
        size = postgresql.sizes().get(database, 0)
        needed = max(size + size // 4, dump_bytes) + MIB
        free = usage_of(folder, self.settings.probe_seconds).available
        if free < needed:
            raise Problem(
                f"the new database needs about {human(needed)}, {folder} has {human(free)} free",
                "make room there; or, to try nevertheless: --try",
            )

    def fill_new_database(self, path: str, into: str) -> None:
        """
        Restores a dump to a database that gets its name when it is complete.

        @raises Problem where it is not restored: then nothing of it is left
        """
        unfinished, is_complete = f"{into}{UNFINISHED}", False

        def fill() -> None:
            postgresql.make_database(path, unfinished)
            postgresql.fill_database(path, unfinished)

        try:
            watched(require_cold_of(self.settings, path).mount_point, self.settings.probe_seconds, fill)
            postgresql.rename_database(unfinished, into)
            is_complete = True
        except Problem as problem:
            raise Problem(
                f"{path} is not restored: {problem}",
                "look at the lines before this one; where a role is missing: docs/runbooks/restore-a-backup.md",
            ) from None
        finally:
            if not is_complete:
                try:
                    postgresql.drop_database(unfinished)
                except Problem as problem:
                    self.fail(
                        f"the database {shlex.quote(unfinished)} is left of it: {problem}",
                        _drop_command(unfinished),
                    )

    def require_whole(self, archives: Sequence[dict[str, Any]]) -> None:
        """@raises Problem unless the last one is whole, which names the one before it"""
        one = archives[-1]
        problem = self.problem_of(one["path"], READERS[one["kind"]])
        if problem is None:
            raise Problem(f"{one['path']} was removed meanwhile", "run this again")
        if problem:
            older = (
                f"the same command with --before {one['time']} takes that of {archives[-2]['time']}"
                if len(archives) > 1
                else f"there is no older one; {HERE}/lvm-backup.sh list, for archives of whole volumes"
            )
            raise Problem(problem, older)

    def configs(self) -> None:
        cold = self.ready("archives/configs")
        if cold is None:
            return
        group = None if self.settings.hot is None else self.settings.hot.volume_group
        with tempfile.TemporaryDirectory() as scratch:
            if group is not None:
                try:
                    output_of(["vgcfgbackup", "--quiet", "--file", f"{scratch}/{group}.vgcfg", "--", group], 60)
                except Problem:
                    self.fail(f"the LVM metadata of {group} cannot be read", "vgs; pvs")
            try:
                devices = output_of(["lsblk", "--json", "--bytes", "--output", COLUMNS], 60)
                write_whole(f"{scratch}/lsblk.json", devices)
            except Problem:
                self.fail("the block devices cannot be listed", "lsblk")
            there = [*(path for path in CONFIGS if os.path.exists(f"/{path}")), *self.config_paths()]
            # Names are taken as they are: tar(1) would take \t in one for a tab, and a dash for an option.
            tar = ("tar", "--create", "--file=-", "--numeric-owner", "--no-unquote")
            folders = (f"--directory={scratch}", ".", "--directory=/")
            commands = ((*tar, *folders, "--", *there), COMPRESS)
            size = sum(_bytes_below(f"/{path}") for path in there) + _bytes_below(scratch)
            archive = Archive(
                folder="archives/configs",
                name=f"configs-{_node()}",
                ending=".tar.zst",
                commands=commands,
                reader=read_tar,
                source_bytes=size,
                # 1: files changed or were removed meanwhile. The next archive has them.
                good_statuses=(0, 1),
            )
            self.archive(cold, [archive])

    def config_paths(self) -> list[str]:
        """What the settings name besides, without the first slash; of a link also what it leads to."""
        found = []
        for path in self.settings.automation.config_paths or ():
            if not os.path.exists(path):
                self.fail(
                    f"{path} is not archived: it is not there",
                    f"{HERE}/storage-health.sh, for whether its volume is mounted; or take it out of "
                    "automation.configPaths",
                )
                continue
            found += [one.lstrip("/") for one in dict.fromkeys((os.path.normpath(path), os.path.realpath(path)))]
        return found

    def postgresql(self) -> None:
        if self.is_absent("pg_dump"):
            return
        try:
            output_of(["getent", "passwd", "postgres"], 60)
        except NoAnswer:
            raise
        except Problem:
            # The host only has PostgreSQL's tools.
            log("info", "there is no user postgres, so there is no server: left out")
            return
        cold = self.ready("archives/database")
        if cold is None:
            return
        try:
            databases = self.settings.automation.postgres_databases or postgresql.databases()
        except Problem:
            self.fail("PostgreSQL does not answer", "systemctl status postgresql")
            return
        sizes = postgresql.sizes()
        self.archive(cold, [_roles(), *(_dump(database, sizes.get(database)) for database in databases)])
        clusters = postgresql.running_clusters()
        if len(clusters) > 1 and not self.settings.automation.postgres_databases:
            self.fail(
                f"the clusters {' and '.join(clusters)} run, and only the one that psql connects to is dumped",
                "pg_lsclusters; where the others need no dump, name the databases that do in "
                "automation.postgresDatabases; pg_dropcluster removes what nobody needs",
            )

    def development(self) -> None:
        sources = self.settings.automation.development_folders
        if not sources:
            log("info", "no folders to copy (automation.developmentFolders)")
            return
        cold = self.ready("development")
        if cold is None:
            return
        begun = set()

        def begin(source: str, _: object) -> Callable[[], dict[str, int] | None]:
            check_source(source)
            log("info", f"{'would be ' if self.dry_run else ''}copying {source}")
            begun.add(source)
            return partial(self.copy, cold, source)

        def end(source: str, result: dict[str, int] | Problem | None) -> None:
            if source not in begun:
                self.fail(str(result))
                return
            self.report_copy(source, result)
            for point in _filesystems_in(source, sources):
                self.fail(
                    f"{point} is not copied with {source}: it is a filesystem of its own",
                    "add it to automation.developmentFolders; or, where it is not needed, name the folders beside it "
                    f"there in place of {source}",
                )

        # A folder is one stream: several would know neither of hard links between their parts, nor what to delete.
        with Watch[dict[str, int] | None](cold.mount_point, self.settings.probe_seconds) as watch:
            side_by_side(watch, self.streams, sources, begin, end)
        try:
            look = partial(self.forget_removed, cold, self.reason)
            deleted, failed = watched(cold.mount_point, self.settings.probe_seconds, look)
        except Problem as problem:
            deleted, failed = [], [str(problem)]
        for path in deleted:
            days = self.settings.automation.development_kept_days
            self.report("deleted", path, f", kept for {days} days")
        for failure in failed:
            self.fail(f"removed files that were kept long enough cannot be deleted: {failure}")

    def report_copy(self, source: str, copied: dict[str, int] | Problem | None) -> None:
        """
        Reports a copied folder, also where not all of it is copied.

        @param copied  its `Sizes`, or why it was given up; None: it is not compressed, and there
        """
        if isinstance(copied, Problem):
            log("error", str(copied))
        sizes = Sizes(**copied) if isinstance(copied, dict) else None
        is_whole = copied is None if sizes is None else sizes.failed == 0
        if not is_whole:
            self.fail(
                f"{source} is not copied, or not all of it",
                f"look at the lines before this one; {HERE}/storage-health.sh",
            )
        if sizes is not None:
            self.files, self.bytes = self.files + sizes.copied_files, self.bytes + sizes.copied_there_bytes
            if not is_whole:
                log("info", f"{source}: {sizes.in_words()}")
        if is_whole:
            more, facts = ("", {}) if sizes is None else (f": {sizes.in_words()}", sizes.facts())
            self.report("copied", source, more, **facts)

    def clickhouse(self) -> None:
        if self.is_absent("clickhouse-client"):
            return
        try:
            # ClickHouse itself writes there, and would fill the root disk where nothing is mounted.
            cold = require_cold(self.settings)
        except Problem as problem:
            self.fail(f"ClickHouse moves nothing: {problem}", f"{HERE}/storage-health.sh")
            return
        # ClickHouse counts times from 1970, and takes one before for one in the future, which all is older than.
        days = min(self.settings.automation.clickhouse_to_cold_after_days, int(time.time()) // DAY_SECONDS)
        query = OLD_PARTITIONS.replace("DAYS", str(days))
        try:
            partitions = output_of(["clickhouse-client", "--query", query], QUERY_SECONDS).splitlines()
            moves = [(partition, *_move_of(partition)) for partition in partitions if partition]
        except Problem:
            self.fail(
                "ClickHouse does not answer",
                "systemctl status clickhouse-server; clickhouse-client --query 'SELECT 1'",
            )
            return
        limit, begun = self.settings.automation.clickhouse_to_cold_per_run, 0
        for index, (partition, move, size) in enumerate(moves):
            if limit is not None and index > 0 and begun + size > limit:
                log(
                    "info",
                    f"{len(moves) - index} partitions wait for the next run: "
                    f"this one moves {limit} bytes at most (automation.clickhouseToColdPerRun)",
                )
                return
            begun += size
            start = time.monotonic()
            if self.dry_run or self.watched(cold, partial(_run_command, ["clickhouse-client", "--query", move])):
                seconds = round(time.monotonic() - start, 3)
                pace = "" if self.dry_run else f", {human(int(size / max(seconds, 0.001)))}/s"
                self.report("moved", f"the partition {partition}", pace, bytes=size, seconds=seconds)
            else:
                self.fail(
                    f"the partition {partition} is not moved",
                    "look at the lines before this one, and at ClickHouse's log",
                )

    def ready(self, folder: str) -> Cold | None:
        """
        The cold tier's export for a folder of archives, where it is mounted, answers, and has that folder of ours; else
        None, and the run fails.
        """
        try:
            cold = require_cold(self.settings, os.path.basename(folder))
        except Problem as problem:
            self.fail(f"nothing archived in {folder}: {problem}", f"{HERE}/storage-health.sh")
            return None
        path, is_there = f"{cold.root}/{folder}", False
        with contextlib.suppress(Problem):
            is_there = bounded(os.path.isdir, path, seconds=self.settings.probe_seconds)
        if not is_there:
            self.fail(f"there is no folder {path}", "pulumi up --refresh")
            return None
        return cold

    def is_absent(self, program: str) -> bool:
        """Whether the host lacks a program. That only fails the run where its subcommand was given by name."""
        if shutil.which(program) is not None:
            return False
        if self.is_all:
            log("info", f"there is no {program}: left out")
        else:
            self.fail(f"there is no {program}", "apt-get install the package that has it")
        return True

    def watched(self, cold: Cold, work: Callable[[], None]) -> bool:
        """Whether a function did its work while the cold tier answered; what it could not do is logged."""
        try:
            watched(cold.mount_point, self.settings.probe_seconds, work)
        except Problem as problem:
            log("error", str(problem))
            return False
        return True

    def archive(self, cold: Cold, archives: Sequence[Archive]) -> None:
        """Makes archives, of which each has a name of its own, and then deletes old ones of the same name."""
        needed: dict[str, int] = {}

        def begin(archive: Archive, under_way: Sequence[Archive]) -> Callable[[], int | None] | None:
            reserved = sum(needed[one.name] for one in under_way)
            try:
                look = partial(self.require_room, cold, archive, reserved)
                needed[archive.name] = watched(cold.mount_point, self.settings.probe_seconds, look)
            except Problem:
                if under_way:
                    # When they have ended, what they need is known.
                    return None
                raise
            return partial(self.make_archive, self.path_of(cold, archive), archive)

        with Watch[int | None](cold.mount_point, self.settings.probe_seconds) as watch:
            side_by_side(watch, self.streams, archives, begin, partial(self.end_archive, cold))

    def path_of(self, cold: Cold, archive: Archive) -> str:
        return f"{cold.root}/{archive.folder}/{archive.name}-{self.stamp}{archive.ending}"

    def end_archive(self, cold: Cold, archive: Archive, size: int | Problem | None) -> None:
        """`size`: of the new archive, in bytes; None: the run is dry."""
        if isinstance(size, Problem):
            log("error", str(size))
            remedy = f"look at the lines before this one; {HERE}/storage-health.sh"
            self.fail(f"no archive of {archive.name}", remedy)
            return
        if size is not None:
            self.files, self.bytes = self.files + 1, self.bytes + size
        path = self.path_of(cold, archive)
        self.report("archived", path, path=path, bytes=size)
        # Old ones are deleted only after a new one was made.
        try:
            look = partial(self.delete_old_archives, cold, archive, self.reason)
            for old in watched(cold.mount_point, self.settings.probe_seconds, look):
                self.report("deleted", old)
        except Problem as problem:
            log("error", str(problem))
            self.fail(f"old archives of {archive.name} cannot be deleted")

    def require_room(self, cold: Cold, archive: Archive, reserved: int) -> int:
        """
        The bytes that an archive needs; 0: unknown.

        @param reserved  what others that are being made may need
        @raises Problem where the cold tier has too little room for it
        """
        if vars(self.options)["try"]:
            return 0
        last = size_of_last(f"{cold.root}/{archive.folder}", archive.ending, archive.name, archive.old_name)
        action = "configs" if archive.folder.endswith("configs") else "postgresql"
        return require_room(
            cold.mount_point,
            last_bytes=last,
            source_bytes=archive.source_bytes,
            seconds=self.settings.probe_seconds,
            try_command=f"{HERE}/nas-archival.sh {action} --try",
            reserved_bytes=reserved,
        )

    def make_archive(self, path: str, archive: Archive) -> int | None:
        """Makes it; returns its size in bytes. None: the run is dry."""
        if self.dry_run:
            return None
        folder, name = os.path.split(path)
        # Files of killed runs: we have their lock. The files of other hosts have other names.
        names = "|".join(re.escape(one) for one in (archive.name, archive.old_name) if one)
        ending = f"{re.escape(archive.ending)}({re.escape(CHECKSUM)})?"
        left = re.compile(f"{re.escape(TEMPORARY)}({names})-{STAMP.pattern}{ending}")
        for entry in os.scandir(folder):
            if left.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                os.unlink(entry.path)
        temporary = f"{folder}/{TEMPORARY}{name}"
        try:
            publish(temporary, path, pack(archive.commands, temporary, archive.good_statuses), archive.reader)
        except Problem:
            remove_temporary(temporary)
            raise
        return os.path.getsize(path)

    def delete_old_archives(self, cold: Cold, archive: Archive, reason: str | None) -> list[str]:
        """
        Returns the paths of those that it deleted, or in a dry run would have.

        @param reason  why nothing may be deleted for its age; None: it may
        """
        folder = f"{cold.root}/{archive.folder}"
        names = expired(
            folder,
            archive.name,
            archive.ending,
            days=self.settings.automation.archives_kept_days,
            count=NEWER,
            now=self.now,
            old_name=archive.old_name,
        )
        if names and reason is not None:
            log("warning", f"{len(names)} old archives of {archive.name} stay in this run: {reason}")
            return []
        for name in () if self.dry_run else names:
            # With its checksum.
            remove_temporary(f"{folder}/{name}")
        return [f"{folder}/{name}" for name in names]

    def copy(self, cold: Cold, source: str) -> dict[str, int] | None:
        """
        Copies a folder. What that replaces or deletes is moved to .removed, on the same filesystem.

        @returns its `Sizes`, where it is compressed
        """
        name = os.path.basename(source)
        target = f"{cold.root}/development/{name}"
        if os.path.islink(target):
            raise Problem(f"{target} is a symbolic link")
        self.claim(source, target)
        if not self.dry_run:
            os.makedirs(target, exist_ok=True)
        aside = f"{cold.root}/development/.removed/{self.stamp}/{name}"
        claim = f"{cold.root}/development/.copies/{name}"
        if self.settings.automation.development_compress:
            return copy_compressed(source, target, claim, aside, dry_run=self.dry_run)
        if not self.dry_run:
            # What rsync copies is not known to be what does not compress.
            set_state(claim, "")
        options = ["--archive", "--hard-links", "--numeric-ids", "--one-file-system", "--delete-delay", "--backup"]
        if self.dry_run:
            options += ["--dry-run", "--itemize-changes"]
        pace = pace_of(target)
        if self.streams > 1:
            # Two that make it at the same time would not get on.
            os.makedirs(f"{cold.root}/development/.removed", exist_ok=True)
        if pace.is_limited and not self.dry_run:
            # All of what the other side writes comes through the relay, which stands on the destination.
            relay = f'"{os.path.dirname(__file__)}" relay "{pace.file}" {pace.mib_per_second}'
            options += ["--whole-file", "--protect-args", f"--rsh=/usr/bin/python3 -I -B {relay}"]
            os.chdir(target)
            target = f"nas:{target}"
        command = ["rsync", *options, f"--backup-dir={aside}", "--", f"{source}/", f"{target}/"]
        # 24: files were removed meanwhile, as in a folder in which people work.
        _run_command(command, stdout=2, good_statuses=(0, 24))
        return None

    def claim(self, source: str, target: str) -> None:
        """
        Records, in a file in .copies, that the target is the copy of that source on this host. Only an empty target can
        be claimed: the copy would delete all other files in it.

        @raises Problem where it is the copy of another source, or has files
        """
        claims = f"{os.path.dirname(target)}/.copies"
        claim = f"{claims}/{os.path.basename(target)}"
        ours, whose = f"{_node()}:{quote(source)}", first_line(claim)
        if whose == ours:
            return
        if whose:
            raise Problem(
                f"{target} is the copy of {whose}",
                f"rename one of the folders; or, where that copy is no longer made: rm {shlex.quote(claim)}",
            )
        found = _first_entry(target) if os.path.isdir(target) else None
        if found is not None:
            raise Problem(
                f"{target} has files that we did not copy there, such as {quote(found)}; they would be deleted",
                f"move them away; or, where they are the copy of {source}: mkdir --parents {shlex.quote(claims)}; "
                f"echo {shlex.quote(ours)} >{shlex.quote(claim)}",
            )
        if not self.dry_run:
            os.makedirs(claims, exist_ok=True)
            write_whole(claim, f"{ours}\n")

    def forget_removed(self, cold: Cold, reason: str | None) -> tuple[list[str], list[str]]:
        """
        Deletes what was in .removed for long enough.

        @param reason  why nothing may be deleted for its age; None: it may
        @returns the paths that it deleted, and the problems of those that it could not
        """
        folder, days = f"{cold.root}/development/.removed", self.settings.automation.development_kept_days
        oldest = stamp_of(self.now - days * DAY_SECONDS)
        deleted, failed = [], []
        for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
            path = f"{folder}/{name}"
            if not STAMP.fullmatch(name) or name >= oldest or os.path.islink(path) or not os.path.isdir(path):
                continue
            if reason is not None:
                log("warning", f"{path} stays in this run: {reason}")
                continue
            if not self.dry_run:
                try:
                    _run_command(["rm", "--recursive", "--force", "--one-file-system", "--", path])
                except Problem as problem:
                    failed.append(f"{path}: {problem}")
                    continue
            deleted.append(path)
        return deleted, failed


def check_source(source: str) -> None:
    """@raises Problem where the folder is empty, or its filesystem is not mounted: that would empty its copy"""
    if os.path.basename(source) in (".removed", ".copies"):
        raise Problem(f"{source} is not copied: we use that name for a folder of ours on the cold tier")
    if os.path.islink(source) or not os.path.isdir(source):
        raise Problem(f"there is no folder {source}, so its copy stays as it is")
    try:
        is_empty = _first_entry(source) is None
    except OSError as problem:
        raise Problem(f"{source} cannot be read, so its copy stays as it is: {reason_of(problem)}") from None
    if is_empty:
        raise Problem(f"{source} is empty, so its copy stays as it is", "take it out of automation.developmentFolders")
    folders = (source, os.path.realpath(source))
    for point in _points_of_fstab():
        if mount_at(point) is not None:
            continue
        # A line may go by a symbolic link, which the kernel's table has followed. One may lead to a NAS that is away.
        place = bounded(os.path.realpath, point, seconds=LOOK_SECONDS)
        holds = any(f"{folder}/".startswith((f"{point}/", f"{place}/")) for folder in folders)
        if holds and mount_at(place) is None:
            raise Problem(f"{point} is not mounted, so the copy of {source} stays as it is", f"mount {point}")


def _filesystems_in(source: str, sources: Sequence[str]) -> list[str]:
    """The mount points of fstab below a folder that is copied, except where they, or folders in them, are too."""
    folders = (f"{source}/", f"{os.path.realpath(source)}/")
    return [
        point
        for point in _points_of_fstab()
        if point.startswith(folders) and not any(f"{one}/".startswith(f"{point}/") for one in sources)
    ]


def _points_of_fstab() -> list[str]:
    """The mount points in fstab in their shortest spelling, without the root's."""
    try:
        with open("/etc/fstab", "rb") as file:
            lines = [line.split() for line in file if not line.lstrip().startswith(b"#")]
    except OSError as problem:
        log("warning", f"/etc/fstab: {reason_of(problem)}")
        return []
    points = [
        re.sub(rb"\\([0-7]{3})", lambda octal: bytes([int(octal[1], 8) & 255]), words[1])
        for words in lines
        if len(words) > 1
    ]
    plain = [os.path.normpath(re.sub(r"/+", "/", os.fsdecode(point))) for point in points if point.startswith(b"/")]
    return [point for point in plain if point != "/"]


def _first_entry(folder: str) -> str | None:
    with os.scandir(folder) as entries:
        return next((entry.name for entry in entries), None)


def _node() -> str:
    """The name of this host: several hosts may share a NAS."""
    return output_of(["uname", "--nodename"], 10).strip()


def _roles() -> Archive:
    commands = ((*postgresql.AS_POSTGRES, "pg_dumpall", "--no-password", "--globals-only"), COMPRESS)
    return Archive("archives/database", f"postgresql-{_node()}-roles", ".sql.zst", commands, READERS["roles"])


def _dump(database: str, size: int | None) -> Archive:
    # By the environment: pg_dump takes an argument with = in it for a connection string.
    command = (*postgresql.AS_POSTGRES, "env", f"PGDATABASE={database}", "pg_dump", "--no-password", "--format=custom")
    node, name = _node(), urllib.parse.quote(os.fsencode(database), safe="")
    # Neither the host's name nor the quoted one has an @, so each database has a name of its own.
    return Archive(
        "archives/database",
        f"postgresql-{node}@{name}",
        ".dump",
        (command,),
        READERS["dump"],
        size,
        old_name=f"postgresql-{node}-{name}",
    )


def _bytes_below(top: str) -> int:
    """The bytes of the files below a folder, or of one file."""
    size = 0 if os.path.isdir(top) else os.path.getsize(top)
    for folder, _, files in os.walk(top):
        for name in files:
            with contextlib.suppress(OSError):
                size += os.lstat(f"{folder}/{name}").st_size
    return size


def _archives_below(top: str) -> list[dict[str, Any]]:
    below = [folder for folder, _, _ in os.walk(f"{top}/records")]
    found = []
    for folder in (f"{top}/configs", f"{top}/database", *sorted(below)):
        for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
            path, is_ours = f"{folder}/{name}", ARCHIVE_NAME.fullmatch(name)
            if is_ours is None or not os.path.isfile(path) or os.path.islink(path):
                continue
            try:
                when = time.strptime(is_ours["stamp"], STAMP_FORMAT)
                size = os.path.getsize(path)
            except (ValueError, OSError):
                continue
            found.append(
                {
                    "path": path,
                    "kind": "records" if folder in below else _kind_of(folder, is_ours["name"], is_ours["ending"]),
                    "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", when),
                    "bytes": size,
                    "hasChecksum": os.path.isfile(f"{path}{CHECKSUM}"),
                }
            )
    return found


def _drop_command(database: str) -> str:
    return f"runuser --user=postgres -- dropdb -- {shlex.quote(database)}"


def _name_in(archive: dict[str, Any]) -> str:
    """NAME of NAME-STAMP.ENDING."""
    found = ARCHIVE_NAME.fullmatch(os.path.basename(archive["path"]))
    assert found is not None
    return found["name"]


def _stamp_in(archive: dict[str, Any]) -> str:
    found = ARCHIVE_NAME.fullmatch(os.path.basename(archive["path"]))
    assert found is not None
    return found["stamp"]


def _kind_of(folder: str, name: str, ending: str) -> str:
    if ending == ".tar.zst":
        return "configs" if folder.endswith("/configs") and name.startswith("configs-") else "volume"
    return "dump" if ending == ".dump" else "roles"


def _move_of(partition: str) -> tuple[str, int]:
    """
    The statement that moves a partition, which is a line of ClickHouse's JSON, and how many bytes it moves.

    @raises Problem where it is not such a line
    """
    try:
        row = json.loads(partition)
        database, table = (re.sub(r"([\\`])", r"\\\1", row[key]) for key in ("database", "table"))
        move = f"ALTER TABLE `{database}`.`{table}` MOVE PARTITION ID '{row['id']}' TO VOLUME 'cold'"
        return move, int(row["bytes"])
    except (ValueError, KeyError, TypeError):
        raise Problem(f"{partition} is not a partition") from None


def _run_command(command: Sequence[str], stdout: int | None = None, good_statuses: Sequence[int] = (0,)) -> None:
    """@raises Problem where the command fails"""
    try:
        # With the lock: no other run begins while the command still writes.
        status = subprocess.run(command, stdout=stdout, pass_fds=LOCKS, check=False).returncode
    except OSError as problem:
        raise Problem(f"{command[0]} cannot be run: {problem.strerror}") from None
    if status not in good_statuses:
        raise Problem(f"{command[0]} failed with status {status}")


def quote(text: str) -> str:
    """Quotes as printf %q of bash does, since existing claims are written so."""
    raw = os.fsencode(text)
    if all(32 <= byte < 127 for byte in raw):
        return re.sub(r"([^\w@%+=:./~#-]|^[#~]|(?<=[:=])~)", r"\\\1", text, flags=re.ASCII) or "''"
    letters = {7: "a", 8: "b", 9: "t", 10: "n", 11: "v", 12: "f", 13: "r", 27: "E", 39: "'", 92: "\\"}
    parts = (
        f"\\{letters[byte]}" if byte in letters else chr(byte) if 32 <= byte < 127 else f"\\{byte:03o}" for byte in raw
    )
    return f"$'{''.join(parts)}'"
